"""A search on real, local Ray, with a stand-in for training that takes no time."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import search_fixtures
from ray import cloudpickle
from search_fixtures import EPOCHS, Prepare, make_plan, score_of, train

from freelb_tune.errors import FreeLBTuneError
from freelb_tune.search import SearchOptions, SearchSummary, Silent, Work, run_search
from freelb_tune.store import CellState, load_store, read_journal

cloudpickle.register_pickle_by_value(search_fixtures)  # workers have no path to the tests

pytestmark = pytest.mark.slow  # each starts Ray, which takes some seconds


def search(base: Path, *, retry_failed: bool = False, **plan: object) -> SearchSummary:
    """Run the stand-in search over a plan in `base`."""
    space, cells = make_plan(base, **plan)  # type: ignore[arg-type]
    (base / "orders").mkdir(exist_ok=True)
    search_fixtures.ensure_ray()
    return run_search(
        space,
        cells,
        base / "results",
        SearchOptions(
            dashboard=False, retry_failed=retry_failed, command=("freelb-tune", "--space", "s.yaml")
        ),
        work=Work(Prepare(base / "orders"), train),
    )


def order(base: Path, cell_id: str, what: str) -> None:
    """Say what is to go wrong with a cell."""
    (base / "orders").mkdir(exist_ok=True)
    (base / "orders" / cell_id).write_text(what)


def trained(base: Path, cell_id: str) -> list[int]:
    """The epochs of a cell that were really trained, in order."""
    path = base / "results" / "cells" / cell_id / "trained.txt"
    return [int(line) for line in path.read_text().splitlines()] if path.exists() else []


def trials_csv(base: Path) -> str:
    return (base / "results" / "trials.csv").read_text()


def states(base: Path) -> list[CellState]:
    return [result.state for result in load_store(base / "results").cells]


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, SearchSummary, SearchSummary]:
    """One search in which one cell fails, one diverges and one's worker dies twice; then a retry.

    Of 5 cells in plan order: 0 fails in epoch 2, 1 diverges in epoch 3, 2 loses its worker in
    epoch 3 once, 3 loses it each time, 4 is sound. Then the causes are gone, and the same search
    is run with `retry_failed`.
    """
    base = tmp_path_factory.mktemp("mixed")
    grid = {"adv_lr": (0.01, 0.02, 0.03, 0.04, 0.05), "resources": "{max_failures: 1}"}
    _, plan = make_plan(base, **grid)  # type: ignore[arg-type]
    ids = [cell.id for cell in plan.cells]
    for cell_id, what in zip(ids, ("fail 2", "diverge 3", "die_once 3", "die 2"), strict=False):
        order(base, cell_id, what)
    first = search(base, **grid)
    (base / "first.json").write_text(
        json.dumps(
            {
                "states": states(base),
                "messages": [r.message for r in load_store(base / "results").cells],
                "trained": [trained(base, cell_id) for cell_id in ids],
                "error": (base / "results/cells" / ids[0] / "error.txt").read_text(),
                "left": sorted(p.parent.name for p in (base / "results/cells").glob("*/model")),
            }
        )
    )
    for path in (base / "orders").iterdir():
        path.unlink()
    second = search(base, retry_failed=True, **grid)
    return base, first, second


@pytest.fixture(scope="module")
def first(mixed: tuple[Path, SearchSummary, SearchSummary]) -> dict[str, list[object]]:
    """What stood in the results folder after the first of the two runs."""
    return json.loads((mixed[0] / "first.json").read_text())  # type: ignore[no-any-return]


def test_one_failing_cell_leaves_the_others(mixed, first):
    assert first["states"] == ["failed", "diverged", "done", "failed", "done"]
    assert mixed[1].counts == {CellState.FAILED: 2, CellState.DIVERGED: 1, CellState.DONE: 2}


def test_an_exception_is_told_in_one_line_and_kept_with_its_traceback(first):
    assert first["messages"][0] == "ValueError: the layer is too wide"
    assert "second line" in first["error"]
    assert "Traceback" in first["error"]


def test_a_diverged_cell_says_so(first):
    assert first["messages"][1] == "epoch 3: the loss is nan"


def test_an_exception_is_not_retried(first):
    assert first["trained"][0] == [1, 2]
    assert first["trained"][1] == [1, 2, 3]


def test_a_killed_worker_is_retried_from_its_last_epoch(first):
    assert first["trained"][2] == [1, 2, 3, 3, 4]  # epoch 3 was cut off the first time


def test_a_worker_that_dies_more_often_than_allowed_fails_its_cell(first):
    assert first["trained"][3] == [1, 2, 2]  # max_failures 1: one restart
    assert first["messages"][3] == "its worker died (killed, or out of memory) (2 times)"


def test_failed_cells_run_again_on_request_and_the_known_ones_are_kept(mixed):
    base, _, second = mixed
    assert second.counts == {CellState.DONE: 5}
    assert second.ran == 3
    cells = load_store(base / "results").cells
    assert trained(base, cells[0].cell.id) == [1, 2, 3, 4]  # its folder began again
    assert trained(base, cells[3].cell.id) == [1, 2, 2, 2, 3, 4]  # it had a checkpoint
    assert trained(base, cells[4].cell.id) == [1, 2, 3, 4]  # untouched


def test_the_best_model_is_kept_and_the_others_are_not(mixed):
    base, first, second = mixed
    best = load_store(base / "results").cells[4].cell  # the highest adv_lr scores highest
    assert first.best == second.best == best.id
    assert second.best_score == score_of(best, EPOCHS)
    content = json.loads((base / "results/best/config.json").read_text())
    assert content == {"cell": best.id, "epoch": EPOCHS}
    assert json.loads((base / "results/best/cell.json").read_text()) == best.to_json()
    readme = (base / "results/best/README.md").read_text()
    assert "freelb-tune --space s.yaml" in readme
    assert f"freelb-tune rerun {base / 'results'} {best.id}" in readme
    assert [path.parent.name for path in (base / "results/cells").glob("*/model")] == [best.id]
    assert not list((base / "results/cells").glob("*/checkpoint"))


def test_the_journal_tells_every_step(mixed):
    base, _, _ = mixed
    entries = read_journal(base / "results")
    cell_id = load_store(base / "results").cells[2].cell.id
    events = [entry["event"] for entry in entries if entry.get("cell_id") == cell_id]
    assert events == ["started", "retried", "started", "finished"]
    assert [entry["event"] for entry in entries].count("planned") == 5
    assert [entry["event"] for entry in entries].count("opened") == 2
    assert entries[-1]["event"] == "closed"
    # a verdict after each of the two runs, as the second has more cells to judge
    assert [len(e["cells"]) for e in entries if e["event"] == "looked"] == [2, 5]


def test_ray_leaves_no_scratch_behind(mixed):
    import hashlib

    name = hashlib.sha256(str((mixed[0] / "results").resolve()).encode()).hexdigest()[:8]
    assert not list(Path("/tmp").glob(f"flt-{name}-*"))


def test_where_nothing_is_left_ray_is_not_even_loaded(mixed):
    base, _, _ = mixed
    code = (
        "import sys, pathlib, search_fixtures as f\n"
        "from freelb_tune.search import SearchOptions, Work, run_search\n"
        f"base = pathlib.Path({str(base)!r})\n"
        "grid = (0.01, 0.02, 0.03, 0.04, 0.05)\n"
        "space, plan = f.make_plan(base, adv_lr=grid, resources='{max_failures: 1}')\n"
        "work = Work(f.Prepare(base / 'orders'), f.train)\n"
        "summary = run_search(space, plan, base / 'results', SearchOptions(), work=work)\n"
        "print(summary.ran, sorted({'ray', 'torch'} & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parent,
    )
    assert done.stdout.strip() == "0 []"


@pytest.mark.parametrize(
    ("resources", "message"),
    [
        ("{gpu: 64}", r"asks for 64 GPUs, and this machine has .* GPUs?; leave resources.gpu out"),
        ("{cpu: 9999}", r"asks for 9999 CPU cores, and this machine has .*; ask for at most"),
    ],
)
@pytest.mark.usefixtures("no_ray")
def test_what_this_machine_does_not_have_is_refused_before_ray_starts(tmp_path, resources, message):
    space, plan = make_plan(tmp_path, resources=resources)
    listener = Said()
    work = Work(Prepare(tmp_path / "orders"), train)
    with pytest.raises(FreeLBTuneError, match=message):
        run_search(space, plan, tmp_path / "results", listener=listener, work=work)
    assert "starting Ray" not in listener.lines
    assert "started" not in [entry["event"] for entry in read_journal(tmp_path / "results")]


class Said(Silent):
    """Keeps what the reader is told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def said(self, text: str) -> None:
        self.lines.append(text)


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("127.0.0.1:1", r"--address 127.0.0.1:1: no Ray cluster answers there"),
        ("ray://head:10001", r"--address ray://head:10001: expected HOST:PORT"),
    ],
)
@pytest.mark.usefixtures("no_ray")
def test_an_address_where_no_ray_runs_is_an_error(tmp_path, address, message):
    space, plan = make_plan(tmp_path)
    options = SearchOptions(address=address)
    work = Work(Prepare(tmp_path / "orders"), train)
    with pytest.raises(FreeLBTuneError, match=message):
        run_search(space, plan, tmp_path / "results", options, work=work)


