"""Configurations that train the same: one runs for all, each has its row, and they count as one."""

import json

import pytest
import search_fixtures
from ray import cloudpickle
from search_fixtures import Prepare, train

import freelb_tune as ft
from freelb_tune.errors import FreeLBTuneError
from freelb_tune.results import build_table, write_outputs
from freelb_tune.results.analysis import analyse, judge
from freelb_tune.results.tables.frames import trials_frame
from freelb_tune.search import SearchOptions, Work, run_search
from freelb_tune.search.driver.same import journal_same, same_cells
from freelb_tune.space import list_plan, load_space, plan_cells
from freelb_tune.store import CellState, EpochLog, Journal, cell_folder, load_store, take_results

cloudpickle.register_pickle_by_value(search_fixtures)  # workers have no path to the tests

SPACE = """\
name: twice
task: rte
model: roberta-base
trainer: {num_train_epochs: 1}
adversary:
  {adv_steps: 2, adv_lr: {grid: [0.01, 0.02]}, init_mag: 0.01, max_norm: {grid: [0.05, 0.5]}}
seeds: 2
search: {algorithm: grid, metric: accuracy}
table: {rows: [adv_lr, max_norm], bold: significant}
"""


def planned(folder, text=SPACE):
    (folder / "space.yaml").write_text(text)
    space = load_space(folder / "space.yaml")
    return space, plan_cells(space, data_fingerprint=lambda _: "d", model_fingerprint=lambda _: "w")


def of(plan, lr, ball):
    """The cells of a configuration."""
    want = {"adversary.adv_lr": lr, "adversary.max_norm": ball}
    return [c for c in plan.cells if want.items() <= c.settings.items()]


def ran(folder, space, plan, run=None):
    """A finished search in a folder, as its driver would leave it; trains nothing."""
    folder.mkdir(exist_ok=True)
    with take_results(folder, space_yaml=space.to_yaml(), name="twice", task="rte") as journal:
        ids = [cell.id for cell in plan.cells]
        journal.append(
            "opened", format=2, at="", pid=1, name="twice", task="rte", cells=ids, seeds=[1, 2]
        )
        known = load_store(folder).known
        new = [cell for cell in plan.cells if cell.id not in known]
        journal.append_all(("planned", {"cell": cell.to_json()}) for cell in new)
        same = same_cells(plan, known)
        journal_same(journal, same, known)
        own = [c for c in plan.cells if c.id not in same and c.id not in known]
        for cell in own if run is None else own[:run]:
            log = EpochLog(cell_folder(folder, cell.id) / "epochs.jsonl")
            journal.append("started", cell_id=cell.id, at="")
            lr = float(cell.settings.get("adversary.adv_lr", 0.0))
            score = round(0.7 + lr * (1 + cell.seed % 2), 4)  # a difference that seeds move
            log.append(search_fixtures.record_of(cell, 1, score))
            journal.append("finished", cell_id=cell.id, state="done")
    return [cell.id for cell in own]


def test_the_plan_names_them_and_counts_what_is_run(tmp_path):
    space, plan = planned(tmp_path)
    assert plan.compared == 2
    text = list_plan(space, plan, {})
    first, second = (of(plan, 0.01, ball)[0].id for ball in (0.05, 0.5))
    assert "2 configurations train the same as another and run with it:" in text
    assert f"  {second} (max_norm 0.5) as {first}: max_norm cannot matter here" in text


def test_a_plan_says_the_same_of_them_to_programs_and_in_its_frame(tmp_path):
    told = ft.plan(planned(tmp_path)[0], tmp_path)
    states = [cell["state"] for cell in told.to_json()["cells"]]
    assert states == list(told.cells["state"])
    assert {"new", "as another"} == set(states)


def test_the_second_has_the_firsts_numbers_and_its_own_id(tmp_path):
    space, plan = planned(tmp_path)
    assert len(ran(tmp_path / "r", space, plan)) == 6  # of 10
    known = load_store(tmp_path / "r").known
    first, second = (known[of(plan, 0.02, ball)[1].id] for ball in (0.05, 0.5))
    assert second.same_as == first.cell
    assert (second.state, second.last.score) == (CellState.DONE, first.last.score)
    assert second.last.cell_id == second.cell.id
    assert second.last.train_seconds == 0.0
    row = next(
        r for r in trials_frame([first, second], "higher").to_dict("records") if r["same_as"]
    )
    assert (row["cell_id"], row["same_as"]) == (second.cell.id, first.cell.id)
    record = json.loads((tmp_path / "r" / "cells" / second.cell.id / "same.json").read_text())
    assert record == {"as": first.cell.id, "why": "max_norm cannot matter here"}


