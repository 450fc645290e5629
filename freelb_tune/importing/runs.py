"""Commands of another code base, and the runs that they mean here.

Room: space, importing. Text in, settings out; knows no file's syntax and no code base's flags.
"""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from freelb_tune.errors import FreeLBTuneError, unknown_name
from freelb_tune.space.cells.cell import Value

__all__ = [
    "Command",
    "Flags",
    "Known",
    "Notes",
    "Run",
    "freelb_settings",
    "rate_settings",
    "steps_in_epochs",
    "whole_batch",
]

_T = TypeVar("_T", str, int, float)
_KINDS = {int: "a whole number", float: "a number", str: "a value"}


@dataclass(frozen=True)
class Command:
    """One command line.

    Attributes:
        program: what is run, such as `python train.py`.
        flags: by name as written; None for a switch. Of a flag that stands twice, the last.
        words: arguments without a flag.
        place: where it stands, for messages.
        gpus: devices that the command saw together.
    """

    program: str
    flags: Mapping[str, str | None]
    words: tuple[str, ...]
    place: str
    gpus: int = 1


@dataclass(frozen=True)
class Run:
    """What one command means here.

    Attributes:
        task: a task of ours.
        settings: by dotted name, everything that the command settles.
        seed: its seed.
        metric: what it selects by, where that is not the task's first metric.
        unread: flags that may matter and have no counterpart here.
        place: of the command.
    """

    task: str
    settings: dict[str, Value]
    seed: int
    metric: str | None
    unread: Mapping[str, str | None]
    place: str


class Notes:
    """What a reader of the new file should know; each thing once, in order."""

    def __init__(self) -> None:
        self._texts: dict[str, None] = {}

    def add(self, text: str) -> None:
        """Take a note down."""
        self._texts[text] = None

    @property
    def texts(self) -> tuple[str, ...]:
        """All notes."""
        return tuple(self._texts)


@dataclass(frozen=True)
class Known:
    """The tasks that runs may be of.

    Attributes:
        metrics: each task's metrics, the first its default.
        train_sizes: examples of GLUE's official training sets.
    """

    metrics: Mapping[str, Sequence[str]]
    train_sizes: Mapping[str, int]

    def task(self, name: str, place: str) -> str:
        """Our name of a GLUE task, whatever its dashes and capitals.

        Raises:
            FreeLBTuneError: there is none of that name.
        """
        ours = re.sub(r"[^a-z0-9]", "", name.lower())
        if ours not in self.train_sizes:
            raise FreeLBTuneError(
                f"{place}: {unknown_name(ours, self.train_sizes)}; runs on own data are written by "
                "hand, with task: classification and data.train"
            )
        return ours

    def metric(self, task: str, name: str | None, place: str, notes: Notes) -> str | None:
        """The task's metric that another code base calls so; None for its default."""
        if name is None:
            return None
        theirs = {"acc": "accuracy", "mcc": "matthews", "matthews_corr": "matthews"}
        ours = theirs.get(name, name)
        if ours not in self.metrics[task]:
            notes.add(
                f"{place}: selects by {name}, which {task} does not have here; epochs are selected "
                f"by {self.metrics[task][0]}"
            )
            return None
        return None if ours == self.metrics[task][0] else ours


