"""What `plan` says of a search's power and cost, before anything runs."""

import math
import subprocess
import sys
import time
from dataclasses import replace
from typing import Literal

import pytest
from store_fixtures import cell, epoch
from tasks_fixtures import data_sizes

import freelb_tune as ft
from freelb_tune.errors import FreeLBTuneError
from freelb_tune.results import forecast as told
from freelb_tune.results.workload import effort_of
from freelb_tune.space import ADVERSARIES, load_space, plan_cells
from freelb_tune.space.settings.adversaries import AdversarySettings
from freelb_tune.store import EpochLog, cell_folder, take_results
from freelb_tune.tasks import TASKS
from freelb_tune.tasks.sizes import Sizes

SPACE = """\
name: tried
task: rte
model: roberta-base
trainer: {num_train_epochs: 2, per_device_train_batch_size: 32}
adversary: {adv_steps: 3, adv_lr: {grid: [0.1, 0.2]}}
seeds: 3
"""


def forecast(space, plan, results):
    return told.forecast(space, plan, told.stores_in(results))


def planned(folder, text=SPACE):
    (folder / "space.yaml").write_text(text)
    space = load_space(folder / "space.yaml")
    return space, plan_cells(
        space, data_fingerprint=lambda s: repr(s), model_fingerprint=lambda s: "w"
    )


def finished(results, space, plan, *, name="tried", score=lambda cell: 0.7, count=None):
    """Store the first cells of a plan as done: 0.01 s an example and pass, 5 s an evaluation."""
    cells = plan.cells[:count]
    with take_results(results / name, space_yaml=space.to_yaml(), name=name, task="rte") as journal:
        journal.append(
            "opened", at="", pid=1, version="0", command="", space="0", name=name, task="rte",
            cells=[cell.id for cell in plan.cells], seeds=list(space.seeds),
        )  # fmt: skip
        journal.append_all(("planned", {"cell": cell.to_json()}) for cell in plan.cells)
        for cell in cells:
            per_update = 1 if cell.arm == "clean" else 3
            log = EpochLog(cell_folder(results / name, cell.id) / "epochs.jsonl")
            for number in (1, 2):
                passes = 78 * per_update  # 2,490 pairs in batches of 32
                log.append(
                    epoch(
                        cell.id,
                        number,
                        score(cell),
                        metrics={"accuracy": score(cell)},
                        passes=passes * number,
                        train_seconds=0.01 * passes * 32,
                        eval_seconds=5.0,
                    )  # fmt: skip
                )
            journal.append("finished", cell_id=cell.id, state="done")


def test_power_work_and_cost_are_said_before_anything_ran(tmp_path):
    power, work, cost = forecast(*planned(tmp_path), tmp_path / "results").sentences
    assert "277 dev examples, 2 configurations, 3 seeds" in power
    # 15 % of 277 examples flip: sqrt(0.15 / 2 / 277) is 1.6 points, and sqrt(40) times that 10.4
    assert "spread over seeds 1.6 to 10.4 points: from steady to short training, as" in power
    # 78 updates an epoch, 2 epochs, 3 seeds: clean 1 pass, two adversarial arms 3 passes each
    assert work == "Work: 1,404 weight updates, 3,276 forward and backward passes."
    assert cost == "Estimated cost: not known: no finished cell of this model and task to go by."


def test_the_cost_is_as_earlier_cells_of_any_search_were(tmp_path):
    space, plan = planned(tmp_path)
    finished(tmp_path / "results", space, plan, name="earlier", count=4)
    _, _, cost = forecast(space, plan, tmp_path / "results").sentences
    # 3,276 passes x 32 x 0.01 s + 9 cells x 2 x 5 s = 1,138 s; known: 3 clean cells and one more
    assert cost == (
        "Estimated cost: 0.32 device-hours, 0.22 of them still to come (as fast as 4 finished "
        "cells of this model and task)."
    )
    smaller = planned(tmp_path, SPACE.replace("rte\n", "rte\nresources: {gpu: 0.5}\n", 1))
    assert "0.16 device-hours" in forecast(*smaller, tmp_path / "results").sentences[2]


def test_the_spread_is_the_one_that_finished_cells_have(tmp_path):
    space, plan = planned(tmp_path)
    # what a seed gives to all arms is no spread; what is left: 1, -2, 1 points around the one arm's
    odd = plan.cells[-1].config_id
    extra = {1: 0.01, 2: -0.02, 3: 0.01}
    finished(
        tmp_path / "results",
        space,
        plan,
        score=lambda c: 0.7 + 0.01 * c.seed + extra[c.seed] * (c.config_id == odd),
    )
    power = forecast(space, plan, tmp_path / "results").sentences[0]
    # squares (2/3)(1 + 4 + 1) = 4 on (3 - 1)(3 - 1) degrees: 1.0 points
    assert "spread over seeds 1.0 points: measured in 9 finished cells of this model" in power


