"""CPU seconds of a command by what its processes are, sampled while it runs."""

import subprocess
from collections import Counter
from collections.abc import Sequence
from threading import Event, Thread
from time import perf_counter

import psutil

__all__ = ["timed"]

_PARTS = {
    "ray::DashboardAgent": "Ray's own processes",
    "ray::RuntimeEnvAgent": "Ray's own processes",
    "ray::": "workers: imports and training",
    "default_worker.py": "workers: imports and training",
    "ray-dashboard": "Ray's own processes",
    "/ray/": "Ray's own processes",
}


def timed(command: Sequence[str]) -> tuple[float, dict[str, float]]:
    """Run a command to its end.

    Returns:
        Its wall seconds, and the CPU seconds of it and all that it starts, by part. What a process
        does in its last 0.2 s is not seen.

    Raises:
        RuntimeError: it failed; with the end of what it printed.
    """
    start = perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    seen: dict[int, tuple[str, float]] = {}
    over = Event()

    def watch() -> None:
        while not over.wait(0.2):
            _look(process.pid, seen)

    watcher = Thread(target=watch)
    watcher.start()
    printed, _ = process.communicate()
    over.set()
    watcher.join()
    if process.returncode:
        raise RuntimeError(printed.decode(errors="replace")[-2000:])
    parts: Counter[str] = Counter()
    for part, seconds in seen.values():
        parts[part] += seconds
    return perf_counter() - start, dict(parts)


def _look(root: int, seen: dict[int, tuple[str, float]]) -> None:
    """Note the CPU seconds so far of a process and of all under it."""
    try:
        family = [psutil.Process(root), *psutil.Process(root).children(recursive=True)]
    except psutil.Error:
        return
    for process in family:
        try:
            words = " ".join(process.cmdline())
            times = process.cpu_times()
        except psutil.Error:
            continue
        part = next((part for word, part in _PARTS.items() if word in words), "other")
        if process.pid == root:
            part = "the command itself"
        seen[process.pid] = part, times.user + times.system
