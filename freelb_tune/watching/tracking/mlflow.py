"""MLflow: an experiment per search, a run per cell, in a database of its own.

Room: watching. A run is found again by its tag, and says itself which epoch it has last: an epoch's
numbers are written in one transaction, its number among them.
"""

import logging
import os
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # it reads this as it is imported

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag

from freelb_tune.watching.tracking.run import Run

__all__ = ["MLflow", "track"]

_PAGE = 1000  # runs that one answer may hold
_MOST_PARAMS = 100  # that one call may write
_MOST_TEXT = 5000  # characters of a value, which the server takes
_DESCRIPTION = "mlflow.note.content"  # the tag that MLflow shows as a run's text


@dataclass
class _Known:
    """What MLflow has of a cell."""

    run_id: str
    name: str | None
    status: str
    epochs: int
    params: int
    tags: dict[str, str]


def _database(home: Path) -> str:
    """A database, which is made aside: one whose making was killed is not repaired by MLflow."""
    home.mkdir(parents=True, exist_ok=True)
    place, draft = home / "mlflow.db", home / "mlflow.db.new"
    if not place.exists():
        draft.unlink(missing_ok=True)
        MlflowClient(tracking_uri=f"sqlite:///{draft}").search_experiments(max_results=1)
        draft.replace(place)
    return f"sqlite:///{place}"


class MLflow:
    """A run per cell; `configuration` among its tags groups the seeds.

    Args:
        home: `results/NAME/tracking/mlflow`; with MLFLOW_TRACKING_URI set, that is written to.
    """

    def __init__(self, home: Path) -> None:
        uri = os.environ.get("MLFLOW_TRACKING_URI")
        if not uri:
            uri = _database(home.absolute())
        for name in ("mlflow", "alembic"):
            logging.getLogger(name).setLevel(logging.WARNING)  # a new database is much talked of
        self._client = MlflowClient(tracking_uri=uri)
        self._files = None if "MLFLOW_TRACKING_URI" in os.environ else home.absolute().as_uri()
        self._experiment: str | None = None
        self._known: dict[str, _Known] = {}

    def show(self, run: Run) -> None:
        if self._experiment is None:
            self._experiment = self._open(run.search)
        known = self._known.get(run.cell.id) or self._create(run)
        settings = {name: str(value)[:_MOST_TEXT] for name, value in run.settings.items()}
        if known.params < len(settings):
            params = [Param(name, value) for name, value in settings.items()]
            for at in range(0, len(params), _MOST_PARAMS):
                self._client.log_batch(known.run_id, params=params[at : at + _MOST_PARAMS])
            known.params = len(settings)
        for record, seconds in zip(run.epochs, run.elapsed, strict=True):
            if record.epoch > known.epochs:
                at = int(1000 * (run.began + seconds))
                values = record.numbers().items()
                metrics = [Metric(name, float(n), at, record.epoch) for name, n in values]
                self._client.log_batch(known.run_id, metrics=metrics)
                known.epochs = record.epoch
        wanted = {**run.tags, **{name: f"{value:g}" for name, value in run.summary.items()}}
        wanted[_DESCRIPTION] = wanted["verdict"]
        changed = [RunTag(k, v[:_MOST_TEXT]) for k, v in wanted.items() if known.tags.get(k) != v]
        if changed:
            self._client.log_batch(known.run_id, tags=changed)
            known.tags |= wanted
        self._set_status(run, known)

    def close(self) -> None: ...

    def _open(self, search: str) -> str:
        """The search's experiment, and what is known of its runs."""
        found = self._client.get_experiment_by_name(search)
        if found is None:
            return str(self._client.create_experiment(search, artifact_location=self._files))
        token = None
        while True:
            runs = self._client.search_runs([found.experiment_id], "", 1, _PAGE, page_token=token)
            for each in runs:
                data = each.data
                self._known[data.tags.get("cell", "")] = _Known(
                    run_id=each.info.run_id,
                    name=each.info.run_name,
                    status=each.info.status,
                    epochs=int(data.metrics.get("epoch", 0)),
                    params=len(data.params),
                    tags=dict(data.tags),
                )
            token = runs.token
            if not token:
                return str(found.experiment_id)

    def _create(self, run: Run) -> _Known:
        assert self._experiment is not None
        tags, began = run.tags, int(1000 * run.began)
        made = self._client.create_run(self._experiment, began, tags, run.name)
        known = _Known(made.info.run_id, run.name, made.info.status, 0, 0, dict(tags))
        self._known[run.cell.id] = known
        return known

    def _set_status(self, run: Run, known: _Known) -> None:
        over = "FAILED" if run.state.is_broken else "FINISHED"
        wanted = over if run.state.is_over else "RUNNING"
        if (wanted, run.name) == (known.status, known.name):
            return
        if run.state.is_over:
            self._client.set_terminated(known.run_id, wanted, int(1000 * run.at))
        self._client.update_run(known.run_id, wanted, run.name)
        known.status, known.name = wanted, run.name


track = MLflow
