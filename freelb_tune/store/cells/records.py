"""What one line of a cell's `epochs.jsonl` says, a cell's states, and what ends a search."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from functools import cache
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import ConfigDict, Strict, TypeAdapter, ValidationError

__all__ = ["Answered", "CellState", "End", "EpochRecord"]

Number = Annotated[float, Strict()]  # text that looks like a number is none
Count = Annotated[int, Strict()]


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
        return self not in _LEFT

    @property
    def is_broken(self) -> bool:
        """Whether it ended without the numbers that it should have."""
        return self in _BROKEN


# looked up once: in Python 3.11 each look at an enum's member takes longer than the comparison
_LEFT = (CellState.WAITING, CellState.RUNNING)
_BROKEN = (CellState.FAILED, CellState.DIVERGED)


@dataclass(frozen=True)
class End:
    """What ended a search before every cell was over.

    Attributes:
        by: the setting of `search`, such as `wall_hours`.
        limit: its value.
    """

    by: str
    limit: float


@dataclass(frozen=True)
class Answered:
    """What the rounds of a `verdict` search have shown so far.

    Attributes:
        margin: a gain below this does not matter, as a fraction.
        round: seeds that the last round compared.
        answers: what is known of each configuration, by its id.
        ended: what has ended the search; empty while it goes on.
        more: seeds more that an answer is likely to take, where it ended without one.
    """

    margin: float
    round: int
    answers: Mapping[str, Literal["better", "below", "open", "failed"]]
    ended: Literal["", "better", "none", "budget", "seeds"]
    more: int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class EpochRecord:
    """One line of a cell's `epochs.jsonl`. Field names are the columns of `epochs.csv`.

    A field that is added later has a default, for the lines that were written without it.

    Attributes:
        cell_id: as in `Cell`.
        epoch: 1 for the first; a last, partial epoch counts as one.
        step: weight updates so far.
        score: the search metric on the dev set after this epoch.
        metrics: every metric of the task on every evaluation set, by name, as fractions
            (`{"accuracy": 0.71}`; further sets are prefixed, `{"mismatched.accuracy": ...}`).
        dev_loss: mean loss over the dev examples, in nats (squared error for regression), as
            training has it: with the weights of classes, where there are any.
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
        process_gib: most memory that the process held so far, in GiB; None on a GPU, and where the
            system does not say.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="ignore", allow_inf_nan=False)

    cell_id: str
    epoch: Count
    step: Count
    score: Number
    metrics: dict[str, Number]
    dev_loss: Number
    train_loss: Number
    delta_ratio: Number | None = None
    delta_norm: Number | None = None
    bound_share: Number | None = None
    adv_loss_gain: Number | None = None
    passes: Count
    learning_rate: Number
    micro_batch: Count
    train_seconds: Number
    eval_seconds: Number
    peak_gib: Number | None = None
    process_gib: Number | None = None

    def to_json(self) -> dict[str, Any]:
        """A plain mapping, ready for JSON."""
        return asdict(self)

    def numbers(self) -> dict[str, float | int]:
        """Its numbers by name: the task's metrics (`accuracy`) beside the record's own fields.

        What the epoch has no number for (`delta_ratio` without a ball, `peak_gib` on a CPU) is left
        out.
        """
        own = {k: v for k, v in self.to_json().items() if isinstance(v, int | float)}
        return own | self.metrics

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """The record that `to_json` wrote; fields that are not known are passed over.

        Raises:
            ValueError: a field is missing, or its value is of another kind than we write.
        """
        try:
            record: Self = _adapter().validate_python(content)
        except ValidationError as err:
            raise ValueError(_told(err)) from err
        return record

    @classmethod
    def whole_lines(cls, raw: bytes) -> list[Self]:
        """The records of a log in which nothing is amiss; none of one that wants a closer look.

        A line is read by one call: large searches have a hundred thousand.
        """
        *lines, tail = raw.split(b"\n")
        read = _adapter().validator.validate_json
        try:
            return [] if tail else [read(line) for line in lines]
        except ValidationError:
            return []


@cache
def _adapter() -> TypeAdapter[Any]:
    return TypeAdapter(EpochRecord)


def _told(err: ValidationError) -> str:
    """What is wrong with a line, in words."""
    lacking = [str(each["loc"][0]) for each in err.errors() if each["type"] == "missing"]
    if lacking:
        return f"it lacks {', '.join(lacking)}"
    first = err.errors()[0]
    name = ".".join(map(str, first["loc"]))
    return f"{name} is {str(first['input'])[:60]!r} ({first['msg'].lower()})"
