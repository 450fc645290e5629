"""A search as it stands: what the page's top says, what runs now, and how long it will take.

Room: watching. The search may be this process's, another one's, or over.
"""

import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from freelb_tune.results.page.overview import Overview, overview_of
from freelb_tune.results.page.times import is_running, moment, running_cells, spent
from freelb_tune.results.tables.contents.building import build_table, with_verdict
from freelb_tune.results.tables.contents.pending import pending
from freelb_tune.results.tables.contents.table import Table
from freelb_tune.results.tables.formats.footer import warnings
from freelb_tune.results.tables.formats.table_csv_json import to_json
from freelb_tune.store import EPOCHS, Store, cell_folder, is_held, load_store

__all__ = ["Running", "Snapshot", "change_mark", "duration", "snapshot", "snapshot_of"]


@dataclass(frozen=True)
class Running:
    """A cell that is being trained.

    Attributes:
        id: the cell's.
        name: its settings.
        epoch: the last finished one; 0 before the first.
        score: after it, as a fraction; None before the first.
    """

    id: str
    name: str
    epoch: int
    score: float | None


@dataclass(frozen=True)
class Snapshot:
    """A search as it stands.

    Attributes:
        folder: the results folder.
        overview: what the page says first.
        table: the table, with its verdict from the planned end on.
        running: the cells that are being trained.
        elapsed: seconds since the latest run began, or that it took.
        left: seconds that are left at the pace so far; None where nobody can say.
        warnings: what is lost, and what ended the search early.
    """

    folder: Path
    overview: Overview
    table: Table
    running: tuple[Running, ...]
    elapsed: float | None
    left: float | None
    warnings: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """All of it as plain values; scores are fractions, times are in seconds."""
        top = self.overview
        return {
            "folder": str(self.folder),
            "title": top.title,
            "state": top.state,
            "verdict": top.verdict,
            "clean": top.clean,
            "progress": top.progress,
            "running": [vars(each) for each in self.running],
            "seconds_elapsed": self.elapsed,
            "seconds_left": self.left,
            "best": [vars(each) for each in top.best],
            "command": top.command,
            "facts": dict(top.facts),
            "warnings": list(self.warnings),
            "notes": list(top.notes),
            "table": json.loads(to_json(self.table)),
        }


def snapshot(folder: Path) -> Snapshot:
    """Look at a results folder; from the planned end on with its verdict.

    Raises:
        FreeLBTuneError: it is no results folder, or is damaged.
    """
    store = load_store(folder)
    table = build_table(store)
    if pending(store) is None and store.cells:
        from freelb_tune.results.analysis import judge  # a second, for a search that is over

        table = with_verdict(table, judge(store, table))
    return snapshot_of(store, table)


def snapshot_of(store: Store, table: Table) -> Snapshot:
    """What has been read of a results folder, with its table, as it stands."""
    at_once = running_cells(store)
    running = tuple(
        Running(
            each.cell.id,
            store.labels[each.cell.id],
            len(each.epochs),
            each.last.score if each.last else None,
        )
        for each in store.cells
        if each.cell.id in at_once
    )
    return Snapshot(
        folder=store.folder,
        overview=overview_of(store, table),
        table=table,
        running=running,
        elapsed=_elapsed(store),
        left=_left(store, len(running)),
        warnings=tuple(warnings(table)),
    )


def _elapsed(store: Store) -> float | None:
    """Since the latest run began, until now or its last word."""
    times = [(str(event["event"]), moment(event.get("at"))) for event in store.events]
    began = next((at for event, at in reversed(times) if event == "opened"), None)
    if began is None:
        return None
    last = max((at for _, at in times if at is not None), default=began)
    until = datetime.now(UTC).replace(microsecond=0) if is_running(store) else last
    return max(float((until - began).total_seconds()), 0.0)


def _left(store: Store, running: int) -> float | None:
    """The device-hours that are left, over the cells that run at once."""
    hours = spent(store).left if running else None
    return None if hours is None else 3600 * hours / running


def change_mark(folder: Path) -> tuple[object, ...]:
    """Something that is another one when the folder has news; costs no reading."""
    marks: list[object] = [is_held(folder), _stat(folder / "journal.jsonl")]
    try:
        cells = sorted(os.listdir(folder / "cells"))
    except OSError:
        cells = []
    marks += [_stat(cell_folder(folder, cell) / EPOCHS) for cell in cells]
    return tuple(marks)


def _stat(path: Path) -> tuple[int, int] | None:
    try:
        found = os.stat(path, follow_symlinks=False)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


def duration(seconds: float) -> str:
    """A time in words, as exact as anybody needs it: `40 s`, `12 min`, `3.5 h`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
