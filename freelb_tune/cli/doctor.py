"""`freelb-tune doctor`: what a bug report needs.

Room: cli.
"""

import json

__all__ = ["doctor"]


def doctor() -> None:
    """Print versions, devices and disk space: for a bug report."""
    from freelb_tune.store import describe_environment

    print(json.dumps(describe_environment(devices=_devices()), indent=2, default=str))


def _devices() -> list[str]:
    import torch

    if not torch.cuda.is_available():
        return ["cpu"]
    return [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
