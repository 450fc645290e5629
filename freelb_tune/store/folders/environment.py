"""What a search ran on: versions, machine and git revision, in `environment.json`.

Room: store. Versions are read from the packages' metadata; none of them is imported.
"""

import json
import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from freelb_tune.errors import FreeLBTuneError
from freelb_tune.store.disk.files import read_file, write_whole

__all__ = ["ENVIRONMENT", "describe_environment", "read_environment", "write_environment"]

ENVIRONMENT = "environment.json"
_PACKAGES = ("freelb-tune", "torch", "transformers", "ray", "datasets", "accelerate", "numpy")


def describe_environment(devices: Sequence[str] = ()) -> dict[str, Any]:
    """The versions and the machine, ready for JSON.

    Args:
        devices: the accelerators in words, as the search has found them.
    """
    return {
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in _PACKAGES},
        "platform": platform.platform(),
        "cpu": _cpu_model(),
        "cpu_count": os.cpu_count(),
        "devices": list(devices),
        "git": _git_revision(),
    }


def write_environment(
    folder: Path, devices: Sequence[str] = (), fingerprints: Mapping[str, Any] | None = None
) -> None:
    """Write `environment.json`: this run's environment, and earlier runs' where they differed.

    Args:
        folder: the results folder.
        devices: the accelerators in words.
        fingerprints: of data and weights, by name.

    Raises:
        FreeLBTuneError: no permission or no room.
    """
    path = folder / ENVIRONMENT
    now = {**describe_environment(devices), "fingerprints": dict(fingerprints or {})}
    before = read_environment(folder)
    earlier = before.pop("earlier", [])
    earlier = earlier if isinstance(earlier, list) else []
    if before and before != now:
        earlier = [*earlier, before]
    write_whole(path, json.dumps({**now, "earlier": earlier}, indent=2) + "\n")


def read_environment(folder: Path) -> dict[str, Any]:
    """What the latest run wrote; nothing if it is gone or damaged, as no number depends on it."""
    try:
        content = json.loads(read_file(folder / ENVIRONMENT))
    except (OSError, ValueError, RecursionError, FreeLBTuneError):
        return {}
    return content if isinstance(content, dict) else {}


def _version(package: str) -> str | None:
    """A package's version, or None where it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _cpu_model() -> str:
    """The processor's name."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _git_revision() -> dict[str, Any] | None:
    """The working folder's git revision and whether it has changes; None outside a repository."""
    revision = _git("rev-parse", "HEAD")
    if revision is None:
        return None
    return {"revision": revision, "dirty": bool(_git("status", "--porcelain"))}


def _git(*arguments: str) -> str | None:
    """What git answers, or None where there is no git, no repository or no quick answer."""
    try:
        done = subprocess.run(
            ["git", *arguments], capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
