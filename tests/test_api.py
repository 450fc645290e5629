"""The Python door: what `import freelb_tune as ft` gives, and that it is what a file gives."""

import asyncio
import logging
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from api_fixtures import TOY
from store_fixtures import Search, cell

import freelb_tune as ft
from freelb_tune.api.plans import span
from freelb_tune.space import ADVERSARIES, ALGORITHMS
from freelb_tune.space.reading.document import to_yaml

PAGE = (Path(__file__).parents[1] / "docs" / "python.md").read_text("utf-8")
RTE = {"task": "rte", "model": "some/encoder"}


def python(code, *words):
    command = [sys.executable, "-c", code, *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def test_the_door_has_these_names_and_no_others_but_the_settings_of_what_is_registered():
    registered = {each.__name__ for each in (*ADVERSARIES.values(), *ALGORITHMS.values())}
    names = {
        *("TRAINING_VERSION", "__version__", "FreeLBTuneError", "AdversarialTrainer"),
        *(
            "Space",
            "load_space",
            "trainable",
            "Plan",
            "plan",
            "search",
            "Results",
            "open_results",
            "merge",
            "Best",
        ),
        *("register", "Task", "Metric", "Passes", "Outcome"),
        *("AdversarySettings", "Perturbing", "NoneSettings", "FreeLBSettings", "PGDSettings"),
        *("FreeATSettings", "FGMSettings", "SMARTSettings", "R3FSettings", "VATSettings"),
        *("NoiseSettings", "RepeatSettings"),
        *("AlgorithmSettings", "GridSettings", "RandomSettings", "ASHASettings", "RaceSettings"),
        "VerdictSettings",
        *("HyperbandSettings", "MedianSettings"),
    }
    assert names <= set(ft.__all__) <= names | registered
    for name in ft.__all__:
        assert getattr(ft, name).__doc__, name
        assert name in dir(ft)
    for settings in (*ADVERSARIES.values(), *ALGORITHMS.values()):
        assert getattr(ft, settings.__name__) is settings
    for name in ("serach", "NoSuchSettings"):
        with pytest.raises(AttributeError, match=f"has no attribute '{name}'"):
            getattr(ft, name)


def test_importing_it_is_quick_and_loads_nothing_heavy():
    seconds, heavy = python(
        "import time; a = time.process_time(); import freelb_tune; b = time.process_time();"
        "import sys; print(b - a, {'torch', 'ray', 'pandas', 'pydantic'} & set(sys.modules))"
    ).split(" ", 1)
    assert float(seconds) < 0.1
    assert heavy == "set()"


def test_reading_and_planning_from_python_loads_neither_torch_nor_ray_nor_pandas(tmp_path):
    code = (
        "import sys, freelb_tune as ft; ft.plan(ft.Space.of({'task': 'rte', 'model': 'a/b'}));"
        "print(sorted({'torch', 'ray', 'pandas', 'transformers', 'datasets'} & set(sys.modules)))"
    )
    assert python(code) == "[]"


def test_a_function_that_uses_the_door_travels_to_rays_workers():
    from ray import cloudpickle

    ours = cloudpickle.loads(cloudpickle.dumps({"ft": ft, "what": lambda: ft.__version__}))
    assert (ours["ft"], ours["what"]()) == (ft, ft.__version__)


def test_search_is_the_function_whoever_imports_the_room_of_that_name():
    code = (
        "import freelb_tune.search; from freelb_tune.search import run_search;"
        "import freelb_tune as ft; from freelb_tune import search;"
        "print(callable(ft.search), search is ft.search, callable(run_search))"
    )
    assert python(code) == "True True True"


def test_a_mapping_means_what_a_file_of_it_means(tmp_path):
    content = {
        **RTE,
        "name": "both",
        "trainer": {"learning_rate": {"loguniform": [1e-5, 1e-4]}},
        "adversary": {"adv_lr": {"grid": [0.05, 0.1]}, "max_norm": "${adversary.init_mag}"},
        "seeds": 2,
        "search": {"algorithm": "random", "samples": 3},
    }
    (tmp_path / "both.yaml").write_text(to_yaml(content), "utf-8")
    override = ["adversary.init_mag=0.2"]
    of_file = ft.load_space(tmp_path / "both.yaml", overrides=override)
    given = ft.Space.of(content, overrides=override)
    assert given.to_yaml() == of_file.to_yaml()
    one, other = ft.plan(given, tmp_path).cells, ft.plan(of_file, tmp_path).cells
    pd.testing.assert_frame_equal(one, other)
    assert set(one["adversary.max_norm"].dropna()) == {0.2}


def test_a_space_says_what_it_is():
    space = ft.Space.of({**RTE, "adversary": {"adv_lr": {"grid": [0.05, 0.1]}}, "seeds": 2})
    assert repr(space) == (
        "<Space 'rte' on rte: at most 4 cells, and their clean arms; from the space given>"
    )


def test_what_only_python_can_bring_is_made_plain():
    space = ft.Space.of(
        {
            **RTE,
            "adversary": {
                "adv_lr": {"grid": np.array([0.05, 0.1])},
                "init_mag": np.float64(0.25),
                "adv_steps": np.int64(2),
            },
            "seeds": range(3),
            "data": {"source": "glue", "path": Path("there")},
        }
    )
    plain = {"grid": [0.05, 0.1]}
    assert space.content["adversary"] == {"adv_lr": plain, "init_mag": 0.25, "adv_steps": 2}
    assert (space.seeds, space.name) == ((0, 1, 2), "rte")
    assert space.content["data"]["path"] == "there"


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"tranier": {}}, "unknown name 'tranier'; did you mean 'trainer'"),
        ({"adversary": {"adv_stps": 3}}, "adversary.adv_stps: unknown name 'adv_stps'; did you"),
        ({"adversary.adv_lr": 0.1}, "unknown name 'adversary.adv_lr'"),
        ({"adversary": {"adv_lr": {"grid": []}}}, "grid needs one value or more, got \\[\\]"),
        ({"trainer": {"learning_rate": "fast"}}, "expected a number, got the text 'fast'"),
        ({"trainer": {"learning_rate": float("nan")}}, "expected a finite number, got nan"),
        ({"task": "rtee"}, "task: unknown name 'rtee'; did you mean 'rte'"),
        ({"search": {"metric": "f1"}}, "task 'rte' has no such metric"),
        ({"model": object()}, "an object of type object cannot be a setting"),
    ],
)
def test_a_mapping_is_refused_in_a_files_words(more, said):
    with pytest.raises(ft.FreeLBTuneError, match=f"^the space given: 1 problem\n  .*{said}"):
        ft.Space.of({**RTE, **more})


