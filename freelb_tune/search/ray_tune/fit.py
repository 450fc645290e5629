"""One call of Ray Tune: the cells to run go in, the ledger hears of everything.

Room: search. Grid and random search run the cells in plan order as they are; ASHA and a race say
themselves which cells may run.
"""

from pathlib import Path
from typing import Any

from ray import tune
from ray.tune.execution import class_cache

from freelb_tune.search.ray_tune.searcher import CellSearcher, Source
from freelb_tune.search.ray_tune.share import Share
from freelb_tune.search.ray_tune.trial import Job, run_trial
from freelb_tune.search.ray_tune.watch import Watch
from freelb_tune.space import ResourcesConfig

__all__ = ["fit"]


def fit(
    job: Job,
    share: Share,
    resources: ResourcesConfig,
    scheduler: Any,
    watch: Watch,
    scratch: Path,
    source: Source | None = None,
) -> None:
    """Run a job's cells as trials of Ray Tune, in its order, until each is over.

    Args:
        job: the cells, and what the trials share.
        share: what each trial gets.
        resources: how often a trial whose worker dies starts again, and how many trials run at
            once at most (None: as many as fit, also on machines that join later).
        scheduler: stops trials early; None stops none.
        watch: writes everything down.
        scratch: folder for Ray's files.
        source: says which of the cells may run; None runs all.

    Raises:
        KeyboardInterrupt: the user asked to end. Workers of running trials are gone.
        FreeLBTuneError: what was to be written down could not be.
    """
    # With a variable of its own (for PyTorch Lightning), no process that Ray has at hand would do.
    class_cache.DEFAULT_ENV_VARS.pop("PL_DISABLE_FORK", None)
    trainable = tune.with_resources(
        tune.with_parameters(run_trial, job=job), {"cpu": share.cpu, "gpu": share.gpu}
    )
    tuner = tune.Tuner(
        trainable,
        param_space={} if source else {"cell": tune.grid_search(list(job.cells))},
        tune_config=tune.TuneConfig(
            search_alg=CellSearcher(source, watch) if source else None,
            num_samples=-1 if source else 1,  # -1: until the source says that all is over
            scheduler=scheduler,
            max_concurrent_trials=resources.max_concurrent,
            reuse_actors=not share.gpu,  # only a new process surely has its GPU free
            trial_name_creator=lambda trial: str(trial.config["cell"]),
            trial_dirname_creator=lambda trial: str(trial.config["cell"]),
        ),
        run_config=tune.RunConfig(
            name="tune",
            storage_path=str(scratch),
            verbose=0,
            callbacks=[watch],
            failure_config=tune.FailureConfig(max_failures=resources.max_failures),
        ),
    )
    try:
        tuner.fit()
    except Exception:
        if watch.error is not None:
            raise watch.error from None  # Ray wraps it, or goes on to the next step
        raise
    finally:
        watch.kill_actors()
