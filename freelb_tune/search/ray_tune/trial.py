"""The worker's side: one trial trains one cell and says how it ended.

Room: search. Runs in a Ray worker, in a thread of Ray's. An exception of training is told as an
outcome, never raised: Ray would run the same failure again. Only the worker's death is Ray's to
see, and that is what it retries.
"""

import gc
import math
import os
import random
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from ray import tune

from freelb_tune.adversary import load_plugins
from freelb_tune.errors import DivergedError, FreeLBTuneError
from freelb_tune.search.driver.work import Train
from freelb_tune.space import Cell
from freelb_tune.store import CellState, EpochRecord, cell_folder

__all__ = ["OUTCOME", "Job", "run_trial"]

OUTCOME = "outcome"
"""Key of the last report of a trial that ran to its end; `message` stands beside it."""

_LOCK_SECONDS = 120.0  # a worker that lost its driver or its node ends well within this
_at_first: dict[str, str] = {}  # the environment of a worker that has not trained yet


@dataclass(frozen=True)
class Job:
    """What every trial of a search shares; travels once, through Ray's object store.

    Attributes:
        folder: the results folder, absolute; every node sees it.
        cells: the cells to run, by id.
        prepared: what was prepared of their data, by id.
        train: trains one cell.
        threads: CPU threads of one trial.
        environment: variables that training sees.
        plugins: modules that register the user's own adversaries.
    """

    folder: Path
    cells: Mapping[str, Cell]
    prepared: Mapping[str, Any]
    train: Train
    threads: int
    environment: Mapping[str, str]
    plugins: tuple[str, ...] = ()


def run_trial(config: dict[str, Any], job: Job) -> None:
    """Train the cell that `config["cell"]` names, reporting epochs and then the outcome."""
    cell = job.cells[config["cell"]]
    _reset(job, cell.seed)
    home = cell_folder(job.folder, cell.id)
    home.mkdir(parents=True, exist_ok=True)
    outcome, message = CellState.DONE, ""
    try:
        with FileLock(home / ".lock", timeout=_LOCK_SECONDS):
            load_plugins(job.plugins)
            job.train(cell, job.prepared[cell.id], home, _report, job.threads)
    except Exception as err:  # the one place where anything that a trial raises becomes a record
        outcome = CellState.DIVERGED if isinstance(err, DivergedError) else CellState.FAILED
        message = _one_line(err)
        (home / "error.txt").write_text(traceback.format_exc(), "utf-8", "backslashreplace")
    gc.collect()
    tune.report({OUTCOME: outcome.value, "message": message})


def _report(record: EpochRecord) -> None:
    """Tell Ray of an epoch. Where the scheduler stops the trial, Ray raises SystemExit in here."""
    if not math.isfinite(record.score):
        raise DivergedError(f"epoch {record.epoch}: the score is {record.score}")
    tune.report({"epoch": record.epoch, "score": record.score})


def _reset(job: Job, seed: int) -> None:
    """Make a worker that has trained other cells like a new one, as far as Python goes.

    Torch's own state (its flags, threads and generators) is training's to set.
    """
    if not _at_first:
        _at_first.update(os.environ)
    os.environ.clear()
    os.environ.update(_at_first)
    os.environ.update(job.environment)
    random.seed(seed)
    gc.collect()


def _one_line(err: Exception) -> str:
    """The exception in one line: our own words as they are, others with their type."""
    if isinstance(err, Timeout):
        return "another process still trains this cell; wait for it and use --retry-failed"
    first = next(iter(str(err).strip().splitlines()), "")
    if isinstance(err, FreeLBTuneError):
        return first
    return f"{type(err).__name__}: {first}" if first else type(err).__name__