def test_a_mapping_that_contains_itself_is_refused_where_it_does():
    whole = dict(RTE)
    whole["adversary"] = {"adv_lr": [whole]}
    with pytest.raises(
        ft.FreeLBTuneError, match=r"given: adversary\.adv_lr\.0: it contains itself"
    ):
        ft.Space.of(whole)


def test_what_is_no_mapping_is_refused():
    with pytest.raises(ft.FreeLBTuneError, match="is a mapping that begins .* got a list"):
        ft.Space.of([RTE])


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: ft.plan("mine.yaml"), r"a Space, got the text .*write ft.load_space\('mine.yaml'"),
        (lambda: ft.plan(RTE), r"expected a Space, got the mapping .* or ft.Space.of\(\{"),
        (lambda: ft.search("mine"), r"expected a Space, got the text .*ft.load_space\('mine'\)"),
        (lambda: ft.search(ft.Space.of(RTE), progress="x"), "progress: expected true, false or a"),
        (
            lambda: ft.open_results(None),
            r"results folder, got nothing .*write ft.open_results",
        ),
        (lambda: ft.load_space(None), r"search-space file, got nothing .*load_space\('quickst"),
        (lambda: ft.Space.of(RTE, "seeds=[a]"), r"override 'seeds=\[a\]', seeds: expected"),
        (lambda: ft.Space.of(RTE | {"search": {"algorithm": "PBT"}}), "no 'PBT': .* ft.trainable"),
        (
            lambda: ft.load_space("search_spaces/glue/roberta_base_rte.yaml"),
            r"no such file; 'glue/roberta_base_rte' comes .*: write load_space\('glue/",
        ),
    ],
)
def test_what_is_given_to_the_wrong_door_is_told_the_right_one(call, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ft.FreeLBTuneError, match=said):
        call()


