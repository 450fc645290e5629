"""How a worker's process ended, as it said itself in its last moment: Ray knows only that it did.

Room: search, without Ray. The worker keeps `cells/ID/last_words.txt` open while it trains; Python
writes there when it crashes, code that ends the process is noted, and the driver compares how many
processes the system has ended for lack of memory.
"""

import faulthandler
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NoReturn

__all__ = ["last_words", "read_last_words"]

_FILE = "last_words.txt"
_COUNTERS = (Path("/sys/fs/cgroup/memory.events"), Path("/proc/vmstat"))
_ENDED = re.compile(r"^ended: (.*)$", re.MULTILINE)
_CRASHED = re.compile(r"^Fatal Python error: (.*)$", re.MULTILINE)
_BEFORE = re.compile(r"^for lack of memory: (\d+)$", re.MULTILINE)


@contextmanager
def last_words(home: Path) -> Iterator[None]:
    """Inside, the end of this process leaves word in a cell's folder.

    Args:
        home: the cell's folder.
    """
    path, own, leave = home / _FILE, os.getpid(), os._exit
    with path.open("w", encoding="utf-8") as file:

        def note(status: int) -> NoReturn:
            if os.getpid() == own:  # a child that was forked ends so by right
                with suppress(OSError, ValueError):
                    file.write(f"ended: os._exit({status})\n")
                    file.flush()
            leave(status)

        file.write(f"for lack of memory: {_ended_for_memory()}\n")
        file.flush()
        faulthandler.enable(file, all_threads=False)
        as_any: Any = os
        as_any._exit = note
        try:
            yield
        finally:
            as_any._exit = leave
            with suppress(OSError, ValueError, AttributeError):  # no stderr, or none of the system
                faulthandler.enable(sys.stderr, all_threads=False)
    path.unlink(missing_ok=True)


def read_last_words(home: Path, *, is_here: bool) -> str | None:
    """Why the process that trained a cell ended; None where nobody can say.

    Args:
        home: the cell's folder.
        is_here: whether it ran on this machine, whose count of processes ended for memory is known.
    """
    try:
        said = (home / _FILE).read_text("utf-8", "replace")
    except OSError:
        return None
    if ended := _ENDED.search(said):
        return (
            f"code that ran in training ended the process with {ended[1][:60]}; have it raise an "
            "error that says why"
        )
    if crashed := _CRASHED.search(said):
        return f"it crashed: {crashed[1][:60]} (where: {home.name}/{_FILE})"
    before = _BEFORE.search(said)
    if is_here and before and _ended_for_memory() > int(before[1]):
        return "the system ended a process for lack of memory meanwhile"
    return None


def _ended_for_memory() -> int:
    """How many processes the system has ended for lack of memory, as far as it tells."""
    count = 0
    for path in _COUNTERS:
        with suppress(OSError):
            found = re.search(r"^oom_kill (\d+)$", path.read_text(), re.MULTILINE)
            count += int(found[1]) if found else 0
    return count
