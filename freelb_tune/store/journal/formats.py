"""The format of a results folder: its number, and how an older folder is read.

Room: store. The number stands in the journal's `opened` events. A folder of a newer format is
refused, as what it says cannot be known; one of an older format is read as it is, each line made
the newest format's on the way. A run that goes on with it writes the newest format from there on.

    1   version 0.1.0, which wrote no number
    2   `opened` has the number; `finished` may say what the cell's log held

To add a format: raise `FORMAT`, add its line here and what differs in `_UPGRADES`, and put a small
folder of the old format among the tests. A field that is added to `EpochRecord` or `Cell` has its
default there, and needs no format of its own: fields that are not known are passed over.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from freelb_tune.errors import FreeLBTuneError

__all__ = ["FORMAT", "format_of", "upgraded"]

FORMAT = 2
"""What this version writes."""

Entry = dict[str, Any]


def format_of(opened: Mapping[str, Any], folder: Path) -> int:
    """The format that a run's `opened` event names.

    Raises:
        FreeLBTuneError: it is newer than this version's, or no format's number.
    """
    number = opened.get("format", 1)
    if not isinstance(number, int) or isinstance(number, bool) or number < 1:
        raise FreeLBTuneError(
            f"{folder}: expected the format of a results folder, a whole number from 1 to "
            f"{FORMAT}, found {str(number)[:60]!r}; restore journal.jsonl from a copy"
        )
    if number > FORMAT:
        raise FreeLBTuneError(
            f"{folder}: its results have format {number}, and this version of freelb-tune reads "
            f"formats up to {FORMAT}; install a newer version, such as the one that wrote them"
            f"{_version(opened)}, or choose another folder with --results"
        )
    return number


def upgraded(entry: Entry, written: int) -> Entry:
    """An event as the newest format has it.

    Args:
        entry: as it was read.
        written: the format of the run that wrote it.
    """
    for number in range(written, FORMAT):
        upgrade = _UPGRADES[number].get(entry["event"])
        entry = upgrade(entry) if upgrade else entry
    return entry


def _version(opened: Mapping[str, Any]) -> str:
    version = opened.get("version")
    return f" ({version[:40]})" if isinstance(version, str) else ""


def _numbered(opened: Entry) -> Entry:
    """Format 1 wrote no number."""
    return {"format": 1, **opened}


_UPGRADES: dict[int, dict[str, Callable[[Entry], Entry]]] = {1: {"opened": _numbered}}
"""By the format that an event was written in and its name: the same event in the next format."""