def test_one_override_or_plugin_may_stand_alone():
    assert ft.Space.of(RTE, "seeds=[7, 8]").seeds == (7, 8)
    with pytest.raises(ft.FreeLBTuneError, match="plugin 'no_such_plugin'"):
        ft.load_space("quickstart", plugins="no_such_plugin")


def test_a_bad_address_leaves_no_folder(tmp_path):
    with pytest.raises(ft.FreeLBTuneError, match="--address nowhere: expected HOST:PORT of a Ray"):
        ft.search(ft.load_space("quickstart"), tmp_path / "r", address="nowhere", progress=False)
    assert not (tmp_path / "r" / "quickstart").exists()
    (tmp_path / "r" / "quickstart").mkdir(parents=True)  # one that somebody made for it
    with pytest.raises(ft.FreeLBTuneError, match="--address nowhere: expected HOST:PORT of a Ray"):
        ft.search(ft.load_space("quickstart"), tmp_path / "r", address="nowhere", progress=False)


def test_a_bad_address_writes_nothing_and_is_not_asked_where_all_cells_are_over(tmp_path):
    space = ft.Space.of(TOY, ["name=rte_grid"])
    cells = span(space, most_cells=None).cells
    search, folder = Search(cells).end(cells[0], 0.6), tmp_path / "rte_grid"
    search.write(folder, space=space.to_yaml(), task=space.task)
    before = (folder / "journal.jsonl").read_bytes()
    with pytest.raises(ft.FreeLBTuneError, match="--address nowhere: expected HOST:PORT of a Ray"):
        ft.search(space, tmp_path, address="nowhere", progress=False)
    assert (folder / "journal.jsonl").read_bytes() == before
    for each in cells[1:]:
        search.end(each, 0.7)
    search.write(folder, space=space.to_yaml(), task=space.task)
    found = ft.search(space, tmp_path, address="nowhere", progress=False)
    assert {row.state for row in found.trials.itertuples()} == {"done"}


def test_a_plan_has_its_numbers_and_shows_itself(tmp_path):
    space = ft.Space.of({**RTE, "adversary": {"adv_lr": {"grid": [0.05, 0.1]}}, "seeds": 2})
    plan = ft.plan(space, tmp_path)
    assert len(plan) == len(plan.cells) == 6
    assert list(plan.cells.columns[:6]) == [
        *("cell_id", "config_id", "clean_id", "arm", "seed", "state"),
    ]
    assert (plan.power.n_dev, plan.power.low.seeds) == (277, 2)
    # 156 updates an epoch, 3 epochs, 2 seeds: a clean arm of 1 pass and two arms of 3
    assert (plan.cost.updates, plan.cost.passes) == (156 * 3 * 6, 156 * 3 * 2 * 7)
    assert plan.cost.device_hours is None
    assert "Work: 2,808 weight updates" in repr(plan)
    assert "Work: 2,808 weight updates" in plan._repr_html_()
    with pytest.raises(ft.FreeLBTuneError, match=r"more than 3; .*most_cells=None"):
        ft.plan(space, tmp_path, most_cells=3)


def own_space(folder, text="text;label\ngood work all;a\nbad work all;b\n", **more):
    (folder / "a.csv").write_text(text, "utf-8")
    name = str(folder / "a.csv")
    data = {"train": name, "dev": name, "text": "text", **more}
    model = {"name": "config:bert", "config": {"hidden_size": 24}}
    return ft.Space.of({"task": "classification", "model": model, "data": data})


