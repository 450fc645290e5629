"""What training takes: weight updates and passes, and seconds by earlier cells.

Room: results. Settings and stored epochs in, counts and device-hours out, and their sentences.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from freelb_tune.errors import FreeLBTuneError
from freelb_tune.space import Cell
from freelb_tune.store import CellResult

__all__ = ["Cost", "Effort", "Pace", "effort_of", "pace_of"]


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


@dataclass(frozen=True)
class Cost:
    """What a search takes, if no cell ends early.

    Attributes:
        updates: weight updates of all cells; None where the size of the data is not known.
        passes: forward and backward passes of mini-batches; None where a method does not tell.
        device_hours: of all cells; None without a finished cell of this model and task.
        device_hours_left: of those that are not done yet.
        cells: finished cells that say how fast it goes.
        is_most: whether the search may end cells early.
        why_not: why there are no hours, in words; empty where there are.
    """

    updates: int | None
    passes: int | None
    device_hours: float | None
    device_hours_left: float | None
    cells: int
    is_most: bool
    why_not: str = ""

    @property
    def sentences(self) -> tuple[str, ...]:
        """The lines that `plan` prints."""
        most = "at most " if self.is_most else ""
        lines = []
        if self.updates is not None:
            text = f"Work: {most}{self.updates:,} weight updates"
            if self.passes is not None:
                text += f", {self.passes:,} forward and backward passes"
            lines.append(f"{text}.")
        whole, left = self.device_hours, self.device_hours_left
        if whole is None or left is None:
            return (*lines, f"Estimated cost: not known: {self.why_not}.")
        rest = "" if left == whole else f", {left:.2g} of them still to come"
        return (
            *lines,
            f"Estimated cost: {most}{whole:.2g} device-hours{rest} (as fast as "
            f"{self.cells:,} finished cell{'s' * (self.cells != 1)} of this model and task).",
        )


def effort_of(cell: Cell, examples: int | None) -> Effort | None:
    """The work of a cell.

    Args:
        cell: the cell.
        examples: of its training set; None where unknown.

    Returns:
        None where the number of examples is not known.
    """
    if examples is None:
        return None
    trainer, each = cell.trainer, cell.adversary.passes_per_batch
    updates = trainer.updates(examples)
    begin = min(getattr(cell.adversary, "adv_begin_step", 0), updates)  # one pass until then
    batches = None if each is None else begin + (updates - begin) * each
    passes = None if batches is None else batches * trainer.accumulation
    return Effort(updates, passes, trainer.batch_size, trainer.epochs(examples))


def pace_of(cells: Sequence[CellResult]) -> Pace | None:
    """The pace of finished cells; None where they give none."""
    examples = train = evaluation = 0.0
    epochs = 0
    batches: dict[str, int] = {}  # the same for all seeds
    for each in cells:
        if each.last is None:
            continue
        name = each.cell.config_id
        try:
            batch = batches.get(name) or batches.setdefault(name, each.cell.trainer.batch_size)
        except FreeLBTuneError:
            continue  # what is wrong with another search's cell is not for a plan to say
        examples += each.last.passes * batch
        for record in each.epochs:
            train += record.train_seconds
            evaluation += record.eval_seconds
        epochs += len(each.epochs)
    if not examples or not train:
        return None
    return Pace(train / examples, evaluation / epochs, len(cells))
