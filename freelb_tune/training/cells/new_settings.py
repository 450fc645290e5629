"""A cell that goes on from a checkpoint made under other settings: population-based training.

Room: training. A search of ours never does this, as other settings make another cell.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from freelb_tune.errors import FreeLBTuneError
from freelb_tune.space.cells.cell import Cell

__all__ = ["NewLearningRate", "changed_settings", "write_settings"]

_SETTINGS = "settings.json"
_LEARNING_RATE = "trainer.learning_rate"


def write_settings(checkpoint: Path, cell: Cell) -> None:
    """Leave in a checkpoint what it was made under."""
    text = json.dumps({**cell.settings, "seed": cell.seed}, allow_nan=False)
    (checkpoint / _SETTINGS).write_text(text, "utf-8")


def changed_settings(checkpoint: Path, cell: Cell) -> dict[str, tuple[Any, Any]]:
    """What is other now than when a checkpoint was made: by name, before and now.

    Raises:
        FreeLBTuneError: it is something that only holds for a whole training.
    """
    path = checkpoint / _SETTINGS
    before = json.loads(path.read_text("utf-8")) if path.is_file() else None
    if not isinstance(before, Mapping):
        return {}
    now = {**cell.settings, "seed": cell.seed}
    names = dict.fromkeys([*before, *now])
    changes = {n: (before.get(n), now.get(n)) for n in names if before.get(n) != now.get(n)}
    for name, (was, is_now) in changes.items():
        if name != _LEARNING_RATE and not name.startswith("adversary."):
            raise FreeLBTuneError(
                f"{name} was {was!r} when the checkpoint was made and is {is_now!r} now: of a "
                f"training that goes on, {_LEARNING_RATE} and adversary.* alone may change; take "
                f"{name} out of hyperparam_mutations, or give it a trial of its own"
            )
    return changes


class NewLearningRate(TrainerCallback):
    """Gives a schedule another peak where it stands: the optimizer's moments are kept.

    Args:
        before: the peak that the checkpoint's optimizer and schedule have.
        now: the peak from here on.
    """

    def __init__(self, before: float, now: float) -> None:
        self._before, self._now = before, now

    def on_train_begin(
        self, args: Any, state: Any, control: Any, optimizer: Any, lr_scheduler: Any, **_: Any
    ) -> None:
        """Optimizer and schedule have been loaded by now; a step follows."""
        share = self._now / self._before if self._before else 1.0  # 0 stays for one update
        lr_scheduler.base_lrs = [self._now for _ in lr_scheduler.base_lrs]
        for group in optimizer.param_groups:
            group["lr"] *= share
            group["initial_lr"] = self._now
