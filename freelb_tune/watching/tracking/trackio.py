"""trackio: a project per search, a run per cell, in a database of its own.

Room: watching. An epoch's line has the name of its cell and its number, and trackio's table takes
no such name twice. Lines go straight into the table: trackio's own `init` would measure this
machine in the background, too.
"""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from trackio import sqlite_storage
from trackio.sqlite_storage import SQLiteStorage

from freelb_tune.watching.tracking.run import Run

__all__ = ["Trackio", "track"]


class Trackio:
    """A run per cell; the seeds of a configuration are one group.

    Args:
        home: `results/NAME/tracking/trackio`; with TRACKIO_DIR set, that is written to.
    """

    def __init__(self, home: Path) -> None:
        self._home = Path(os.environ.get("TRACKIO_DIR") or home).absolute()
        self._home.mkdir(parents=True, exist_ok=True)
        self._names: dict[str, str] | None = None
        self._config: dict[str, Any] = {}

    def show(self, run: Run) -> None:
        sqlite_storage.TRACKIO_DIR = self._home  # else it is the first search's of this process
        project, cell = run.search, run.cell.id
        if self._names is None:
            records = SQLiteStorage.get_run_records(project)
            self._names = {str(each["id"]): str(each["name"]) for each in records}
        if cell not in self._names and not run.epochs:
            return  # trackio knows a run by its lines
        if self._names.get(cell, run.name) != run.name:
            SQLiteStorage.rename_run(project, self._names[cell], run.name, run_id=cell)
        config = {**run.settings, **run.tags, **run.summary, "_Group": run.configuration}
        have = SQLiteStorage.get_run_config(project, run.name, run_id=cell)
        done = -1 if have is None else SQLiteStorage.get_last_step(project, run.name, run_id=cell)
        fresh = [record for record in run.epochs if record.epoch > (done or 0)]
        if not fresh and have == config:
            return
        told = fresh or run.epochs[-1:]  # a known line is passed over; the settings come along
        SQLiteStorage.bulk_log(
            project,
            run.name,
            [record.numbers() for record in told],
            steps=[record.epoch for record in told],
            timestamps=[self._when(run, record.epoch) for record in told],
            config=config,
            log_ids=[f"{cell}-{record.epoch}" for record in told],
            run_id=cell,
        )
        self._names[cell] = run.name

    def close(self) -> None: ...

    def _when(self, run: Run, epoch: int) -> str:
        return datetime.fromtimestamp(run.began + run.elapsed[epoch - 1], UTC).isoformat()


track = Trackio
