"""What one line of a cell's `epochs.jsonl` says, and the states a cell can be in."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Self

__all__ = ["CellState", "EpochRecord"]


class CellState(StrEnum):
    """Where a cell is. A failed cell keeps its row: a gap in a table reads as a good result."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    STOPPED = "stopped"  # the scheduler ended it early
    FAILED = "failed"  # an exception, told in `message`
    DIVERGED = "diverged"  # its loss or score was not a finite number
    DROPPED = "dropped"  # never run: its configuration is out of the race, why is in `message`
    SPARED = "spared"  # never run: the race was over without it

    @property
    def is_over(self) -> bool:
        """Whether nothing more will be run for this cell unless the user asks."""
        return self not in (CellState.WAITING, CellState.RUNNING)


@dataclass(frozen=True)
class EpochRecord:
    """One line of a cell's `epochs.jsonl`. Field names are the columns of `epochs.csv`.

    Attributes:
        cell_id: as in `Cell`.
        epoch: 1 for the first; a last, partial epoch counts as one.
        step: weight updates so far.
        score: the search metric on the dev set after this epoch.
        metrics: every metric of the task on every evaluation set, by name, as fractions
            (`{"accuracy": 0.71}`; further sets are prefixed, `{"mismatched.accuracy": ...}`).
        dev_loss: mean loss over the dev examples, in nats (squared error for regression).
        train_loss: mean loss over the epoch's examples and passes.
        delta_ratio: mean over examples of the final perturbation's norm over `max_norm`;
            None without a ball or a perturbation.
        delta_norm: mean over examples of the final perturbation's norm, embedding units.
        bound_share: share of examples whose final perturbation lies on the ball; None without one.
        adv_loss_gain: adversarial minus clean loss, mean over the examples where it was probed.
        passes: forward and backward passes of mini-batches so far.
        learning_rate: at the end of the epoch.
        micro_batch: largest number of examples in one forward pass.
        train_seconds: this epoch's training, monotonic clock.
        eval_seconds: this epoch's evaluation.
        peak_gib: most device memory held so far, in GiB; None on a CPU.
    """

    cell_id: str
    epoch: int
    step: int
    score: float
    metrics: dict[str, float]
    dev_loss: float
    train_loss: float
    delta_ratio: float | None
    delta_norm: float | None
    bound_share: float | None
    adv_loss_gain: float | None
    passes: int
    learning_rate: float
    micro_batch: int
    train_seconds: float
    eval_seconds: float
    peak_gib: float | None

    def to_json(self) -> dict[str, Any]:
        """A plain mapping, ready for JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """The record that `to_json` wrote."""
        return cls(**content)