def test_they_are_one_contender_with_two_rows(tmp_path):
    space, plan = planned(tmp_path)
    ran(tmp_path / "r", space, plan)
    store = load_store(tmp_path / "r")
    told = judge(store, build_table(store))
    assert len(told.comparisons) == 4
    by_id = {one.config_id: one for one in told.comparisons}
    for lr in (0.01, 0.02):
        first, second = (by_id[of(plan, lr, ball)[0].config_id] for ball in (0.05, 0.5))
        assert (second.difference, second.p_adjusted) == (first.difference, first.p_adjusted)
        assert second.config_id != first.config_id
    assert "Holm over 2 configurations" in " ".join(told.footnotes)
    write_outputs(tmp_path / "r", judge)
    text = (tmp_path / "r" / "table.md").read_text()
    assert "run once for both and counts once: adv_lr 0.01, max_norm 0.5 as adv_lr 0.01, " in text


def test_one_that_never_perturbs_is_its_clean_arm(tmp_path):
    text = SPACE.replace("max_norm: {grid: [0.05, 0.5]}", "adv_begin_step: {grid: [0, 999999]}")
    space, _ = planned(tmp_path, text.replace("adv_lr, max_norm", "adv_lr, adv_begin_step"))
    plan = plan_cells(
        space,
        data_fingerprint=lambda _: "d",
        model_fingerprint=lambda _: "w",
        examples=lambda cell: 2490,
    )
    assert {twin.of for twin in plan.twins.values()} == {plan.cells[0].clean_id}
    ran(tmp_path / "r", space, plan)
    told = analyse(load_store(tmp_path / "r")).verdict
    late = [one for one in told.comparisons if one.note == "trains the same as its clean arm"]
    assert [(one.difference, one.p, one.better) for one in late] == [(0.0, None, False)] * 2


def test_what_has_its_own_numbers_keeps_them_and_runs_for_the_other(tmp_path):
    first = SPACE.replace("[0.05, 0.5]", "[0.5]")
    assert len(ran(tmp_path / "r", *planned(tmp_path, first))) == 6
    space, plan = planned(tmp_path)
    assert ran(tmp_path / "r", space, plan) == []  # the new one, first in the plan, points to them
    known = load_store(tmp_path / "r").known
    new, old = (known[of(plan, 0.01, ball)[0].id] for ball in (0.05, 0.5))
    assert (new.same_as, old.same_as) == (old.cell, None)


def test_a_verdict_waits_for_what_is_run_alone(tmp_path):
    space, plan = planned(tmp_path)
    ran(tmp_path / "r", space, plan, run=5)
    assert analyse(load_store(tmp_path / "r")).verdict.sentence == "Verdict after 1 more cell."


def test_a_journal_that_points_to_a_cell_that_is_not_there_is_refused(tmp_path):
    space, plan = planned(tmp_path)
    ran(tmp_path / "r", space, plan)
    with Journal(tmp_path / "r") as journal:
        journal.append("same", cell_id=plan.cells[0].id, why="", **{"as": "abcdefabcdef"})
    with pytest.raises(FreeLBTuneError, match="trains as another, which was never planned"):
        load_store(tmp_path / "r")


@pytest.mark.slow
def test_on_ray_one_runs_for_both_and_the_same_command_runs_nothing(tmp_path):
    space, plan = planned(tmp_path)
    work = Work(Prepare(tmp_path / "orders", epochs=1), train)
    search_fixtures.ensure_ray()
    options = SearchOptions(dashboard=False)
    summary = run_search(space, plan, tmp_path / "r", options, work=work)
    assert summary.ran == 6
    store = load_store(tmp_path / "r")
    assert {each.state for each in store.cells} == {CellState.DONE}
    assert len(list((tmp_path / "r" / "cells").glob("*/trained.txt"))) == 6
    assert run_search(space, plan, tmp_path / "r", options, work=work).ran == 0
    assert "counts once" in (tmp_path / "r" / "table.md").read_text()
