"""What a search costs its driver as it grows: CPU seconds and memory at 50 cells and at thousands.

    python -m bench.scaling                    plan, report and going on at 50, 500 and 5,000 cells
    python -m bench.scaling --cells 50000      at another number
    python -m bench.scaling --new 10000        a plan of cells of which none is known
    python -m bench.scaling --trials 50 500    trials that do nothing, on Ray: seconds of its driver

Results folders are made up by the store's own functions: each cell has ten epochs and is done, and
nothing was trained. Times are CPU seconds, the least of `--times` runs, as a machine that is busy
changes them least; memory is the most that the process held. Modules are compiled beforehand.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from freelb_tune.api.plans import plan, span
from freelb_tune.space import Cell, Space, load_space
from freelb_tune.store import (
    FORMAT,
    CellState,
    EpochRecord,
    TextLengths,
    cell_folder,
    seal_of,
    take_results,
    utc_now,
)
from freelb_tune.store.disk.files import append_lines

EPOCHS, SEEDS, REPORTS = 10, 5, 5

SPACE = """\
name: scaling
task: rte
model: a/model-that-is-not-here
trainer: {{num_train_epochs: {epochs}, learning_rate: {{grid: {learning_rate}}}}}
adversary: {{method: freelb, adv_steps: 2, adv_lr: {{grid: {adv_lr}}},
            init_mag: {{grid: {init_mag}}}, max_norm: {{grid: {max_norm}}}}}
clean_arm: false
seeds: [1, 2, 3, 4, 5]
"""


@dataclass(frozen=True)
class Cost:
    """What a process took: CPU and wall seconds, and the most memory in MiB."""

    cpu: float
    wall: float
    mib: float


def space_file(base: Path, cells: int, epochs: int = EPOCHS) -> Path:
    """A space of that many cells: grids of ten values each and one of what is left, five seeds."""
    path = base / "scaling.yaml"
    left, sizes = max(1, cells // SEEDS), [1, 1, 1]
    for at in range(len(sizes)):
        if left >= 100 and left % 10 == 0:
            left, sizes[at] = left // 10, 10
    grids = {
        "adv_lr": [round(1e-4 * (i + 1), 4) for i in range(left)],
        "init_mag": [round(0.1 * (i + 1), 1) for i in range(sizes[0])],
        "max_norm": [round(0.1 * (i + 1), 1) for i in range(sizes[1])],
        "learning_rate": [round(1e-5 * (i + 1), 5) for i in range(sizes[2])],
    }
    path.write_text(SPACE.format(epochs=epochs, **grids), "utf-8")
    return path


def make_up(base: Path, cells: int) -> None:
    """A results folder, `BASE/scaling`: every cell but the last configuration's is done."""
    space = load_space(space_file(base, cells))
    planned = span(space, most_cells=None).cells
    folder = base / "scaling"
    with take_results(
        folder, space_yaml=space.to_yaml(), name=space.name, task=space.task
    ) as journal:
        facts = {"format": FORMAT, "name": space.name, "task": space.task, "command": []}
        ids = [cell.id for cell in planned]
        journal.append(
            "opened", at=utc_now(), pid=1, version="0", cells=ids, seeds=list(space.seeds),
            space="0", **facts,
        )  # fmt: skip
        journal.append_all(("planned", {"cell": cell.to_json()}) for cell in planned)
        ends = []
        for cell in planned[:-SEEDS]:
            home = cell_folder(folder, cell.id)
            home.mkdir(parents=True)
            append_lines(home / "epochs.jsonl", [record(cell, n).to_json() for n in range(1, 11)])
            held = seal_of(home / "epochs.jsonl")
            ends += [("started", {"cell_id": cell.id, "at": utc_now()})]
            more = {"lines": held.lines, "digest": held.digest, "at": utc_now()}
            ends += [("finished", {"cell_id": cell.id, "state": "done", **more})]
        journal.append_all(ends)
        journal.append("closed", at=utc_now())


def record(cell: Cell, epoch: int) -> EpochRecord:
    """An epoch's numbers, which nobody trained."""
    base = 0.6 + int(cell.id[:6], 16) / 16**6 / 10
    score = round(base + 0.01 * epoch, 6)
    return EpochRecord(
        cell_id=cell.id, epoch=epoch, step=10 * epoch, score=score, metrics={"accuracy": score},
        dev_loss=1 - score, train_loss=1 - score, passes=30 * epoch, learning_rate=1e-5,
        micro_batch=8, train_seconds=1.0, eval_seconds=0.1,
    )  # fmt: skip


def measured(*arguments: str) -> Cost:
    """Run Python with these arguments to its end.

    Raises:
        RuntimeError: it failed.
    """
    start = time.perf_counter()
    compiled = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    with tempfile.TemporaryFile() as said:
        command = [sys.executable, *arguments]
        process = subprocess.Popen(command, stdout=said, stderr=said, env=compiled)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            said.seek(0)
            raise RuntimeError(said.read().decode()[-2000:])
    wall = time.perf_counter() - start
    return Cost(used.ru_utime + used.ru_stime, wall, used.ru_maxrss / 1024)