@pytest.mark.parametrize("count", [6, 9])
def test_a_few_seeds_are_no_measurement_of_a_spread(tmp_path, count):
    space, plan = planned(tmp_path)
    score = {cell.id: 0.7 + 0.01 * (at % 4) for at, cell in enumerate(plan.cells)}
    finished(tmp_path / "results", space, plan, score=lambda c: score[c.id], count=count)
    power = forecast(space, plan, tmp_path / "results").sentences[0]
    # 2 arms x 3 seeds have 2 degrees of freedom, 3 x 3 have 4
    assert ("measured in 9 finished" in power) == (count == 9)


def test_one_seed_shows_nothing(tmp_path):
    one = planned(tmp_path, SPACE.replace("seeds: 3", "seeds: 1"))
    power = forecast(*one, tmp_path).sentences[0]
    assert power.startswith("Power: none with one seed: it cannot be told from luck.")


def test_cells_of_another_model_say_nothing(tmp_path):
    space, plan = planned(tmp_path)
    finished(tmp_path / "results", space, plan)
    other = planned(tmp_path, SPACE.replace("roberta-base", "bert-base-uncased"))
    power, _, cost = forecast(*other, tmp_path / "results").sentences
    assert "nothing of this model and task is measured" in power
    assert "not known" in cost


def test_a_damaged_folder_of_another_search_is_passed_over(tmp_path):
    space, plan = planned(tmp_path)
    finished(tmp_path / "results", space, plan, name="earlier")
    (tmp_path / "results" / "broken").mkdir()
    (tmp_path / "results" / "broken" / "journal.jsonl").write_text("garbage\n{}\n")
    assert "device-hours" in forecast(space, plan, tmp_path / "results").sentences[2]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        pytest.param("clean_arm: false", "as the clean arm is switched off", id="no clean arm"),
        pytest.param("data: {max_eval_examples: 1}", "with 1 dev example", id="one example"),
        pytest.param("data: {path: some/dataset, text: [a, b]}", "not stated", id="unknown size"),
    ],
)
def test_what_has_no_power_says_why(tmp_path, line, said):
    assert said in forecast(*planned(tmp_path, SPACE + line + "\n"), tmp_path).sentences[0]


def test_only_normal_training_has_nothing_to_compare(tmp_path):
    text = SPACE.replace("{adv_steps: 3, adv_lr: {grid: [0.1, 0.2]}}", "{method: none}")
    assert (
        "every cell is the clean arm" in forecast(*planned(tmp_path, text), tmp_path).sentences[0]
    )


def test_asha_may_take_less(tmp_path):
    text = SPACE + "search: {algorithm: asha}\n"
    assert forecast(*planned(tmp_path, text), tmp_path).sentences[1].startswith("Work: at most ")


def test_a_race_states_its_stopping_rule_and_its_error_rate(tmp_path):
    text = SPACE + "search: {algorithm: race, budget: 5}\n"
    _, race, work, _ = forecast(*planned(tmp_path, text), tmp_path).sentences
    assert "Race: every configuration gets 2 seeds" in race
    assert "is at most 5 % over the whole race. Where the budget of 5 cells does not" in race
    assert work.startswith("Work: at most ")


def test_a_verdict_search_says_when_it_ends_and_what_an_answer_is_likely_to_take(tmp_path):
    text = SPACE + "search: {algorithm: verdict, margin: 2, budget: 8}\n"
    _, rule, *_ = forecast(*planned(tmp_path, text), tmp_path).sentences
    assert "Verdict: every arm gets 2 seeds" in rule
    assert "or the budget of 8 cells is spent. Either answer is wrong with at most 5 %" in rule
    assert "Where nothing helps an answer takes about " in rule


def test_a_margin_far_below_what_seeds_do_is_said_in_the_plan(tmp_path):
    text = SPACE + "search: {algorithm: verdict, margin: 0.01}\n"
    _, rule, *_ = forecast(*planned(tmp_path, text), tmp_path).sentences
    assert "A margin of 0.01 points is far below what seeds do: to exclude it takes" in rule
    assert "takes more than 10,000 seeds of each arm" in rule


def test_a_race_that_cannot_be_is_refused_before_its_cells_are_listed(tmp_path):
    text = SPACE + "search: {algorithm: race, budget: 3}\n"
    space, _ = planned(tmp_path, text.replace("model: roberta-base", "model: a/nowhere"))
    with pytest.raises(FreeLBTuneError, match="a race of 2 configurations needs 4 cells"):
        ft.plan(space, tmp_path)


