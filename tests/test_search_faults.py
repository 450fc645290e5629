"""Faults that a search meets: each really happens, to a worker of local Ray or to its disk."""

import hashlib
import os
import signal
import subprocess
from pathlib import Path

import psutil
import pytest
from search_fixtures import make_plan
from test_search_run import lines, order, search, start, states, trained, trials_csv, wait_until

from freelb_tune.errors import DiskError
from freelb_tune.search.driver.guards import silence
from freelb_tune.store import CellState, cell_folder, load_store, read_journal

pytestmark = pytest.mark.slow  # each trains on Ray, which takes some seconds

ORDERS = ("exit 2", "quit 2", "crash 2", "memory 2", "hang 2", "hang_once 3", "lose_once 3", "")
"""One for each cell: what its code does, and in which epoch."""


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A search whose cells do what `ORDERS` says; a worker that dies is started again once."""
    base = tmp_path_factory.mktemp("faulty")
    adv_lr = tuple(0.01 * (i + 1) for i in range(len(ORDERS)))
    grid = {"adv_lr": adv_lr, "resources": "{max_failures: 1}"}
    _, plan = make_plan(base, **grid)  # type: ignore[arg-type]
    for cell, what in zip(plan.cells, ORDERS, strict=True):
        if what:
            order(base, cell.id, what)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(silence, "LEAST", 3.0)
        patch.setattr(silence, "_LOOK", 0.2)
        search(base, **grid)
    return base


def ends(base: Path) -> dict[str, tuple[CellState, str | None, list[int]]]:
    """By order: how each cell ended, with its message and the epochs that were trained."""
    cells = load_store(base / "results").cells
    told = [(each.state, each.message, trained(base, each.cell.id)) for each in cells]
    return dict(zip(ORDERS, told, strict=True))


def test_code_that_asks_its_process_to_end_fails_its_cell_and_is_called_so(faulty):
    state, message, epochs = ends(faulty)["exit 2"]
    assert (state, epochs) == (CellState.FAILED, [1, 2])  # an exception is not tried again
    assert message.startswith("SystemExit: 3: code that ran in training asked the process to end")


def test_code_that_ends_its_process_is_tried_again_and_then_called_so(faulty):
    state, message, epochs = ends(faulty)["quit 2"]
    assert (state, epochs) == (CellState.FAILED, [1, 2, 2])
    assert message == (
        "its worker died: code that ran in training ended the process with os._exit(3); have it "
        "raise an error that says why (2 times)"
    )


def test_code_that_crashes_its_process_is_called_so(faulty):
    state, message, epochs = ends(faulty)["crash 2"]
    assert (state, epochs) == (CellState.FAILED, [1, 2, 2])
    assert message.startswith("its worker died: it crashed: Segmentation fault (where: ")


def test_code_that_asks_for_more_memory_than_there_is_is_called_so(faulty):
    state, message, epochs = ends(faulty)["memory 2"]
    assert (state, epochs) == (CellState.FAILED, [1, 2])
    assert message == "MemoryError: it asked for more memory than there is"


def test_a_trial_that_hangs_is_ended_tried_again_and_then_failed(faulty):
    state, message, epochs = ends(faulty)["hang 2"]
    assert (state, epochs) == (CellState.FAILED, [1, 2, 2])
    assert message.startswith("it hung: nothing was heard of it for ")
    assert message.endswith(" seconds, and its process was ended (2 times)")
    state, message, epochs = ends(faulty)["hang_once 3"]
    assert (state, message, epochs) == (CellState.DONE, None, [1, 2, 3, 3, 4])


def test_a_cell_that_begins_again_while_the_search_runs_is_told(faulty):
    state, _, epochs = ends(faulty)["lose_once 3"]
    assert (state, epochs) == (CellState.DONE, [1, 2, 3, 1, 2, 3, 4])
    entries = read_journal(faulty / "results")
    (told,) = [entry for entry in entries if entry["event"] == "again"]
    cell_id = load_store(faulty / "results").cells[ORDERS.index("lose_once 3")].cell.id
    assert (told["cell_id"], told["why"]) == (cell_id, "checkpoint/optimizer.pt is missing")


def test_no_process_of_a_trial_that_hung_is_left(faulty):
    stopped = [
        path.parent.name
        for path in Path("/proc").glob("[0-9]*/stat")
        if os.path.exists(path) and ") T " in path.read_text()
    ]
    assert not stopped


def test_the_others_are_left_alone(faulty):
    state, _, epochs = ends(faulty)[""]
    assert (state, epochs) == (CellState.DONE, [1, 2, 3, 4])


@pytest.fixture
def small_disk(tmp_path):
    """A results folder on a disk of its own."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a disk of its own")
    folder = tmp_path / "results"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", folder]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("this machine lets nobody mount a disk")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def test_a_full_disk_ends_the_search_and_fails_no_cell(tmp_path, small_disk):
    _, plan = make_plan(tmp_path)
    victim = plan.cells[2].id
    order(tmp_path, victim, "fill 3")
    with pytest.raises(DiskError, match="No space left on device; make room and run the same com"):
        search(tmp_path)
    assert set(states(tmp_path)) <= {CellState.DONE, CellState.WAITING}
    assert "failed" not in [entry["event"] for entry in read_journal(small_disk)]

    (cell_folder(small_disk, victim) / "ballast").unlink()
    (tmp_path / "orders" / victim).unlink()
    assert search(tmp_path).counts == {CellState.DONE: 4}
    assert trained(tmp_path, victim) == [1, 2, 3, 3, 4]
    undisturbed = tmp_path / "undisturbed"
    search(undisturbed)
    assert trials_csv(tmp_path) == trials_csv(undisturbed)


