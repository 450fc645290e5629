"""Versions, devices and disk space: what a bug report needs.

Room: api.
"""

import shutil
from pathlib import Path
from typing import Any

from freelb_tune.store import describe_environment
from freelb_tune.store.disk.faults import machine_fault

__all__ = ["environment", "machine_fault"]


def environment() -> dict[str, Any]:
    """The versions, the machine and its accelerators, and this folder's free disk space (GiB)."""
    free = round(shutil.disk_usage(Path.cwd()).free / 2**30, 1)
    facts = describe_environment(devices=_devices())
    return {**facts, "folder": str(Path.cwd()), "disk_free_gib": free}


def _devices() -> list[str]:
    import torch

    if not torch.cuda.is_available():
        return ["cpu"]
    return [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