def test_a_running_ray_is_joined_and_left_running(tmp_path):
    import ray

    (tmp_path / "orders").mkdir()
    search_fixtures.ensure_ray()
    address = ray.get_runtime_context().gcs_address
    command = [search_fixtures.__file__, str(tmp_path), "{algorithm: grid}", "0", address]
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert ray.cluster_resources()["CPU"] == 2
    assert states(tmp_path) == [CellState.DONE] * 4
    assert not list((tmp_path / "results").glob(".preflight*"))


def start(
    base: Path, search: str, seconds: float, *, address: str = "", **more: object
) -> "subprocess.Popen[bytes]":
    """Start the stand-in search in a process of its own."""
    (base / "orders").mkdir(parents=True, exist_ok=True)
    return subprocess.Popen(
        [
            *(sys.executable, search_fixtures.__file__, str(base), search, str(seconds)),
            *(address, json.dumps(more)),
        ],
        stdout=subprocess.DEVNULL,
    )


def wait_until(condition: Callable[[], bool], process: "subprocess.Popen[bytes]") -> None:
    """Wait for a condition while a process runs."""
    deadline = time.monotonic() + 120
    while not condition():
        assert process.poll() is None, "it ended before the condition came true"
        assert time.monotonic() < deadline
        time.sleep(0.02)