@pytest.mark.parametrize(
    ("kind", "said"), [("gcs_server", "control service"), ("raylet", "raylet")]
)
def test_where_ray_dies_one_message_says_what_is_safe_and_nothing_is_lost(
    tmp_path, capfd, kind, said
):
    process = start(tmp_path, "{algorithm: grid}", 1.0)
    wait_until(lambda: lines(tmp_path) >= 2, process)
    children = psutil.Process(process.pid).children()
    (victim,) = [each for each in children if Path(each.cmdline()[0]).name == kind]
    victim.kill()
    assert process.wait(timeout=60) == 3
    told = [line for line in capfd.readouterr().err.splitlines() if line.startswith("freelb-tune")]
    (line,) = told
    assert line.startswith(f"freelb-tune: Ray's {said} died (killed, or out of memory). Every epo")
    assert line.endswith("run the same command again: it continues where it was")
    assert set(states(tmp_path)) <= {CellState.DONE, CellState.WAITING}
    known = {r.cell.id: len(r.epochs) for r in load_store(tmp_path / "results").cells}
    assert search(tmp_path).counts == {CellState.DONE: 4}
    for cell_id, epochs in known.items():
        once = trained(tmp_path, cell_id)
        assert [epoch for epoch in once if epoch <= epochs] == list(range(1, epochs + 1))


@pytest.mark.parametrize(
    ("kill", "said"),
    [
        ("kill_gcs_server", "the cluster's head has not answered for 30 seconds (it died, or the "),
        ("kill_raylet", "Ray's raylet died (killed, or out of memory). Every epoch that ended is "),
    ],
)
def test_where_a_clusters_head_dies_one_message_says_what_is_safe(tmp_path, capfd, kill, said):
    import ray
    from ray.cluster_utils import Cluster

    ray.shutdown()
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    try:
        process = start(tmp_path, "{algorithm: grid}", 1.0, address=cluster.address)
        wait_until(lambda: lines(tmp_path) >= 2, process)
        getattr(cluster.head_node, kill)()
        assert process.wait(timeout=120) == 3
    finally:
        cluster.shutdown()
    told = [line for line in capfd.readouterr().err.splitlines() if line.startswith("freelb-tune")]
    (line,) = told
    assert line.startswith(f"freelb-tune: {said}")
    assert line.endswith("run the same command again: it continues where it was")
    assert set(states(tmp_path)) <= {CellState.DONE, CellState.WAITING}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_asked_twice_it_ends_at_once_and_leaves_nothing_behind(tmp_path, number):
    process = start(tmp_path, "{algorithm: grid}", 60.0)
    journal = tmp_path / "results" / "journal.jsonl"
    wait_until(lambda: journal.exists() and '"started"' in journal.read_text(), process)
    children = psutil.Process(process.pid).children(recursive=True)
    assert len(children) > 3  # Ray's
    process.send_signal(number)
    process.send_signal(number)
    assert process.wait(timeout=30) == 130
    assert psutil.wait_procs(children, timeout=30)[1] == []
    name = hashlib.sha256(str((tmp_path / "results").resolve()).encode()).hexdigest()[:8]
    assert not list(Path("/tmp").glob(f"flt-{name}-*"))
    assert states(tmp_path) == [CellState.WAITING] * 4
    assert not [path for path in (tmp_path / "results").iterdir() if path.name.endswith(".tmp")]


def test_stopped_while_the_verdict_is_made_it_has_whole_tables_and_goes_on_to_the_same(tmp_path):
    undisturbed = tmp_path / "undisturbed"
    search(undisturbed)
    base = tmp_path / "stopped"
    process = start(base, "{algorithm: grid}", 0.0)
    journal = base / "results" / "journal.jsonl"
    wait_until(lambda: journal.exists() and '"looked"' in journal.read_text(), process)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=30) == 130
    assert read_journal(base / "results")[-1]["event"] == "closed"
    assert trials_csv(base) == trials_csv(undisturbed)
    assert search(base).ran == 0
    for name in ("table.md", "table.csv", "table.json", "trials.csv", "epochs.csv"):
        assert (base / "results" / name).read_bytes() == (
            undisturbed / "results" / name
        ).read_bytes(), name
