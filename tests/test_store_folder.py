import json
import os
import subprocess
import sys
from contextlib import contextmanager

import numpy as np
import pytest
from store_fixtures import SPACE, Search, cell, epoch, grid, plan

from freelb_tune.errors import DamagedError, FreeLBTuneError
from freelb_tune.store import (
    CellState,
    EpochLog,
    Journal,
    cell_folder,
    check_results,
    load_store,
    read_journal,
    set_aside,
    take_results,
    write_environment,
)

OURS = {"name": "rte_grid", "task": "rte"}


@contextmanager
def without_permission(folder):
    """Be somebody who may not write in a folder."""
    if os.geteuid():
        folder.chmod(0o500)
        try:
            yield
        finally:
            folder.chmod(0o700)
    else:
        os.seteuid(65534)
        try:
            yield
        finally:
            os.seteuid(0)


def test_opening_makes_the_folder_and_writes_the_space(tmp_path):
    folder = tmp_path / "results" / "rte_grid"
    check_results(folder, **OURS)
    assert not folder.parent.exists()
    with take_results(folder, space_yaml="name: é\n", **OURS):
        assert (folder / "space.yaml").read_text("utf-8") == "name: é\n"
    assert {path.name for path in folder.iterdir()} == {".lock", "journal.jsonl", "space.yaml"}


@pytest.mark.parametrize("mask", [0o002, 0o077])
def test_the_umask_decides_the_mode_of_every_file(tmp_path, mask):
    before = os.umask(mask)
    try:
        with take_results(tmp_path / "a", space_yaml="name: x\n", **OURS) as journal:
            journal.append("opened", **OURS, cells=[], seeds=[])
            EpochLog(cell_folder(tmp_path / "a", "c") / "epochs.jsonl").append(epoch("c", 1, 0.5))
            write_environment(tmp_path / "a")
    finally:
        os.umask(before)
    found = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "a").rglob("*")}
    assert len(found) == 7
    folders = ("cells", "c")
    assert found == {name: (0o777 if name in folders else 0o666) & ~mask for name in found}


def test_a_run_that_died_before_its_first_event_can_go_on(tmp_path):
    for _ in range(2):
        with take_results(tmp_path / "a", space_yaml="", **OURS):
            pass
    with take_results(tmp_path / "a", space_yaml="", name="other", task="cola"):
        pass


@pytest.mark.parametrize("theirs", [{"name": "other", "task": "rte"}, {**OURS, "task": "cola"}])
def test_a_folder_of_another_space_is_refused_and_left_as_it_was(tmp_path, theirs):
    Search(grid()).write(tmp_path)
    said = r"holds results of the space 'rte_grid' on task 'rte'"
    with (
        pytest.raises(FreeLBTuneError, match=said),
        take_results(tmp_path, space_yaml="changed", **theirs),
    ):
        pass
    assert (tmp_path / "space.yaml").read_text() == SPACE


def test_a_folder_of_somebody_elses_files_is_refused(tmp_path):
    (tmp_path / "thesis.tex").write_text("all of it")
    for door in (lambda: check_results(tmp_path, **OURS), lambda: set_aside(tmp_path)):
        with pytest.raises(FreeLBTuneError, match=r"no journal\.jsonl \(among them thesis\.tex\)"):
            door()
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_file_in_the_way_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "inside"):
        with pytest.raises(FreeLBTuneError, match="file: is a file, and results need a folder"):
            check_results(folder, **OURS)


def test_no_permission_is_said(tmp_path):
    with (
        without_permission(tmp_path),
        pytest.raises(FreeLBTuneError, match=r"Permission denied; .* --results"),
        take_results(tmp_path / "a", space_yaml="", **OURS),
    ):
        pass


def test_a_second_driver_changes_nothing(tmp_path):
    with take_results(tmp_path, space_yaml="first", **OURS):
        with (
            pytest.raises(FreeLBTuneError, match=rf"another run .*pid {os.getpid()} "),
            take_results(tmp_path, space_yaml="second", **OURS),
        ):
            pass
        with pytest.raises(FreeLBTuneError, match="another run"):
            set_aside(tmp_path)
    assert (tmp_path / "space.yaml").read_text() == "first"


def test_a_fresh_start_deletes_nothing(tmp_path):
    folder = Search([cell()]).end(cell(), 0.5).write(tmp_path / "rte_grid")
    before = read_journal(folder)
    first = set_aside(folder)
    assert first.name.startswith("rte_grid.before-2")
    assert not folder.exists()
    assert read_journal(first) == before
    Search([cell()]).write(folder)
    second = set_aside(folder)
    assert second != first
    assert first.exists()
    assert set_aside(folder) is None


def test_states_follow_the_journal(tmp_path):
    cells = [cell(seed) for seed in range(7)]
    planned, started, done, stopped, failed, retried, diverged = cells
    search = Search(cells).end(started, 0.5, 0.6, state=None).end(done, 0.5)
    search.end(stopped, 0.5, state="stopped").end(failed, state="failed")
    search.end(retried, 0.4, state="failed").end(diverged, state="diverged").write(tmp_path)
    with Journal(tmp_path) as journal:
        journal.append("retried", cell_id=retried.id)
    store = load_store(tmp_path)
    assert [each.cell for each in store.cells] == cells
    waiting, message = CellState.WAITING, "=its loss is nan"
    assert [(each.state, each.message, len(each.epochs)) for each in store.cells] == [
        (waiting, None, 0),
        (waiting, None, 2),  # started and cut off: goes on after its second epoch
        (CellState.DONE, None, 1),
        (CellState.STOPPED, None, 1),
        (CellState.FAILED, message, 0),
        (waiting, None, 1),
        (CellState.DIVERGED, message, 0),
    ]
    assert (store.name, store.task, store.seeds) == ("rte_grid", "rte", tuple(range(7)))
    assert store.space["table"]["rows"] == ["adv_lr", "init_mag", "max_norm"]
    assert store.known[done.id].cell == done