def least(times: int, *arguments: str) -> Cost:
    """The run of the least CPU seconds; one that compiles modules, say, is not it."""
    return min((measured(*arguments) for _ in range(times)), key=lambda cost: cost.cpu)


def known(cells: int, times: int) -> dict[str, Cost]:
    """What commands take where that many cells are known, all but five of them done."""
    with tempfile.TemporaryDirectory() as scratch:
        make_up(Path(scratch), cells)
        command = ("-m", "freelb_tune.cli")
        space = ("--space", f"{scratch}/scaling.yaml", "--results", scratch)
        folder = f"{scratch}/scaling"
        return {
            "plan": least(times, *command, "plan", *space, "--yes"),
            "report": least(times, *command, "report", folder),
            "to the first new trial": least(times, "-m", "bench.scaling", "--open", scratch),
        }


def new(cells: int, times: int) -> tuple[Cost, float]:
    """What a plan with clean arms takes of which nothing is known.

    Returns:
        Of the whole command, and the CPU seconds of `ft.plan` and its text once all is loaded.
    """
    with tempfile.TemporaryDirectory() as scratch:
        path = space_file(Path(scratch), cells)
        path.write_text(path.read_text("utf-8").replace("clean_arm: false\n", ""), "utf-8")
        command = ("-m", "freelb_tune.cli", "plan", "--space", str(path), "--results", scratch)
        space, took = load_space(path), []
        for _ in range(times + 1):  # the first loads numpy and scipy
            start = time.process_time()
            repr(plan(space, scratch, most_cells=None))
            took.append(time.process_time() - start)
        return least(times, *command, "--yes"), min(took[1:])


@dataclass(frozen=True)
class Ready:
    """What is prepared of a cell's data: nothing."""

    epochs: int
    lengths: TextLengths | None = None


@dataclass(frozen=True)
class Prepare:
    """Prepares cells that do nothing."""

    epochs: int

    def __call__(
        self, cells: Sequence[Cell], cache: Path, say: Callable[[str], None], /
    ) -> Mapping[str, Ready]:
        return {cell.id: Ready(self.epochs) for cell in cells}


def train(
    cell: Cell, ready: Any, folder: Path, report: Callable[[EpochRecord], None], threads: int, /
) -> None:
    """A trial that trains nothing and tells its epochs."""
    lines = [record(cell, epoch) for epoch in range(1, ready.epochs + 1)]
    for each in lines:
        append_lines(folder / "epochs.jsonl", [each.to_json()])
        report(each)


def open_again(base: Path) -> None:
    """Go on with a search to its first new trial, and end there, as if it were killed."""

    from freelb_tune.search import Silent

    class UntilTheFirst(Silent):
        def changed(self, cell_id: str) -> None:
            os._exit(0)  # Ctrl-C would write tables and page, which is no part of the way there

    space = load_space(base / "scaling.yaml")
    _search(space, base, EPOCHS, UntilTheFirst())


def run_trials(count: int) -> None:
    """A search of that many trials that do nothing; prints the CPU seconds of this process."""
    with tempfile.TemporaryDirectory() as scratch:
        space = load_space(space_file(Path(scratch), count, REPORTS))
        before = time.process_time()
        ended = _search(space, Path(scratch), REPORTS, None)
        assert ended.counts[CellState.DONE] == count
        print(time.process_time() - before)


def _search(space: Space, base: Path, epochs: int, listener: Any) -> Any:
    from ray import cloudpickle

    from freelb_tune.search import SearchOptions, Work, run_search

    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    options = SearchOptions(dashboard=False)
    planned = span(space, most_cells=None)
    work = Work(Prepare(epochs), train)
    return run_search(space, planned, base / space.name, options, listener, work)


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--cells", type=int, nargs="+", default=[50, 500, 5000])
    parser.add_argument("--new", type=int, nargs="+")
    parser.add_argument("--trials", type=int, nargs="+")
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--open", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--run", type=int, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.open:
        return open_again(asked.open)
    if asked.run:
        return run_trials(asked.run)
    if asked.new:
        for cells in asked.new:
            cost, inside = new(cells, asked.times)
            print(
                f"{cells} new cells: {cost.cpu:.2f} CPU s, {cost.mib:.0f} MiB; loaded {inside:.2f}"
            )
        return None
    if asked.trials:
        print("| trials | driver, CPU s | per trial | wall s | MiB |")
        print("| ---: | ---: | ---: | ---: | ---: |")
        for count in asked.trials:
            cost = measured("-m", "bench.scaling", "--run", str(count))
            each = cost.cpu / count
            print(f"| {count} | {cost.cpu:.1f} | {each:.3f} | {cost.wall:.0f} | {cost.mib:.0f} |")
        return None
    print("| cells | what | CPU s | wall s | MiB |\n| ---: | --- | ---: | ---: | ---: |")
    for cells in asked.cells:
        for what, cost in known(cells, asked.times).items():
            print(
                f"| {cells} | {what} | {cost.cpu:.1f} | {cost.wall:.1f} | {cost.mib:.0f} |",
                flush=True,
            )
    return None


if __name__ == "__main__":
    main()