def test_a_plan_looks_at_the_data_that_is_here(tmp_path):
    plan = ft.plan(own_space(tmp_path, max_length=4), tmp_path)
    assert ["a semicolon separates its fields" in note for note in plan.notes] == [True]
    assert plan.cut == (
        "Texts cut at 4 tokens (data.max_length): 2 of 2 of train, 2 of 2 of dev; 5 would hold "
        "95 % of each set.",
    )
    for shown in (repr(plan), plan._repr_html_()):
        assert plan.cut[0] in shown
    assert ft.plan(own_space(tmp_path, max_length=5), tmp_path).cut == ()
    with pytest.raises(ft.FreeLBTuneError, match=r"a.csv: 1 problem\n  line 3: text is empty"):
        ft.plan(own_space(tmp_path, "text,label\nx,a\n,b\n"), tmp_path)
    many = "".join(f"{'word ' * (n % 2)}x,{n % 2}\n" for n in range(3000))
    large = ft.plan(own_space(tmp_path, f"text,label\n{many}", max_length=4), tmp_path)
    assert large.cut == ()
    many = many.replace("word x", "one two three")
    cut = ft.plan(own_space(tmp_path, f"text,label\n{many}", max_length=4), tmp_path).cut[0]
    assert " of 2000 of train" in cut
    assert cut.endswith("of each set. Looked at 2,000 texts of each larger set.")


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """Results of a search that is under way: one cell done, one failed, one started."""
    clean, first, second = cell(1), cell(1, adv_lr=0.1), cell(1, adv_lr=0.2)
    search = Search([clean, first, second]).end(clean, 0.6, 0.7).end(first, 0.75, 0.72)
    search.end(second, 0.5, state=None)
    return search.write(tmp_path_factory.mktemp("results") / "rte_grid")


STEPS = ["data.max_train_examples=64", "trainer.per_device_train_batch_size=16"]
"""Four updates are an epoch."""


def test_max_steps_wins_over_epochs_in_every_number_and_that_is_said(tmp_path):
    # 6 updates of one pass and 6 of two, where 5 epochs would be 20 and 40
    space = ft.Space.of(TOY, [*STEPS, "trainer.max_steps=6", "trainer.num_train_epochs=5"])
    plan = ft.plan(space, tmp_path)
    assert (plan.cost.updates, plan.cost.passes) == (6 + 6, 6 + 12)
    assert (
        "trainer.max_steps ends the training: trainer.num_train_epochs beside it is not read."
        in (plan.sentences)
    )
    without = ft.plan(ft.Space.of(TOY, [*STEPS, "trainer.num_train_epochs=5"]), tmp_path)
    assert without.cost.updates == 20 + 20
    assert not any("is not read" in line for line in without.sentences)


def test_epochs_that_max_steps_makes_all_alike_are_not_searched(tmp_path):
    epochs = "trainer.num_train_epochs={grid: [1, 2]}"
    with pytest.raises(ft.FreeLBTuneError, match=r"num_train_epochs is searched \(1.0 and 2.0\)"):
        ft.plan(ft.Space.of(TOY, [epochs, "trainer.max_steps=6"]), tmp_path)
    drawn = ["trainer.num_train_epochs={uniform: [1, 2]}", "trainer.max_steps=6"]
    with pytest.raises(ft.FreeLBTuneError, match="num_train_epochs is searched"):
        ft.plan(ft.Space.of({**TOY, "search": {"algorithm": "tpe", "samples": 3}}, drawn), tmp_path)
    assert len(ft.plan(ft.Space.of(TOY, [epochs, "trainer.max_steps=-1"]), tmp_path)) == 4
    both = [epochs, "trainer.max_steps={grid: [6, -1]}"]
    with pytest.raises(ft.FreeLBTuneError, match="beside max_steps, .*: these cells would"):
        ft.plan(ft.Space.of(TOY, both), tmp_path)


