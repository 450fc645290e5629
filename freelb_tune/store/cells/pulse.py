"""A sign of life of the process that trains a cell: who it is, and when it last took a step.

Room: store. `cells/ID/.pulse`, there while a cell is trained.
"""

import json
import os
import platform
from pathlib import Path
from typing import Any

__all__ = ["PULSE", "beat", "begin_pulse", "is_here", "last_beat", "process_of"]

PULSE = ".pulse"


def begin_pulse(folder: Path) -> None:
    """Say that this process trains the cell of this folder."""
    told = json.dumps({"pid": os.getpid(), "host": platform.node()})
    (folder / PULSE).write_text(told, "utf-8")


def beat(folder: Path) -> None:
    """Say that it goes on; where nobody began, say nothing."""
    if (folder / PULSE).exists():
        os.utime(folder / PULSE)


def last_beat(folder: Path) -> int | None:
    """When it was last said, by the clock of whoever keeps the file, to be compared with itself."""
    try:
        return (folder / PULSE).stat().st_mtime_ns
    except OSError:
        return None


def process_of(folder: Path) -> int | None:
    """The process, if it is one of Ray's on this machine."""
    try:
        pid = int(_told(folder)["pid"])
        title = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (OSError, ValueError, LookupError, TypeError):
        return None
    return pid if is_here(folder) and title.startswith(b"ray::") else None


def is_here(folder: Path) -> bool:
    """Whether it is, or was, on this machine."""
    try:
        return bool(_told(folder).get("host") == platform.node())
    except (OSError, ValueError, AttributeError):
        return False


def _told(folder: Path) -> Any:
    return json.loads((folder / PULSE).read_text("utf-8"))
