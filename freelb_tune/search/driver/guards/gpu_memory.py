"""Whether a process that was killed still holds memory of a GPU, as `nvidia-smi` tells.

Room: search, without Ray. A killed process keeps its memory until the driver has cleaned up, and a
trial that begins before finds too little.
"""

import os
import shutil
import subprocess
import time
from collections.abc import Set
from contextlib import suppress
from pathlib import Path

__all__ = ["group_of", "wait_until_free"]

_ASK = ("--query-compute-apps=pid", "--format=csv,noheader")
_LOOK, _PATIENCE = 0.5, 10.0  # seconds between two looks, and for an answer


def group_of(pid: int) -> set[int]:
    """A process and those of its group, which are killed with it."""
    found = {pid}
    for place in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if os.getpgid(int(place.name)) == pid:
                found.add(int(place.name))
    return found


def wait_until_free(pids: Set[int], seconds: float = 30.0) -> set[int]:
    """Wait until no GPU's memory is held by any of these processes.

    Without `nvidia-smi`, or where it gives no answer, there is nothing to wait for.

    Args:
        pids: what was killed.
        seconds: to wait at most.

    Returns:
        Those that still hold some after so long.
    """
    smi, deadline = shutil.which("nvidia-smi"), time.monotonic() + seconds
    if smi is None:
        return set()
    while held := _holders(smi) & pids:
        if time.monotonic() >= deadline:
            break
        time.sleep(_LOOK)
    return held


def _holders(smi: str) -> set[int]:
    """Every process that holds memory of a GPU."""
    try:
        told = subprocess.run([smi, *_ASK], capture_output=True, text=True, timeout=_PATIENCE)
    except (OSError, subprocess.TimeoutExpired):
        return set()
    return {int(line) for line in told.stdout.split() if line.isdecimal()}
