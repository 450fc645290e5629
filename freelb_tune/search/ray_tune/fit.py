"""One call of Ray Tune: the cells to run go in, the ledger hears of everything.

Room: search. The conductor says which of the cells may run, and what follows an epoch.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from ray import tune

from freelb_tune.search.algorithms.frame.conductor import Conductor
from freelb_tune.search.ray_tune.configs import Configs
from freelb_tune.search.ray_tune.machines.share import Share
from freelb_tune.search.ray_tune.scheduler import CellScheduler
from freelb_tune.search.ray_tune.searcher import CellSearcher
from freelb_tune.search.ray_tune.watch import Watch
from freelb_tune.search.ray_tune.workers.trial import actor_class
from freelb_tune.space import ResourcesConfig
from freelb_tune.store.disk.faults import machine_fault

__all__ = ["callbacks_uncounted", "fit"]

_AHEAD = "200"
"""Trials that Ray may have waiting: what it takes itself where it spans a grid."""


class _Silent(tune.ProgressReporter):
    """Shows nothing. In a notebook, the one that Ray would choose wipes out what ours shows."""

    def should_report(self, trials: object, done: bool = False) -> bool:
        return False


def _folder_of(trial: Any) -> str:
    """The name of a trial's folder; a lambda would be pickled by value for each trial."""
    return str(trial.config["cell"])


@contextmanager
def callbacks_uncounted() -> Iterator[None]:
    """Inside, Ray counts no callbacks for its usage report, which is switched off all the same.

    It imports MLflow and Weights & Biases for that, where they are installed: two CPU seconds. A
    Ray that counts elsewhere is left to it.
    """
    usage = getattr(import_module("ray.tune.tune"), "air_usage", None)
    counting = getattr(usage, "tag_callbacks", None)
    if usage is None or counting is None:
        yield
        return
    usage.tag_callbacks = lambda callbacks: False
    try:
        yield
    finally:
        usage.tag_callbacks = counting


def fit(
    configs: Configs,
    share: Share,
    resources: ResourcesConfig,
    conductor: Conductor,
    watch: Watch,
    scratch: Path,
    *,
    ahead: bool,
) -> None:
    """Run cells as trials of Ray Tune until the conductor has no more.

    Args:
        configs: what each cell's trial is told, and what the trials share.
        share: what each trial gets.
        resources: how often a trial whose worker dies starts again, and how many trials run at
            once at most (None: as many as fit, also on machines that join later).
        conductor: says which of the cells may run, and what follows an epoch.
        watch: writes everything down.
        scratch: folder for Ray's files.
        ahead: let Ray have cells before there is room for them, as no result changes which run: so
            workers are kept for the next trial, and a cluster may grow.

    Raises:
        KeyboardInterrupt: the user asked to end. Workers of running trials are gone.
        FreeLBTuneError: what was to be written down, or Ray's own files, could not be.
    """
    tuner = _tuner(configs, share, resources, conductor, watch, scratch)
    os.environ["TUNE_MAX_PENDING_TRIALS_PG"] = _AHEAD if ahead else "auto"
    try:
        with callbacks_uncounted():
            tuner.fit()
    except Exception as err:
        watch.note_death()
        if watch.error is not None:
            raise watch.error from None  # Ray wraps it, or goes on to the next step
        fault = machine_fault(err, scratch)
        if fault is not None:
            raise fault from err
        raise
    finally:
        del os.environ["TUNE_MAX_PENDING_TRIALS_PG"]
        watch.kill_actors()


def _tuner(
    configs: Configs,
    share: Share,
    resources: ResourcesConfig,
    conductor: Conductor,
    watch: Watch,
    scratch: Path,
) -> tune.Tuner:
    return tune.Tuner(
        actor_class(configs.job, share),
        tune_config=tune.TuneConfig(
            search_alg=CellSearcher(conductor, configs.config, watch),
            num_samples=-1,  # until the conductor says that all is over
            scheduler=CellScheduler(conductor, watch),
            max_concurrent_trials=resources.max_concurrent,
            reuse_actors=not share.gpu,  # only a new process surely has its GPU free
            # no method: Ray copies those with all that they belong to, and that deeply
            trial_name_creator=lambda trial: configs.name(trial.config["cell"]),
            trial_dirname_creator=_folder_of,
        ),
        run_config=tune.RunConfig(
            name="tune",
            storage_path=str(scratch),
            verbose=0,
            progress_reporter=_Silent(),
            callbacks=[watch],
            failure_config=tune.FailureConfig(max_failures=resources.max_failures),
        ),
    )
