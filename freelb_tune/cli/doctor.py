"""`freelb-tune doctor`: what a bug report needs.

Room: cli.
"""

import json
import shutil
from pathlib import Path

__all__ = ["doctor"]


def doctor() -> None:
    """Print versions, devices and disk space: for a bug report."""
    from freelb_tune.store import describe_environment

    facts = describe_environment(devices=_devices())
    free = round(shutil.disk_usage(Path.cwd()).free / 2**30, 1)
    facts |= {"folder": str(Path.cwd()), "disk_free_gib": free}
    print(json.dumps(facts, indent=2, default=str))


def _devices() -> list[str]:
    import torch

    if not torch.cuda.is_available():
        return ["cpu"]
    return [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