def lines(base: Path) -> int:
    """Epochs on disk, over all cells."""
    paths = (base / "results" / "cells").glob("*/epochs.jsonl")
    return sum(path.read_text().count("\n") for path in paths)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("uninterrupted")
    assert search(base).counts == {CellState.DONE: 4}
    return base


def test_killed_in_the_middle_and_run_again_is_as_if_never_killed(tmp_path, uninterrupted):
    process = start(tmp_path, "{algorithm: grid}", 0.4)
    wait_until(lambda: lines(tmp_path) >= 5, process)
    process.send_signal(signal.SIGKILL)
    process.wait()
    known = {r.cell.id: len(r.epochs) for r in load_store(tmp_path / "results").cells}
    assert sum(known.values()) < 4 * EPOCHS

    assert search(tmp_path).counts == {CellState.DONE: 4}
    assert trials_csv(tmp_path) == trials_csv(uninterrupted)
    for cell_id, epochs in known.items():
        once = trained(tmp_path, cell_id)
        assert [epoch for epoch in once if epoch <= epochs] == list(range(1, epochs + 1))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_and_sigterm_end_it_soon_and_keep_everything(tmp_path, number):
    process = start(tmp_path, "{algorithm: grid}", 5.0)  # an epoch outlasts the whole test
    journal = tmp_path / "results" / "journal.jsonl"
    wait_until(lambda: journal.exists() and '"started"' in journal.read_text(), process)
    process.send_signal(number)
    assert process.wait(timeout=20) == 130
    events = [entry["event"] for entry in read_journal(tmp_path / "results")]
    assert events[-1] == "closed"
    assert "looked" not in events  # an interrupted search has no verdict
    assert states(tmp_path) == [CellState.WAITING] * 4
    assert (tmp_path / "results" / "trials.csv").exists()


def test_a_second_run_on_the_folder_is_refused_with_the_firsts_pid(tmp_path):
    process = start(tmp_path, "{algorithm: grid}", 5.0)
    journal = tmp_path / "results" / "journal.jsonl"
    wait_until(lambda: journal.exists() and '"planned"' in journal.read_text(), process)
    try:
        with pytest.raises(FreeLBTuneError, match=rf"another run .*{process.pid}"):
            search(tmp_path)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()


def test_cells_whose_logs_are_damaged_are_trained_again_to_the_same_tables(tmp_path, uninterrupted):
    base = Path(shutil.copytree(uninterrupted, tmp_path / "copy"))
    results = base / "results"
    before = {name: (results / name).read_bytes() for name in ("table.md", "table.csv")}
    whole = trials_csv(base)
    ids = [each.cell.id for each in load_store(results).cells]
    logs = [results / "cells" / cell_id / "epochs.jsonl" for cell_id in ids]
    logs[0].write_bytes(logs[0].read_bytes()[5:])  # a torn first line
    logs[1].write_bytes(logs[1].read_bytes()[:-5])  # a torn last one, of a cell that was over
    logs[2].unlink()
    damaged = [each.damage is not None for each in load_store(results).cells]
    assert damaged == [True, True, True, False]
    assert search(base).ran == 3
    assert [trained(base, cell_id).count(1) for cell_id in ids] == [2, 2, 2, 1]
    assert {name: (results / name).read_bytes() for name in before} == before
    assert trials_csv(base) == whole
    assert [(log.parent / "epochs.damaged.jsonl").exists() for log in logs] == [
        True, True, False, False
    ]  # fmt: skip
