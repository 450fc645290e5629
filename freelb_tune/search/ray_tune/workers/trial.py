"""The worker's side: one trial trains one cell and says how it ended.

Room: search. Runs in a Ray worker, in a thread of Ray's. An exception of training is told as an
outcome, never raised: Ray would run the same failure again. Only the worker's death is Ray's to
see, and that is what it retries.
"""

import gc
import json
import math
import os
import random
import traceback
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

from filelock import Timeout
from ray import tune
from ray.tune.trainable import wrap_function

from freelb_tune.adversary import load_plugins
from freelb_tune.errors import DivergedError, FreeLBTuneError
from freelb_tune.search.driver.work import Carry, Ready, Train, as_it_is
from freelb_tune.search.ray_tune.machines.share import Share
from freelb_tune.search.ray_tune.workers.desk import Desk, taken_desk
from freelb_tune.search.ray_tune.workers.last_words import last_words
from freelb_tune.search.ray_tune.workers.reports import log_epoch
from freelb_tune.space import Cell
from freelb_tune.space.registered import Registered
from freelb_tune.store import CellState, EpochRecord, cell_folder, forget_again, read_again
from freelb_tune.store.cells.pulse import begin_pulse
from freelb_tune.store.disk.faults import machine_fault
from freelb_tune.store.remote.place import RemoteError

__all__ = [
    "AGAIN",
    "LATE",
    "MACHINE",
    "OUTCOME",
    "Job",
    "Late",
    "actor_class",
    "run_trial",
    "trial_config",
]

AGAIN = "again"
"""Key of an epoch's report: why the cell, which had epochs, has begun with its first once more."""

OUTCOME = "outcome"
"""Key of the last report of a trial that ran to its end; `message` stands beside it."""

MACHINE = "machine"
"""The outcome of a trial that the machine's disk has ended: its cell goes on another time."""

LATE = "late"
"""Key of a trial's configuration, where its cell was proposed after the job had travelled."""

_at_first: dict[str, str] = {}  # the environment of a worker that has not trained yet


@dataclass(frozen=True)
class Job:
    """What every trial of a search shares; travels once, through Ray's object store.

    Attributes:
        folder: the results folder, absolute; every node sees it, or there is a `place`.
        cells: the cells to run, by id.
        prepared: what was prepared of their data, by id.
        train: trains one cell.
        threads: CPU threads of one trial.
        environment: variables that training sees.
        plugins: what the user has registered, as `loaded_plugins` gives it.
        place: where the search's results are kept, a URI, if trials keep their cells there.
        carry: gives what was prepared with its folders where this machine has them.
    """

    folder: Path
    cells: Mapping[str, Cell]
    prepared: Mapping[str, Ready]
    train: Train
    threads: int
    environment: Mapping[str, str]
    plugins: tuple[str | Registered, ...] = ()
    place: str | None = None
    carry: Carry = as_it_is


@dataclass(frozen=True)
class Late:
    """A cell that was proposed while trials ran.

    Attributes:
        cell: the cell.
        ready: what was prepared of its data.
    """

    cell: Cell
    ready: Ready


def actor_class(job: Job, share: Share) -> type:
    """`run_trial` as a class for Ray's actors, which Ray's dashboard and errors then name well.

    Args:
        job: what the trials share; it goes into Ray's object store now.
        share: what each trial gets. Without a GPU an actor runs one trial after another.
    """
    cpu, gpu, name = float(share.cpu), share.gpu, job.folder.name  # Ray reads the class back twice
    # for each trial, and all that it holds: the job, with every cell, is in the object store

    class Trial(wrap_function(tune.with_parameters(run_trial, job=job))):  # type: ignore[misc]
        @classmethod
        def default_resource_request(cls, config: Mapping[str, Any]) -> Any:
            return _request(cpu, gpu)

        def __repr__(self) -> str:
            return str(self.trial_name) if gpu else f"worker of {name}"

    Trial.__qualname__ = Trial.__name__
    return Trial


@cache
def _request(cpu: float, gpu: float) -> Any:
    """One object for all trials: Ray compares those of each two that could take turns."""
    return tune.PlacementGroupFactory([{"CPU": cpu} | ({"GPU": gpu} if gpu else {})])


def trial_config(cell: Cell) -> dict[str, Any]:
    """A trial's configuration as Ray has it: the cell's id, and its settings for people to see.

    Lists and mappings are text here: Ray's loggers cut them up, and its samplers run some.
    """
    plain = {
        name: value if isinstance(value, bool | int | float | str | None) else json.dumps(value)
        for name, value in cell.settings.items()
    }
    fold = {} if cell.fold is None else {"fold": cell.fold}
    return {"cell": cell.id, "seed": cell.seed, **fold, **plain}


def run_trial(config: dict[str, Any], job: Job) -> None:
    """Train the cell that `config["cell"]` names, reporting epochs and then the outcome."""
    late: Late | None = config.get(LATE)
    cell = late.cell if late else job.cells[config["cell"]]
    _reset(job, cell.seed)
    desk = Desk(cell_folder(job.folder, cell.id))
    ended: list[SystemExit] = []  # by Ray, from inside a report
    outcome, message = CellState.DONE.value, ""
    with ExitStack() as stack:
        try:
            desk = stack.enter_context(taken_desk(job.folder, job.place, cell.id))
            begin_pulse(desk.home)
            load_plugins(job.plugins)
            ready = job.carry(late.ready if late else job.prepared[cell.id], desk.carried)
            report = partial(_report, desk, ready.epochs, ended)
            with last_words(desk.home):
                job.train(cell, ready, desk.home, report, job.threads)
        except (Exception, SystemExit) as err:  # here alone what a trial raises is a record
            if err in ended:
                raise
            fault = err if isinstance(err, RemoteError) else machine_fault(err, desk.home)
            outcome = MACHINE if fault else CellState.FAILED.value
            outcome = CellState.DIVERGED.value if isinstance(err, DivergedError) else outcome
            message = str(fault) if fault else _one_line(err)
            desk.leave_error(traceback.format_exc())
    gc.collect()
    tune.report({OUTCOME: outcome, "message": message})


def _report(desk: Desk, epochs: int, ended: list[SystemExit], record: EpochRecord) -> None:
    """Tell Ray of an epoch. Where the scheduler stops the trial, Ray raises SystemExit in here."""
    if not math.isfinite(record.score):
        raise DivergedError(f"epoch {record.epoch}: the score is {record.score}")
    log_epoch(tune.get_context().get_trial_name(), record, epochs)
    desk.keep()
    why = read_again(desk.home)
    try:
        tune.report(record.numbers() | ({AGAIN: why} if why else {}))
    except SystemExit as err:
        ended.append(err)
        raise
    finally:
        forget_again(desk.home)


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


def _one_line(err: Exception | SystemExit) -> str:
    """The exception in one line: our own words as they are, others with their type."""
    if isinstance(err, Timeout):
        return "another process still trains this cell; wait for it and use --retry-failed"
    if isinstance(err, SystemExit):
        return (
            f"SystemExit: {err.code}: code that ran in training asked the process to end; have it "
            "raise an error that says why"
        )
    if isinstance(err, MemoryError):
        return "MemoryError: it asked for more memory than there is"
    first = next(iter(str(err).strip().splitlines()), "")
    if isinstance(err, FreeLBTuneError):
        return first
    return f"{type(err).__name__}: {first}" if first else type(err).__name__
