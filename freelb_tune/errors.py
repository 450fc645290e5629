"""What a caller can put right, said in words.

Everything raised on purpose for a user is a `FreeLBTuneError`: the command line prints it as one
message and leaves with status 2. Any other exception is a fault of ours and keeps its traceback.
"""

import difflib
from collections.abc import Iterable

__all__ = [
    "DamagedError",
    "DiskError",
    "DivergedError",
    "FreeLBTuneError",
    "RayDiedError",
    "counted",
    "unknown_name",
]


class FreeLBTuneError(Exception):
    """Something that the caller can put right.

    Attributes:
        status: what the command line exits with.
    """

    status = 2


class DivergedError(FreeLBTuneError):
    """A trial's loss or score is not a finite number; it ends and is recorded as diverged."""


class DamagedError(FreeLBTuneError):
    """What a file of a results folder holds is not whole, or not as we write it."""


class DiskError(FreeLBTuneError):
    """The machine does not keep a file: no room, no permission, a broken disk. No cell's fault."""


class RayDiedError(FreeLBTuneError):
    """What trials run on has died, of no trial's doing; the same command again goes on."""

    status = 3


def unknown_name(name: str, known: Iterable[str]) -> str:
    """Say that a name is not known, which ones are, and the likeliest one meant."""
    names = sorted(known)
    plain = {each.casefold(): each for each in names}
    close = difflib.get_close_matches(name.casefold(), plain, n=1)
    hint = f"did you mean {plain[close[0]]!r}? " if close else ""
    return f"unknown name {name!r}; {hint}known: {', '.join(names)}"


def counted(number: float, thing: str) -> str:
    """A number and what it counts, in the singular where it is 1: `1 GPU`, `0.5 GPUs`."""
    shown = f"{number:g}" if isinstance(number, float) else str(number)
    return f"{shown} {thing}{'s' * (number != 1)}"
