"""What Ray shows of a search's trials: their names, their logs, and why one broke; on one Ray."""

import inspect
import os
import re
import sys
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import pytest
import ray
import search_fixtures
from ray import cloudpickle
from ray.air._internal import usage as air_usage
from search_fixtures import Prepare, make_plan, train

from freelb_tune.results.tables.contents.metric import measure_for
from freelb_tune.search import SearchOptions, Silent, Work, run_search
from freelb_tune.search.driver.board import Board
from freelb_tune.search.ray_tune.configs import Configs
from freelb_tune.search.ray_tune.fit import callbacks_uncounted
from freelb_tune.search.ray_tune.machines.cluster import using_ready_workers
from freelb_tune.search.ray_tune.machines.share import Share
from freelb_tune.search.ray_tune.workers import trial
from freelb_tune.search.ray_tune.workers.trial import Job, actor_class, trial_config
from freelb_tune.space.cells.naming import trial_namer
from freelb_tune.store import load_store

cloudpickle.register_pickle_by_value(search_fixtures)  # workers have no path to the tests
cloudpickle.register_pickle_by_value(sys.modules[__name__])


@pytest.fixture(scope="module")
def logs():
    """The folder of the workers' logs."""
    search_fixtures.ensure_ray()
    where = ray.remote(num_cpus=0)(lambda: os.path.realpath("/proc/self/fd/2"))
    return Path(ray.get(where.remote())).parent


def run(base, work, listener=None, **grid):
    space, plan = make_plan(base, **grid)
    run_search(space, plan, base / "results", SearchOptions(), listener, work)
    return plan, load_store(base / "results").cells


def test_a_trial_says_what_varies_and_each_epoch_leaves_a_line_in_its_workers_log(logs, tmp_path):
    work = Work(Prepare(tmp_path / "orders", epochs=2), train)
    plan, _ = run(tmp_path, work, adv_lr=[0.1, 0.2], seeds=[1, 2])
    written = "\n".join(path.read_text() for path in logs.glob("worker-*.err"))
    for cell in plan.cells:
        name = f"adv_lr={cell.settings['adversary.adv_lr']},seed={cell.seed}_{cell.id}"
        for epoch in (1, 2):
            line = rf"{re.escape(name)}: epoch {epoch} of 2: accuracy 0\.\d+, dev loss "
            assert len(re.findall(line, written)) == 1
    assert ":actor_name:worker of results" in written  # as in Ray's dashboard


def nowhere(config, job):
    """Train by a function of a module that no worker has."""


nowhere.__module__ = "a_module_of_the_driver_alone"
sys.modules[nowhere.__module__] = type(sys)(nowhere.__module__)
sys.modules[nowhere.__module__].nowhere = nowhere


class Said(Silent):
    """Keeps what the reader is told."""

    def __init__(self):
        self.lines = []

    def said(self, text):
        self.lines.append(text)


def test_a_worker_that_cannot_start_says_why(monkeypatch, logs, tmp_path):
    monkeypatch.setitem(sys.modules, "ray.tune.execution.class_cache", None)  # as if Ray moved it
    monkeypatch.setattr(trial, "run_trial", nowhere)
    listener, work = Said(), Work(Prepare(tmp_path / "orders"), train)
    _, cells = run(tmp_path, work, listener, adv_lr=[0.1], resources="{max_failures: 0}")
    assert cells[0].message == (
        "its worker died: ModuleNotFoundError: No module named 'a_module_of_the_driver_alone' "
        "(once)"
    )
    assert (
        "this version of Ray starts a process per trial, a second more for each" in listener.lines
    )


def test_this_ray_lets_trials_have_the_workers_that_are_ready():
    from ray.tune.execution.class_cache import DEFAULT_ENV_VARS

    before = dict(DEFAULT_ENV_VARS)
    with using_ready_workers() as ready:
        assert ready  # else Ray has moved what keeps them: find it, or trials start a second later
        assert not DEFAULT_ENV_VARS
    assert before == DEFAULT_ENV_VARS != {}


def test_a_trials_configuration_has_the_settings_by_name(tmp_path):
    _, plan = make_plan(tmp_path, adv_lr=[0.1])
    cell = replace(
        plan.cells[0], settings={**plan.cells[0].settings, "model.config": {"eval": "1"}}
    )
    config = trial_config(cell)
    assert (config["cell"], config["seed"], config["adversary.adv_lr"]) == (cell.id, 1, 0.1)
    assert config["model.config"] == '{"eval": "1"}'  # Ray would run a mapping of this kind


def test_a_trials_name_is_made_for_files(tmp_path):
    _, plan = make_plan(tmp_path, adv_lr=[0.1, 0.2], clean_arm=True)
    name = trial_namer(plan.cells)
    assert [name(cell) for cell in plan.cells] == [
        f"{said}_{cell.id}"
        for said, cell in zip(["clean", "adv_lr=0.1", "adv_lr=0.2"], plan.cells, strict=True)
    ]
    assert trial_namer(plan.cells[1:2])(plan.cells[1]) == plan.cells[1].id


def test_no_plan_is_pickled_with_what_names_a_trial(tmp_path):
    space, plan = make_plan(tmp_path, adv_lr=[0.1, 0.2])
    cells = {cell.id: cell for cell in plan.cells}
    board = Board(plan.cells, measure_for(space.task, None), {})
    configs = Configs(Job(tmp_path, cells, {}, train, 1, {}), board, {})
    first = plan.cells[0].id
    assert configs.name(first) == f"adv_lr=0.1_{first}"
    assert first.encode() not in cloudpickle.dumps(configs)


def test_ray_loads_no_tracker_to_count_callbacks_for_a_report_that_is_off():
    ray_tune, counting = import_module("ray.tune.tune"), air_usage.tag_callbacks
    assert "tag_callbacks(callbacks)" in inspect.getsource(ray_tune.run)  # where Ray asks for it
    with callbacks_uncounted():
        assert ray_tune.air_usage.tag_callbacks([object()]) is False
        assert air_usage.tag_callbacks is not counting
    assert air_usage.tag_callbacks is counting


def test_what_ray_reads_back_for_each_trial_holds_no_cell(logs, tmp_path):
    cells = {cell.id: cell for cell in make_plan(tmp_path)[1].cells}
    job = Job(tmp_path, cells, {}, train, 1, {})
    read = cloudpickle.dumps(actor_class(job, Share(cpu=1, gpu=0.0, at_once=1)))
    assert not [cell_id for cell_id in cells if cell_id.encode() in read]
