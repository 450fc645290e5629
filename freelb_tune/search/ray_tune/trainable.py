"""The door for a user's own Ray Tune: one configuration and seed as a function trainable.

Room: search. Trains by the function that a search's own trials call, so the numbers are the same.
"""

import logging
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from ray import tune

from freelb_tune.adversary import load_entry_points, load_plugins, loaded_plugins
from freelb_tune.errors import FreeLBTuneError
from freelb_tune.search.ray_tune.flat_config import cell_of, check_base
from freelb_tune.search.ray_tune.workers.reports import log_epoch
from freelb_tune.space.registered import Registered
from freelb_tune.store import EPOCHS, EpochRecord, find_checkpoint, read_epochs
from freelb_tune.store.disk.user_cache import user_cache

__all__ = ["trainable"]

_log = logging.getLogger(__name__)


def trainable(
    base: Mapping[str, Any], *, plugins: Sequence[str] = (), cache: str | Path | None = None
) -> Callable[[dict[str, Any]], None]:
    """A Ray Tune trainable that fine-tunes one configuration with one seed.

        trainable = ft.trainable({"task": "rte", "model": "roberta-base", "adversary.adv_steps": 3})
        tuner = tune.Tuner(
            tune.with_resources(trainable, {"gpu": 1}),
            param_space={"adversary.adv_lr": tune.loguniform(1e-3, 1e-1),
                         "seed": tune.grid_search([1, 2, 3])},
            tune_config=tune.TuneConfig(metric="accuracy", mode="max", num_samples=8),
        )

    Settings have the dotted names of a search-space file, beside `task`, `model` and `seed` (1 if
    nobody says), and are checked as there. After each epoch a trial reports the task's metrics on
    the dev set by name (`accuracy`, as a fraction), `epoch`, `dev_loss`, `train_loss`,
    `learning_rate` and the further fields of `epochs.csv`, with a checkpoint. A trial's numbers
    are those that `ft.search` gets for the same settings and seed on the same hardware.

    The checkpoint is the model as it is after the epoch, which `from_pretrained` loads with its
    tokenizer, beside what training needs to go on: three times the model's size, so keep few with
    `tune.CheckpointConfig(num_to_keep=1)`. Weights are safetensors; nothing in it is unpickled.

    Ray's schedulers, searchers and callbacks work as they are; ASHA, HyperBand, median stopping,
    population-based training and Optuna are tested. A trial that takes over another one's
    checkpoint may change `trainer.learning_rate` and `adversary.*`, and goes on with the weights
    and the optimizer's moments; anything else is refused. Keep every checkpoint
    (`num_to_keep=None`) under population-based training, as a trial may take one over that is old
    by then, and leave out its `synch=True`: in Ray 2.60 that waits for ever once a trial has ended.
    Give such a run a `stop` or a `time_budget_s`: trials whose score falls with their epochs take
    each other's earlier checkpoints over without end.
    With `reuse_actors`, set `TUNE_FUNCTION_THREAD_TIMEOUT_S` well above Ray's 2 seconds.

    What Ray does not do, and `ft.search` does: Ray's schedulers compare trials, so a lucky seed
    counts as a good configuration, and `tune.Tuner.restore` begins with empty rungs, knows only
    trials that its last snapshot had (10 seconds old or more), and lets a searcher propose again
    what had run. A search that has to survive its process belongs to `ft.search`.

    Args:
        base: what is the same in all trials: flat, or in sections as in a file. What it leaves
            out, such as the model, `param_space` may say.
        plugins: modules, or `.py` files, that register an adversary when they are imported.
        cache: folder of tokenised data; the user's cache if None. Each machine makes its own.

    Raises:
        FreeLBTuneError: a key or value of the base that cannot stand there. What is wrong with a
            trial's own configuration ends that trial with the same words.
    """
    load_entry_points()
    load_plugins(plugins)
    known, modules = check_base(base), loaded_plugins()
    folder = user_cache() if cache is None else Path(cache).resolve()

    def freelb_tune(config: dict[str, Any]) -> None:  # Ray names trials and actors after it
        _train(config, known, modules, folder)

    return freelb_tune


def _train(
    config: Mapping[str, Any],
    base: dict[str, Any],
    plugins: Sequence[str | Registered],
    cache: Path,
) -> None:
    """In a worker: one trial, from where its checkpoint stands."""
    load_entry_points()
    load_plugins(plugins)
    cell = cell_of(base, config, _log.warning)
    from freelb_tune.training import prepare, run_cell  # torch, once the settings are known good

    prepared = prepare([cell], cache, _log.info)[cell.id]
    context = tune.get_context()
    threads = int(context.get_trial_resources().required_resources.get("CPU", 0)) or 1
    with tempfile.TemporaryDirectory(prefix="freelb-tune-") as scratch:
        folder = Path(scratch)
        known = _take_up(folder)

        def report(record: EpochRecord) -> None:
            if record.epoch <= known:
                return  # Ray knows it from before the checkpoint
            log_epoch(context.get_trial_name(), record, prepared.epochs)
            checkpoint = folder / "checkpoint"
            shutil.copytree(prepared.tokens.folder / "tokenizer", checkpoint, dirs_exist_ok=True)
            shutil.copy(folder / EPOCHS, checkpoint)
            kept = tune.Checkpoint.from_directory(str(checkpoint))
            tune.report(record.numbers(), checkpoint=kept)

        run_cell(cell, prepared, folder, report, threads, every_checkpoint=True)


def _take_up(folder: Path) -> int:
    """Lay out the trial's checkpoint as a cell's folder; gives its last epoch, 0 without one."""
    checkpoint = tune.get_checkpoint()
    if checkpoint is None:
        return 0
    with checkpoint.as_directory() as place:
        shutil.copytree(place, folder / "checkpoint")
    with suppress(FileNotFoundError):
        (folder / "checkpoint" / EPOCHS).rename(folder / EPOCHS)
    found = find_checkpoint(folder, read_epochs(folder / EPOCHS))
    if found is None:
        raise FreeLBTuneError(
            f"{checkpoint.path}: this trial was to go on from here, and it is no whole checkpoint "
            "of freelb_tune.trainable's"
        )
    return found[1].epoch
