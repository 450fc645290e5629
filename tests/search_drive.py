"""A search without Ray: cells are run in process as Ray would, killed anywhere, and looked at."""

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import search_fixtures
from search_fixtures import Prepare

from freelb_tune.results.tables.contents.metric import Measure
from freelb_tune.search import Silent
from freelb_tune.search.algorithms.frame.conductor import Conductor
from freelb_tune.search.algorithms.frame.proposals import Proposals
from freelb_tune.search.algorithms.frame.samplers import suggest
from freelb_tune.search.algorithms.registry import open_algorithm
from freelb_tune.search.driver.board import Board
from freelb_tune.search.driver.guards.limits import Limits
from freelb_tune.search.driver.ledger import Ledger, Outputs
from freelb_tune.search.driver.listener import Guard
from freelb_tune.search.driver.selected.best import BestModel
from freelb_tune.space import Cell, Plan, Space
from freelb_tune.space.cells.cell import Value
from freelb_tune.store import (
    CellState,
    EpochLog,
    cell_folder,
    load_store,
    read_journal,
    take_results,
)

Score = Callable[[Cell, int], float]


@contextmanager
def opened(
    base: Path,
    space: Space,
    plan: Plan,
    clock: Callable[[], float] = time.monotonic,
    propose: Callable[..., Mapping[str, Value]] = suggest,
) -> Iterator[tuple[Conductor, Ledger]]:
    """A results folder as `run_search` opens it, and its algorithm."""
    folder = base / "results"
    with take_results(folder, space_yaml=space.to_yaml(), name="standin", task="rte") as journal:
        proposals = Proposals(space, plan, read_journal(folder), propose)
        journal.append(
            "opened", at="", pid=1, version="0", command="", space="0", name="standin", task="rte",
            cells=list(proposals.cells), seeds=list(space.seeds),
        )  # fmt: skip
        cells = list(proposals.cells.values())
        journal.append_all(("planned", {"cell": cell.to_json()}) for cell in cells)
        board = Board(
            cells, Measure("accuracy", "higher", "RTE"), {cell.id: cell.id for cell in cells}
        )
        ready = Prepare(base)([*cells, *proposals.longest], base, str)
        store = load_store(folder)
        for result in store.cells:
            board[result.cell.id].learn(result)
            board[result.cell.id].epochs = ready[result.cell.id].epochs
        best = BestModel(folder, ())
        outputs = Outputs(lambda: None)
        ledger = Ledger(journal, board, best, outputs, Guard(Silent()), store.known)
        limits = Limits(space, ledger, clock)
        conductor = Conductor(open_algorithm(space, ledger), proposals, limits, ledger)
        conductor.is_finished = conductor.is_over()
        if not conductor.is_finished:
            conductor.prepared(ready, lambda more: Prepare(base)(more, base, str))
        yield conductor, ledger


def drive(
    base: Path,
    space: Space,
    plan: Plan,
    score: Score,
    *,
    slots: int = 1,
    chance: random.Random | None = None,
    kill_after: int | None = None,
    fails: tuple[tuple[str, int], ...] = (),
    clock: Callable[[], float] = time.monotonic,
    propose: Callable[..., Mapping[str, Value]] = suggest,
) -> list[tuple[str, int]]:
    """Run a search's cells as Ray would, without Ray; returns the epochs trained, in order.

    Args:
        base: its results go to `base/results`.
        space: as planned.
        plan: its cells.
        score: of a cell after an epoch.
        slots: trials at a time.
        chance: which of them finishes an epoch next; None for the oldest trial.
        kill_after: epochs until the driver dies, with the last one on disk and not heard of.
        fails: cells, and the epoch that each fails in.
        clock: seconds, for limits on hours.
        propose: a sampler.
    """
    trained: list[tuple[str, int]] = []
    with opened(base, space, plan, clock, propose) as (conductor, ledger):
        running: list[tuple[str, Iterator[int]]] = []
        while running or not conductor.is_finished:
            while len(running) < slots:
                name = conductor.next_cell([each for each, _ in running])
                if name is None:
                    break
                ledger.started(name)
                running.append((name, iter(range(1, search_fixtures.EPOCHS + 1))))
            if not running:
                assert conductor.is_finished, "a deadlock: cells are left, and none may run"
                continue
            trial = chance.choice(running) if chance else running[0]
            name, row = trial[0], ledger.board[trial[0]]
            epoch = next(trial[1], None)
            if epoch is None or (name, epoch) in fails:
                running.remove(trial)
                if epoch is None:
                    ledger.finished(name, CellState.DONE)
                else:
                    ledger.failed(name, CellState.FAILED, "ValueError: no")
                continue
            value = row.scores.get(epoch, score(row.cell, epoch))
            if epoch not in row.scores:
                log = EpochLog(cell_folder(base / "results", name) / "epochs.jsonl")
                log.append(search_fixtures.record_of(row.cell, epoch, value))
                trained.append((name, epoch))
                if len(trained) == kill_after:
                    return trained
            if conductor.reached(name, epoch, value) == "continue":
                continue
            running.remove(trial)
            end = conductor.end_of(name)
            (ledger.waits(name) if end is CellState.WAITING else ledger.finished(name, end))
    return trained


def decisions(base: Path) -> list[dict[str, Any]]:
    return [entry for entry in read_journal(base / "results") if entry["event"] == "decided"]


def ends(base: Path) -> dict[tuple[str, int], tuple[CellState, int]]:
    """State and epochs of each cell, by configuration and seed."""
    cells = load_store(base / "results").cells
    return {(r.cell.config_id, r.cell.seed): (r.state, len(r.epochs)) for r in cells}


def starts(base: Path) -> Counter[str]:
    """How often each cell was started."""
    entries = read_journal(base / "results")
    return Counter(entry["cell_id"] for entry in entries if entry["event"] == "started")