def test_ten_thousand_cells_are_foreseen_in_well_under_a_second(tmp_path):
    values = [at / 1000 for at in range(1, 3334)]
    space, plan = planned(tmp_path, SPACE.replace("[0.1, 0.2]", str(values)))
    assert len(plan.cells) > 10_000
    forecast(space, plan, tmp_path)  # scipy loads
    start = time.process_time()
    forecast(space, plan, tmp_path)
    assert time.process_time() - start < 0.7


def test_a_plan_loads_neither_tables_nor_pandas_nor_the_drafting_of_spaces():
    code = (
        "import sys, freelb_tune as ft; p = ft.plan(ft.load_space('rte_grid')); p.sentences;"
        "print(sorted(m for m in sys.modules if m.startswith('freelb_tune.results.tables')"
        " or m in ('pandas', 'torch', 'freelb_tune.tasks.drafting')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


class Own(AdversarySettings):
    method: Literal["own"] = "own"


@pytest.mark.parametrize(
    ("settings", "updates", "passes"),
    [
        pytest.param({"adversary.method": "none"}, 156, 156, id="clean"),
        pytest.param({"adversary.method": "freelb", "adversary.adv_steps": 2}, 156, 312, id="K"),
        pytest.param({"adversary.method": "smart", "adversary.ascent_steps": 1}, 156, 624, id="4"),
        pytest.param({"adversary.method": "vat", "adversary.ascent_steps": 2}, 156, 624, id="2+2"),
        pytest.param({"adversary.method": "own"}, 156, None, id="plugin"),
        pytest.param(
            {"adversary.method": "fgm", "adversary.adv_begin_step": 100}, 156, 212, id="late"
        ),
        pytest.param({"adversary.method": "none", "trainer.max_steps": 10}, 10, 10, id="steps"),
        pytest.param(
            {"adversary.method": "r3f", "trainer.gradient_accumulation_steps": 4}, 40, 320, id="4x"
        ),
    ],
)
def test_updates_and_passes_follow_from_the_settings(settings, updates, passes, monkeypatch):
    monkeypatch.setitem(ADVERSARIES, "own", Own)
    base = {"trainer.per_device_train_batch_size": 32, "trainer.num_train_epochs": 2}
    one = replace(cell(), settings={**base, **settings})
    found = effort_of(one, 2490)
    assert (found.updates, found.passes) == (updates, passes)
    assert effort_of(one, None) is None


def test_sizes_are_official_or_counted(tmp_path):
    assert data_sizes({"task": "rte"}) == Sizes(2490, 277)
    assert data_sizes({"task": "rte", "data.max_eval_examples": 100}).dev == 100
    assert data_sizes({"task": "entailment_toy", "data.max_eval_examples": 900}).dev == 400
    assert data_sizes({"task": "rte", "data.path": "own/rte"}) == Sizes(None, None)
    (tmp_path / "train.csv").write_text('text,label\n"two\nlines",a\nb,b\n')
    (tmp_path / "dev.jsonl").write_text('{"text": "a", "label": "a"}\n\n')
    own = {"task": "classification", "data.text": "text"}
    files = {f"data.{part}": str(tmp_path / name) for part, name in
             (("train", "train.csv"), ("dev", "dev.jsonl"))}  # fmt: skip
    assert data_sizes({**own, **files}) == Sizes(2, 1)
    assert data_sizes({**own, **files, "data.dev": "gone.csv"}).dev is None


def test_a_glue_folder_is_counted(tmp_path):
    (tmp_path / "CoLA").mkdir()
    (tmp_path / "RTE").mkdir()
    for name in ("train", "dev"):
        (tmp_path / "CoLA" / f"{name}.tsv").write_text("gj04\t1\t\tfine\n" * 3)
        (tmp_path / "RTE" / f"{name}.tsv").write_text("index\tsentence1\n0\ta\n1\tb")
    glue = {"data.source": "glue", "data.path": str(tmp_path)}
    assert data_sizes({**glue, "task": "cola"}) == Sizes(3, 3)
    assert data_sizes({**glue, "task": "rte"}) == Sizes(2, 2)
    with pytest.raises(FreeLBTuneError, match="no folder SST-2"):
        data_sizes({**glue, "task": "sst2"})


@pytest.mark.glue
@pytest.mark.parametrize("task", ["cola", "rte", "wnli", "mrpc", "stsb"])
def test_official_sizes_are_those_of_the_files(glue_folder, task):
    folder = glue_folder / TASKS[task].folder
    if not (folder / "train.tsv").is_file():
        pytest.skip(f"no {folder.name} here")
    found = data_sizes({"task": task, "data.source": "glue", "data.path": str(glue_folder)})
    assert (found.train, found.dev) == pytest.approx(TASKS[task].sizes, abs=3)


def test_every_glue_task_knows_its_sizes():
    assert all(task.sizes and math.prod(task.sizes) for task in TASKS.values() if task.folder)
