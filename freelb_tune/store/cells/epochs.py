"""The log of a cell's epochs: `cells/ID/epochs.jsonl`, written by the trial alone.

Room: store. The order in training is checkpoint, predictions, this line, report: an epoch whose
line is here can be gone on from. When a cell is over, the journal takes down what its log held, so
that a line which is lost or changed afterwards is found.
"""

import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from freelb_tune.errors import DamagedError, DivergedError
from freelb_tune.store.cells.records import EpochRecord
from freelb_tune.store.disk.files import (
    append_lines,
    disk_error,
    make_folder,
    parse_lines,
    read_file,
)

__all__ = ["EPOCHS", "EpochLog", "Seal", "is_sealed", "read_epochs", "seal_of", "set_log_aside"]

EPOCHS = "epochs.jsonl"


@dataclass(frozen=True)
class Seal:
    """What a log held when its cell was over.

    Attributes:
        lines: how many lines.
        digest: of those lines, 16 hex digits of SHA-256.
    """

    lines: int
    digest: str


@dataclass(frozen=True)
class EpochLog:
    """Appends a cell's epochs to one file.

    Attributes:
        path: the cell's `epochs.jsonl`.
    """

    path: Path

    def append(self, record: EpochRecord) -> None:
        """Write one epoch; it is on disk when this returns.

        Raises:
            DivergedError: one of its numbers is not finite; nothing is written.
            FreeLBTuneError: no permission or no room; what was written before stays.
        """
        line = record.to_json()
        for name, value in {**line, **record.metrics}.items():
            if isinstance(value, float) and not math.isfinite(value):
                raise DivergedError(f"epoch {record.epoch}: {name} is {value}, not a finite number")
        make_folder(self.path.parent)
        append_lines(self.path, [line])


def read_epochs(path: Path, seal: Seal | None = None) -> list[EpochRecord]:
    """A cell's epochs in the order of writing; of an epoch that stands twice, the first.

    Args:
        path: the cell's log; one that is not there has no epochs.
        seal: what it held when the cell was over; None for a cell that is not.

    Raises:
        DamagedError: a line that is not the torn last one is no epoch, an epoch is missing, or the
            log no longer holds what it did.
        FreeLBTuneError: it cannot be read.
    """
    raw = _read(path)
    known: dict[int, EpochRecord] = {}
    for record in EpochRecord.whole_lines(raw) or _records(raw, path):
        known.setdefault(record.epoch, record)
    if set(known) != set(range(1, len(known) + 1)):
        first = next(epoch for epoch in count(1) if epoch not in known)
        missing = first if first < max(known) else min(known)
        raise DamagedError(f"{path}: epoch {missing} is missing")
    if seal is not None and _sealed(raw, seal.lines) != seal:
        had = f"{seal.lines} line{'s' * (seal.lines != 1)}"
        raise DamagedError(
            f"{path}: it had {had} when the cell was over, and no longer has the same"
        )
    return list(known.values())


def seal_of(path: Path) -> Seal:
    """What a log holds now.

    Raises:
        FreeLBTuneError: it cannot be read.
    """
    raw = _read(path)
    return _sealed(raw, raw.count(b"\n"))


def is_sealed(path: Path, seal: Seal) -> bool:
    """Whether a log still has what it held; more lines may have come.

    Raises:
        FreeLBTuneError: it cannot be read.
    """
    return _sealed(_read(path), seal.lines) == seal


def set_log_aside(path: Path) -> None:
    """Move a damaged log out of the way; nothing is deleted.

    Raises:
        FreeLBTuneError: it cannot be moved.
    """
    try:
        if path.exists():
            path.replace(path.with_name(f"{path.stem}.damaged{path.suffix}"))
    except OSError as err:
        raise disk_error("move this file aside", path, err) from err


def _records(raw: bytes, path: Path) -> Iterator[EpochRecord]:
    """The records of a log line by line, of one that a killed writer left or that is damaged."""
    for number, entry in enumerate(parse_lines(raw, path), start=1):
        try:
            yield EpochRecord.from_json(entry)
        except ValueError as err:
            raise DamagedError(
                f"{path}, line {number}: expected an epoch's record, and {err}; restore the file "
                "from a copy"
            ) from err


def _read(path: Path) -> bytes:
    try:
        return read_file(path)
    except FileNotFoundError:
        return b""


def _sealed(raw: bytes, lines: int) -> Seal:
    """The seal of the first so many lines, or of as many as there are."""
    *whole, rest = raw.split(b"\n", lines)
    held = raw[: len(raw) - len(rest)]
    return Seal(len(whole), hashlib.sha256(held).hexdigest()[:16])