def test_a_later_plan_orders_the_cells_and_keeps_the_rest_aside(tmp_path):
    one, two, three = (cell(seed) for seed in (1, 2, 3))
    Search([one, two]).end(one, 0.5).end(two, 0.6).write(tmp_path)
    Search([three, two]).write(tmp_path)
    store = load_store(tmp_path)
    assert [each.cell for each in store.cells] == [three, two]
    assert store.cells[1].state is CellState.DONE
    assert [each.cell for each in store.others] == [one]


def test_a_cell_whose_log_is_gone_is_run_again(tmp_path):
    Search([cell()]).end(cell(), 0.5).write(tmp_path)
    (cell_folder(tmp_path, cell().id) / "epochs.jsonl").unlink()
    assert load_store(tmp_path).cells[0].state is CellState.WAITING


def test_the_best_epoch_is_the_earliest_of_equal_ones(tmp_path):
    Search([cell()]).end(cell(), 0.5, 0.7, 0.7, 0.6).write(tmp_path)
    (result,) = load_store(tmp_path).cells
    assert (result.best().epoch, result.best("lower").epoch, result.last.epoch) == (2, 1, 4)
    assert Search([cell()]).write(tmp_path / "b")
    (empty,) = load_store(tmp_path / "b").cells
    assert (empty.best(), empty.last) == (None, None)


def test_predictions_are_read_by_epoch(tmp_path):
    Search([cell()]).end(cell(), 0.9, 0.5).write(tmp_path)
    (result,) = load_store(tmp_path).cells
    assert result.predictions(1) is None
    home = result.folder / "predictions"
    home.mkdir()
    for number in (1, 2):
        arrays = {"dev.logits": np.full((3, 2), number, np.float32), "dev.labels": np.arange(3)}
        np.savez(home / f"epoch_{number:04d}.npz", **arrays)
    assert [result.predictions(epoch)[0][0, 0] for epoch in (1, 2)] == [1, 2]
    assert result.predictions(2)[1].tolist() == [0, 1, 2]
    assert result.predictions(2, set="mismatched") is None
    (home / "epoch_0002.npz").write_bytes(b"PK torn")
    with pytest.raises(DamagedError, match=r"epoch_0002\.npz: is damaged"):
        result.predictions(2)


def test_a_folder_that_is_no_results_folder_is_refused(tmp_path):
    with pytest.raises(FreeLBTuneError, match=r"no journal\.jsonl here"):
        load_store(tmp_path)


def test_an_event_that_lacks_something_is_named(tmp_path):
    with Journal(tmp_path) as journal:
        journal.append("started", cell_id="1")
        journal.append("failed", cell_id="1", state="sad", message="")
    with pytest.raises(FreeLBTuneError, match=r"journal\.jsonl, line 2: the event 'failed' .*sad"):
        load_store(tmp_path)


def test_an_event_that_says_nothing_of_states_is_passed_over(tmp_path):
    with Journal(tmp_path) as journal:
        plan(journal, [cell()])
        journal.append("probed", seconds=3)
    assert len(load_store(tmp_path).cells) == 1


def test_a_damaged_space_is_said(tmp_path):
    Search([cell()]).write(tmp_path, space="table: [")
    with pytest.raises(FreeLBTuneError, match=r"space\.yaml: is damaged"):
        load_store(tmp_path)


def test_a_thousand_cells_are_read_in_a_second(tmp_path):
    import time

    with take_results(tmp_path, space_yaml=SPACE, **OURS) as journal:
        plan(journal, [cell(seed) for seed in range(1000)])
        EpochLog(cell_folder(tmp_path, cell(0).id) / "epochs.jsonl").append(epoch("", 1, 0.5))
    began = time.process_time()
    assert len(load_store(tmp_path).cells) == 1000
    assert time.process_time() - began < 1


def test_the_environment_is_told_without_importing_any_of_it(tmp_path):
    code = (
        "import sys; from pathlib import Path; from freelb_tune.store import write_environment;"
        "write_environment(Path(sys.argv[1]), ['cpu']);"
        "print(sorted({'torch', 'ray', 'transformers', 'numpy', 'pandas'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
    said = json.loads((tmp_path / "environment.json").read_text())
    assert said["devices"] == ["cpu"]
    assert said["packages"]["numpy"] == np.__version__
    assert said["python"].count(".") == 2
    assert said["cpu_count"] >= 1
    assert said["earlier"] == []


def test_an_earlier_environment_is_kept_where_it_differs(tmp_path):
    for devices in (["cpu"], ["cpu"], ["gpu"]):
        write_environment(tmp_path, devices, {"data": "abc"})
    said = json.loads((tmp_path / "environment.json").read_text())
    assert said["devices"] == ["gpu"]
    assert [each["devices"] for each in said["earlier"]] == [["cpu"]]
