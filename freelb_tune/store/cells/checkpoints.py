"""A cell's last checkpoint: whether it is whole, and of the log that lies beside it.

Room: store. Sealed when it is written, held against its seal before a cell goes on from it: a file
that is lost or changed would change numbers without a word, as `Trainer` begins anew with what it
does not find.
"""

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from freelb_tune.errors import DamagedError
from freelb_tune.store.cells.epochs import EPOCHS, Seal, is_sealed, seal_of
from freelb_tune.store.cells.records import EpochRecord
from freelb_tune.store.disk.files import read_file

__all__ = [
    "CHECKPOINT",
    "RECORD",
    "damage_of",
    "find_checkpoint",
    "forget_again",
    "read_again",
    "seal_checkpoint",
    "tell_again",
]

CHECKPOINT, RECORD = "checkpoint", "record.json"
_AGAIN = "again.txt"
_SEAL = "seal.json"
_PARTS = ("optimizer.pt", "scheduler.pt", "rng_state.pth", "trainer_state.json")


def seal_checkpoint(fresh: Path, log: Path) -> None:
    """Write down what a checkpoint's files hold, and what its cell's log held before its epoch.

    Args:
        fresh: the checkpoint, all of it written.
        log: the cell's `epochs.jsonl`, which lacks the checkpoint's own epoch.
    """
    files = {path.name: _digest(path) for path in sorted(fresh.iterdir()) if path.is_file()}
    content = {"files": files, "log": asdict(seal_of(log))}
    (fresh / _SEAL).write_text(json.dumps(content), "utf-8")


def find_checkpoint(folder: Path, known: Sequence[EpochRecord]) -> tuple[Path, EpochRecord] | None:
    """The checkpoint that a cell goes on from, and the record of its epoch.

    Args:
        folder: the cell's.
        known: what its log has; the checkpoint's epoch may be the next one, if the worker was
            killed before the line.

    Returns:
        None where there is none, or none that is whole and of this log.
    """
    for place in _places(folder):
        try:
            return place, _read(place, folder / EPOCHS, known)
        except DamagedError:
            continue
    return None


def damage_of(folder: Path, known: Sequence[EpochRecord]) -> str | None:
    """What is wrong with the checkpoint of a cell that cannot go on from it; None for nothing.

    Args:
        folder: the cell's.
        known: what its log has.
    """
    found = None
    for place in _places(folder):
        try:
            _read(place, folder / EPOCHS, known)
        except DamagedError as err:
            found = found or str(err)
        else:
            return None
    return found


def tell_again(folder: Path, why: str) -> None:
    """Leave word that a cell with epochs begins again; its trial tells whoever runs it."""
    (folder / _AGAIN).write_text(why, "utf-8")


def read_again(folder: Path) -> str | None:
    """Why a cell has begun again; None where it has not, or where that was told."""
    try:
        return (folder / _AGAIN).read_text("utf-8")
    except FileNotFoundError:
        return None


def forget_again(folder: Path) -> None:
    """It was told."""
    (folder / _AGAIN).unlink(missing_ok=True)


def _places(folder: Path) -> list[Path]:
    """`checkpoint.old` is good while a kill has left no newer one."""
    both = (folder / CHECKPOINT, folder / f"{CHECKPOINT}.old")
    return [place for place in both if (place / RECORD).is_file()]


def _read(place: Path, log: Path, known: Sequence[EpochRecord]) -> EpochRecord:
    """The record of a checkpoint's epoch.

    Raises:
        DamagedError: the checkpoint is not whole, or of another log.
    """
    _check_files(place, log)
    try:
        record = EpochRecord.from_json(json.loads(read_file(place / RECORD)))
    except (ValueError, RecursionError) as err:
        raise DamagedError(f"{place.name}/{RECORD} is not as we write it ({err})") from err
    if record.epoch not in (len(known), len(known) + 1):
        raise DamagedError(
            f"{place.name} is of epoch {record.epoch}, and {log.name} has {len(known)}"
        )
    if record.epoch == len(known) and record != known[-1]:
        raise DamagedError(
            f"{place.name}/{RECORD} says of epoch {record.epoch} what {log.name} does not"
        )
    return record


def _check_files(place: Path, log: Path) -> None:
    """Refuse a checkpoint with a file that is not as it was; one of version 0.1.0 has no seal."""
    if not (place / _SEAL).is_file():
        missing = [name for name in _PARTS if not (place / name).is_file()]
        missing += [] if any(place.glob("*.safetensors")) else ["model.safetensors"]
        if missing:
            raise DamagedError(f"{place.name}/{missing[0]} is missing")
        return
    try:
        content = json.loads(read_file(place / _SEAL))
        files, held = dict(content["files"]), Seal(**content["log"])
    except (ValueError, TypeError, LookupError, RecursionError) as err:
        raise DamagedError(f"{place.name}/{_SEAL} is not as we write it") from err
    for name, digest in files.items():
        path = place / os.path.basename(name)
        if not path.is_file():
            raise DamagedError(f"{place.name}/{name} is missing")
        if _digest(path) != digest:
            raise DamagedError(f"{place.name}/{name} is not as it was written")
    if not is_sealed(log, held):
        raise DamagedError(f"{log.name} is not as it was when {place.name} was written")


def _digest(path: Path) -> str:
    """A file's size and 16 hex digits of its SHA-256."""
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256")
    return f"{path.stat().st_size}:{found.hexdigest()[:16]}"
