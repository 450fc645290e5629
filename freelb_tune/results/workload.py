"""What training a cell takes: weight updates and passes, and seconds by earlier cells.

Room: results. Settings and stored epochs in, counts and device-hours out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil

from freelb_tune.space.cell import Value
from freelb_tune.space.trainer_fields import EPOCHS
from freelb_tune.store import CellResult

__all__ = ["Effort", "Pace", "effort_of", "pace_of"]

_EXTRA = {"smart": 3, "vat": 2}  # passes besides `ascent_steps`, as the methods' docstrings say
_FIXED = {"none": 1, "fgm": 2, "r3f": 2}


@dataclass(frozen=True)
class Effort:
    """The work of one cell.

    Attributes:
        updates: weight updates.
        passes: forward and backward passes of mini-batches; None for a method that says nothing.
        batch: examples of a mini-batch.
        epochs: how often it is evaluated.
    """

    updates: int
    passes: int | None
    batch: int
    epochs: int


@dataclass(frozen=True)
class Pace:
    """How fast earlier cells were.

    Attributes:
        train_seconds: per example and pass.
        eval_seconds: per evaluation.
        cells: how many cells this is from.
    """

    train_seconds: float
    eval_seconds: float
    cells: int

    def seconds(self, effort: Effort) -> float | None:
        """Device-seconds of a cell; None where its passes are unknown."""
        if effort.passes is None:
            return None
        return effort.passes * effort.batch * self.train_seconds + effort.epochs * self.eval_seconds


def effort_of(settings: Mapping[str, Value], examples: int | None) -> Effort | None:
    """The work of a cell with these settings.

    Args:
        settings: a cell's.
        examples: of its training set; None where unknown.

    Returns:
        None where the number of examples is needed and not known.
    """

    def number(name: str, default: float) -> float:
        return float(str(settings.get(f"trainer.{name}", default)))

    batch, parts = (
        int(number("per_device_train_batch_size", 8)),
        int(number("gradient_accumulation_steps", 1)),
    )
    steps = int(number("max_steps", -1))
    if examples is None:
        return None
    batches = ceil(examples / batch)
    each = max(1, ceil(batches / parts))  # updates per epoch
    updates = steps if steps > 0 else ceil(number("num_train_epochs", EPOCHS) * each)
    per_update = _passes(settings)
    begin = min(int(float(str(settings.get("adversary.adv_begin_step", 0)))), updates)
    passes = None if per_update is None else (begin + (updates - begin) * per_update) * parts
    return Effort(updates, passes, batch, ceil(updates / each))


def pace_of(cells: Sequence[CellResult]) -> Pace | None:
    """The pace of finished cells; None where they give none."""
    examples = train = evaluation = 0.0
    epochs = 0
    for each in cells:
        if each.last is None:
            continue
        batch = float(str(each.cell.settings.get("trainer.per_device_train_batch_size", 8)))
        examples += each.last.passes * batch
        train += sum(record.train_seconds for record in each.epochs)
        evaluation += sum(record.eval_seconds for record in each.epochs)
        epochs += len(each.epochs)
    if not examples or not train:
        return None
    return Pace(train / examples, evaluation / epochs, len(cells))


def _passes(settings: Mapping[str, Value]) -> int | None:
    """Passes of one mini-batch."""
    method = str(settings.get("adversary.method"))
    if method in _FIXED:
        return _FIXED[method]
    name = "ascent_steps" if method in _EXTRA else "adv_steps"
    steps = settings.get(f"adversary.{name}")
    return steps + _EXTRA.get(method, 0) if isinstance(steps, int) else None
