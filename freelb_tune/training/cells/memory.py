"""How much memory a cell has held: of the device, or on a CPU of the process.

Room: training. A worker trains one cell after another, so each cell begins with `start_afresh`.
"""

import ctypes
import sys
from contextlib import suppress
from pathlib import Path

import torch

__all__ = ["device_peak_gib", "process_peak_gib", "start_afresh"]

_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def start_afresh() -> None:
    """Give back what the cells before have freed, and let the peaks be of what comes from here on.

    Both where the system can (Linux, CUDA). The C library and torch would keep it.
    """
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    else:
        with suppress(AttributeError, OSError):
            ctypes.CDLL(None).malloc_trim(0)  # glibc's
        with suppress(OSError):
            _RESET.write_text("5")  # proc(5): sets the peak back to what is held now


def device_peak_gib() -> float | None:
    """Most memory that tensors held on the device, in GiB; None on a CPU."""
    if not torch.cuda.is_available():
        return None
    return round(torch.cuda.max_memory_allocated() / 2**30, 3)


def process_peak_gib() -> float | None:
    """Most memory that the process held on a CPU, in GiB; None on a GPU, and where none says."""
    if torch.cuda.is_available():
        return None
    with suppress(OSError):
        for line in _STATUS.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return round(int(line.split()[1]) / 2**20, 3)  # it is told in KiB
    with suppress(ImportError):
        import resource

        held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return round(held / (2**30 if sys.platform == "darwin" else 2**20), 3)
    return None