@pytest.mark.parametrize(
    ("trainer", "said"),
    [
        (
            {"lr_scheduler_type": "constant", "warmup_steps": 5},
            "warmup_steps is not read by lr_sch",
        ),
        (
            {"lr_scheduler_type": "constant_with_warmup", "lr_scheduler_kwargs": {"min_lr": 1e-6}},
            "lr_scheduler_kwargs is not read by lr_scheduler_type constant and constant_with_w",
        ),
        ({"liger_kernel_config": {"rope": True}}, "config is not read without use_liger_kernel"),
        (
            {"activation_checkpointing_kwargs": {"every_n_layers": 2}},
            "activation_checkpointing_kwargs is not read without activation_checkpointing",
        ),
        (
            {"gradient_checkpointing_kwargs": {"use_reentrant": True}},
            "gradient_checkpointing_kwargs is not read without gradient_checkpointing",
        ),
        (
            {"gradient_checkpointing": True, "activation_checkpointing": False},
            "gradient_checkpointing is not read beside activation_checkpointing, its new name",
        ),
        ({"optim_target_modules": ["query"]}, "not read by any optim but galore's and apollo's"),
        ({"dataloader_prefetch_factor": 2}, "prefetch_factor is not read without dataloader_num"),
        ({"dataloader_persistent_workers": True}, "is not read without dataloader_num_workers"),
        ({"dataloader_in_order": False}, "is not read without dataloader_num_workers"),
        (
            {"lr_scheduler_type": "constant", "warmup_steps": {"grid": [0, 5]}},
            r"trainer.warmup_steps is searched \(0.0 and 5.0\) where it is not read by lr_sched",
        ),
        (
            {
                "lr_scheduler_type": {"grid": ["linear", "constant"]},
                "warmup_steps": {"grid": [3, 5]},
            },
            r"trainer.warmup_steps is searched \(3.0 and 5.0\) where it is not read",
        ),
    ],
)
def test_a_field_that_nothing_reads_is_refused_by_name(tmp_path, trainer, said):
    with pytest.raises(ft.FreeLBTuneError, match=said):
        ft.plan(ft.Space.of({**TOY, "trainer": trainer}), tmp_path)


@pytest.mark.parametrize(
    "trainer",
    [
        {"lr_scheduler_type": "constant"},  # warm-up is a default of ours, and not the user's
        {"lr_scheduler_type": "constant", "warmup_steps": 0},
        {"lr_scheduler_type": {"grid": ["linear", "constant"]}, "warmup_steps": 5},
        {"dataloader_num_workers": 1, "dataloader_persistent_workers": True},
        {
            "activation_checkpointing": True,
            "activation_checkpointing_kwargs": {"every_n_layers": 2},
        },
        {"dataloader_in_order": True, "lr_scheduler_kwargs": {}},
    ],
)
def test_a_field_that_acts_in_some_cell_or_says_what_holds_anyway_is_taken(tmp_path, trainer):
    assert len(ft.plan(ft.Space.of({**TOY, "trainer": trainer}), tmp_path))


def test_results_of_a_running_search_are_frames_with_right_types(stored):
    results = ft.open_results(stored)
    assert dict(results.counts) == {"done": 2, "waiting": 1}
    trials = results.trials.set_index("cell_id")
    assert trials.loc[cell(1, adv_lr=0.1).id, ["best_epoch", "best_accuracy"]].tolist() == [1, 0.75]
    assert trials["best_accuracy"].dtype == "float64"
    assert len(results.epochs) == 5
    assert results.ranking.loc[0, ["place", "arm", "adversary.adv_lr"]].tolist() == [
        1,
        "adversarial",
        0.1,
    ]
    assert results.ranking["best_epoch_mean"].iloc[0] == pytest.approx(0.75)
    assert results.table["Best accuracy (batch size=16)"].iloc[0] == pytest.approx(0.75)
    assert results.verdict.sentence in repr(results)
    assert "3 cells: 2 done, 1 waiting" in results._repr_html_()
    assert results.report().read_text("utf-8").startswith("<!doctype html>")
    with pytest.raises(ft.FreeLBTuneError, match=r"no model, as 2 of 3 cells are done"):
        _ = results.best


