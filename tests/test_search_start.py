"""How a search starts: Ray, the data and the workers' imports beside one another."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import ray
import search_fixtures
from ray import cloudpickle
from search_fixtures import Prepare, Ready, make_plan, record_of, score_of, train

from freelb_tune.errors import FreeLBTuneError
from freelb_tune.search import SearchOptions, Silent, Work, run_search
from freelb_tune.search.ray_tune.machines.share import may_have_accelerators
from freelb_tune.space import Cell
from freelb_tune.store import CellState, EpochRecord, cell_folder

pytestmark = pytest.mark.usefixtures("no_ray")

cloudpickle.register_pickle_by_value(search_fixtures)  # workers have no path to the tests
cloudpickle.register_pickle_by_value(sys.modules[__name__])

WORKER = "freelb_tune.search.ray_tune.workers.worker"


def look(
    cell: Cell,
    ready: Ready,
    folder: Path,
    report: Callable[[EpochRecord], None],
    threads: int,
    /,
) -> None:
    """Stand in for training: write down what the worker had loaded before it was asked."""
    loaded = [name for name in ("torch", WORKER) if name in sys.modules]
    (folder / "loaded.txt").write_text(" ".join([*loaded, os.environ["HF_HUB_OFFLINE"]]))
    report(record_of(cell, 1, score_of(cell, 1)))


def loaded(base: Path, resources: str) -> set[str]:
    """What the workers of a search had loaded when its trials began."""
    cores = os.cpu_count() or 1
    space, plan = make_plan(
        base, adv_lr=[0.01 * (i + 1) for i in range(cores)], resources=resources, epochs=1
    )
    work = Work(Prepare(base, epochs=1), look, worker=WORKER)
    summary = run_search(space, plan, base / "results", SearchOptions(dashboard=False), work=work)
    assert summary.counts[CellState.DONE] == cores
    folders = [cell_folder(base / "results", cell.id) for cell in plan.cells]
    return {(folder / "loaded.txt").read_text() for folder in folders}


def test_a_ray_that_cannot_start_is_told_in_one_message_and_another_try_starts(
    tmp_path, monkeypatch
):
    space, plan = make_plan(tmp_path, adv_lr=[0.01], epochs=1)
    options = SearchOptions(dashboard=False)
    monkeypatch.setenv("RAY_OVERRIDE_RESOURCES", '{"CPU": -1}')  # which Ray itself refuses
    with pytest.raises(
        FreeLBTuneError, match=r"Ray could not be started here \(.*run the same com"
    ):
        run_search(space, plan, tmp_path / "results", options, work=Work(Prepare(tmp_path), train))
    monkeypatch.delenv("RAY_OVERRIDE_RESOURCES")
    begin, calls = ray.init, []

    def late(*args, **kwargs):
        calls.append(kwargs)
        if len(calls) == 1:  # as Ray says it on a busy machine, after its 30 seconds
            raise Exception("The current node timed out during startup. This could happen ...")
        if len(calls) == 2:
            raise Exception("Failed to read dashboard.err file: [Errno 2] No such file ...")
        return begin(*args, **kwargs)

    monkeypatch.setattr(ray, "init", late)
    work, told = Work(Prepare(tmp_path, epochs=1), train), Told()
    summary = run_search(space, plan, tmp_path / "results", options, told, work)
    assert summary.counts[CellState.DONE] == 1
    assert len(calls) == 3
    assert any("did not start in time" in text for text in told.texts)


@pytest.mark.slow
@pytest.mark.skipif(may_have_accelerators(), reason="cores without a GPU are not all used")
def test_where_each_core_trains_a_trial_finds_torch_loaded(tmp_path):
    assert loaded(tmp_path, "{}") == {f"torch {WORKER} 1"}


@pytest.mark.slow
def test_where_few_trials_run_at_a_time_idle_workers_load_nothing(tmp_path):
    assert loaded(tmp_path, "{max_concurrent: 1}") == {"1"}


@pytest.mark.slow
def test_a_refusal_while_the_data_is_read_ends_the_search_and_hinders_no_later_one(tmp_path):
    def refuse(*_: object) -> dict[str, Ready]:
        raise FreeLBTuneError("trainer: this machine has no such thing")

    space, plan = make_plan(tmp_path, epochs=1)
    options = SearchOptions(dashboard=False)
    with pytest.raises(FreeLBTuneError, match="no such thing"):
        run_search(space, plan, tmp_path / "results", options, work=Work(refuse, look))

    work = Work(Prepare(tmp_path, epochs=1), look)
    summary = run_search(space, plan, tmp_path / "results", options, work=work)
    assert summary.counts[CellState.DONE] == len(plan.cells)


def test_what_cannot_be_trained_is_refused_before_ray_starts(tmp_path, no_ray):
    def refuse(cells):
        raise FreeLBTuneError(f"no model for {len(cells)} cells")

    space, plan = make_plan(tmp_path, epochs=1)
    work = Work(Prepare(tmp_path, epochs=1), look, look=refuse)
    listener = Told()
    with pytest.raises(FreeLBTuneError, match=f"no model for {len(plan.cells)} cells"):
        run_search(space, plan, tmp_path / "results", None, listener, work)
    assert not any("Ray" in text for text in listener.texts)


class Told(Silent):
    """Keeps what it is told."""

    def __init__(self):
        self.texts = []

    def said(self, text):
        self.texts.append(text)


@pytest.mark.parametrize(("there", "expected"), [(["null"], False), (["null", "kfd"], True)])
def test_an_accelerator_shows_in_the_devices(tmp_path, there, expected):
    for name in there:
        (tmp_path / name).touch()
    assert may_have_accelerators(tmp_path) is expected