@dataclass
class Flags:
    """A command's flags, read one by one; what is left over is told."""

    command: Command
    read: set[str] = field(default_factory=set)

    def has(self, *names: str) -> bool:
        """Whether one of the flags stands there, with a value or without."""
        self.read.update(names)
        return any(name in self.command.flags for name in names)

    def get(self, kind: type[_T], *names: str) -> _T | None:
        """The value of the first of these flags that stands there, None for none.

        Raises:
            FreeLBTuneError: it has no value, or none of this kind.
        """
        self.read.update(names)
        for name in names:
            if name not in self.command.flags:
                continue
            text = self.command.flags[name]
            try:
                if text is None:
                    raise ValueError
                return kind(text)
            except ValueError as err:
                found = "nothing" if text is None else repr(text)
                raise self.refusal(f"{name}: expected {_KINDS[kind]}, got {found}") from err
        return None

    def need(self, kind: type[_T], *names: str) -> _T:
        """As `get`, for a flag that has to be there.

        Raises:
            FreeLBTuneError: it is not.
        """
        value = self.get(kind, *names)
        if value is None:
            raise self.refusal(f"{names[0]} is missing; a space cannot be written without it")
        return value

    def refusal(self, what: str) -> FreeLBTuneError:
        """What to raise where the command says what has no counterpart here."""
        return FreeLBTuneError(f"{self.command.place}: {what}")

    def unread(
        self, harmless: Callable[[str], object], notes: Notes, hints: Collection[str] = ()
    ) -> dict[str, str | None]:
        """The flags that nobody read and that are not known to be harmless, told in notes.

        Args:
            harmless: whether a flag changes no number; a pattern's `match`, say.
            notes: takes both kinds down.
            hints: harmless flags whose counterpart here needs no note.
        """
        left = {k: v for k, v in self.command.flags.items() if k not in self.read}
        plain = [k for k in left if harmless(k)]
        told = sorted(set(plain) - set(hints))
        if told:
            notes.add(f"no counterpart, and no effect on the numbers: {', '.join(told)}")
        other = {k: v for k, v in left.items() if k not in plain}
        for name, value in other.items():
            written = name if value is None else f"{name} {value}"
            notes.add(f"NOT UNDERSTOOD, left out: {written}")
        return other


def whole_batch(first: str, size: int, freq: str, steps: int, gpus: int, notes: Notes) -> int:
    """Examples in one weight update, over accumulated batches and devices.

    Args:
        first: how a batch of `size` is written there.
        size: examples of one batch on one device.
        freq: how `steps` is written there.
        steps: batches that are accumulated.
        gpus: devices that the command saw together.
        notes: is told where one batch stands for several.
    """
    parts = [first]
    parts += [freq] if steps > 1 else []
    parts += [f"{gpus} GPUs"] if gpus > 1 else []
    if len(parts) > 1:
        notes.add(
            f"{' x '.join(parts)} is per_device_train_batch_size {size * steps * gpus}; what does "
            "not fit into memory at once is cut, the update unchanged"
        )
    return size * steps * gpus


def freelb_settings(
    method: str, steps: int, rate: float, start: float, radius: float | None, norm: str | None
) -> dict[str, Value]:
    """An adversary's settings; a radius of 0 or less is no ball."""
    settings: dict[str, Value] = {
        "adversary.method": method,
        "adversary.adv_steps": steps,
        "adversary.adv_lr": rate,
        "adversary.init_mag": max(start, 0.0),
        "adversary.max_norm": radius if radius and radius > 0 else None,
    }
    return settings if norm in (None, "l2") else settings | {"adversary.norm": norm}


def steps_in_epochs(examples: int, batch: int, epochs: int) -> int:
    """Weight updates in so many passes over the data, a last, smaller batch counted."""
    return -(-examples // batch) * epochs


def rate_settings(rate: float, warmup: int, end: int, stop: int, place: str) -> dict[str, Value]:
    """A learning rate that rises, then falls on a straight line; and the updates that are made.

    Args:
        rate: its highest value.
        warmup: updates over which it rises from 0.
        end: the update at which the line is at 0.
        stop: updates that are made; fewer than `end` cut the line off above 0.
        place: of the command, for the message.

    Raises:
        FreeLBTuneError: training ends before the rate has risen.
    """
    settings: dict[str, Value] = {
        "trainer.learning_rate": rate,
        "trainer.max_steps": min(stop, end),
        "trainer.warmup_steps": warmup,
    }
    if stop >= end:
        return settings | {"trainer.lr_scheduler_type": "linear"}
    if stop <= warmup:
        raise FreeLBTuneError(
            f"{place}: training ends after {stop} updates, within the {warmup} over which the rate "
            "rises; this has no counterpart here"
        )
    last = float(f"{rate * (end - stop) / (end - warmup):.6g}")
    return settings | {
        "trainer.lr_scheduler_type": "polynomial",
        "trainer.lr_scheduler_kwargs": {"lr_end": last, "power": 1.0},
    }