def test_a_folder_without_results_or_of_a_newer_version_is_refused(tmp_path):
    with pytest.raises(ft.FreeLBTuneError, match=r"no journal\.jsonl here, so this is no results"):
        ft.open_results(tmp_path)
    (tmp_path / "journal.jsonl").touch()
    with pytest.raises(ft.FreeLBTuneError, match="ended before it had planned a cell"):
        ft.open_results(tmp_path).report()
    (tmp_path / "journal.jsonl").write_text('{"event":"opened","format":99}\n')
    with pytest.raises(ft.FreeLBTuneError, match="format 99"):
        ft.open_results(tmp_path)


def test_a_folder_that_another_process_holds_is_refused_and_left_as_it_is(tmp_path):
    folder = tmp_path / "toy"
    code = (
        "import sys; from pathlib import Path; from freelb_tune.store import Journal\n"
        "with Journal(Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", code, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"held\n"
        before = {path: path.read_bytes() for path in folder.iterdir()}
        with pytest.raises(ft.FreeLBTuneError, match=f"is writing here .pid {other.pid} on "):
            ft.search(ft.Space.of(TOY), tmp_path, progress=False)
        assert {path: path.read_bytes() for path in folder.iterdir()} == before
        other.stdin.close()


@pytest.mark.slow
@pytest.mark.usefixtures("no_ray")
def test_the_readmes_search_runs_in_an_event_loop_under_the_users_ray_and_goes_on_in_the_process(
    tmp_path, capfd, monkeypatch
):
    import ray

    (shown,) = (
        code for code in re.findall(r"```python\n(.*?)```", PAGE, re.S) if "ft.search(" in code
    )
    small = ["data.max_train_examples=64", "data.max_eval_examples=40"]
    shown = shown.replace('"seeds=[1]"', f'"seeds=[1]", *{small}')
    monkeypatch.chdir(tmp_path)
    named = {}

    async def notebook():  # whose cells run inside a loop
        exec(shown, named)
        return ft.search(ft.Space.of(named["space"].content, ["seeds=2"]), progress=False)

    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    level = logging.getLogger("ray.tune").level
    try:
        again = asyncio.run(notebook())
        assert ray.is_initialized()  # it is the user's, and stays
        assert logging.getLogger("ray.tune").level == level
    finally:
        ray.shutdown()
    first = named["results"]
    assert (dict(first.counts), dict(again.counts)) == ({"done": 3}, {"done": 6})
    pd.testing.assert_frame_equal(
        first.trials, again.trials[again.trials["seed"] == 1].reset_index(drop=True)
    )
    out, err = capfd.readouterr()
    assert out == f"{first.verdict.sentence}\n"
    assert "3 cells: 3 done; best" in err
    assert len(err.splitlines()) < 30  # the second one was not to say anything
    assert named["label"]["label"] in ("entailment", "not_entailment")
    assert 0.5 <= named["label"]["score"] <= 1
    assert again.best.tokenizer()("every dog")["input_ids"]
    assert again.best_adversarial.cell.arm == "adversarial"
    is_other = again.best.cell.arm == "clean"
    assert (again.folder / "best_adversarial").is_dir() is is_other
    assert (again.best_adversarial.cell != again.best.cell) is is_other


@pytest.mark.parametrize(("gpu", "shares"), [(1, True), (0.25, False), (0, False), (None, False)])
def test_a_plan_says_where_small_trials_share_a_gpu(tmp_path, gpu, shares):
    if gpu is None and torch.cuda.is_available():
        shares = True
    given = {**TOY, "resources": {} if gpu is None else {"gpu": gpu}}
    notes = ft.plan(ft.Space.of(given), tmp_path).notes
    assert any("resources: {gpu: 0.25}" in note for note in notes) == shares
