"""The faults: each starts a search, does what it is called, and leaves its folder to go on."""

import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

from bench.chaos.search import FaultMissed, Search, send

__all__ = ["FAULTS", "Fault"]

Fault = Callable[[Search], None]


def _kill_when(reached: Callable[[Search], bool], *signals: int) -> Fault:
    """Have the driver meet signals once something is true."""

    def fault(search: Search) -> None:
        process = search.start()
        search.wait(process, lambda: reached(search))
        send(process, *signals)
        search.end(process)

    return fault


def _after(epochs: int) -> Callable[[Search], bool]:
    return lambda search: search.epochs() >= epochs


def _event(name: str, count: int = 1) -> Callable[[Search], bool]:
    return lambda search: search.said_in_journal(name, count)


def _checkpoint_without_line(search: Search) -> bool:
    """A cell's first checkpoint is there, and maybe not its line."""
    return bool(list((search.folder / "cells").glob("*/checkpoint/record.json")))


def _child_gets(name: str, number: int, epochs: int = 2) -> Fault:
    """Have one of the run's processes meet a signal; the run goes on by itself, or ends."""

    def fault(search: Search) -> None:
        process = search.start()
        search.wait(process, lambda: search.epochs() >= epochs)
        os.kill(search.child(process, name).pid, number)
        search.end(process)

    return fault


def _full_disk(search: Search) -> None:
    """Results on a small disk that is full after the second epoch; then there is room again."""
    with _Disk(search.folder, "size=12m") as disk:
        process = search.start()
        search.wait(process, lambda: search.epochs() >= 2)
        ballast = disk / "ballast"
        subprocess.run(["dd", "if=/dev/zero", f"of={ballast}", "bs=64k"], capture_output=True)
        search.end(process)
        ballast.unlink()


def _read_only(search: Search) -> None:
    """The disk turns read-only after the second epoch, and is mended."""
    with _Disk(search.folder, "size=64m") as disk:
        process = search.start()
        search.wait(process, lambda: search.epochs() >= 2)
        _mount("--bind", str(disk), str(disk))  # the disk itself is busy, as a lock is open there
        _mount("-o", "remount,bind,ro", str(disk))
        search.end(process)
        subprocess.run(["umount", "-l", str(disk)], check=True)


class _Disk:
    """A results folder on a disk of its own, whose content stays when the disk goes."""

    def __init__(self, folder: Path, options: str) -> None:
        self._folder, self._options = folder, options

    def __enter__(self) -> Path:
        self._folder.mkdir()
        _mount("-t", "tmpfs", "-o", self._options, "tmpfs", str(self._folder))
        return self._folder

    def __exit__(self, *_: object) -> None:
        kept = self._folder.with_name("kept")
        shutil.copytree(self._folder, kept)
        subprocess.run(["umount", "-l", str(self._folder)], check=True)
        shutil.rmtree(self._folder)
        kept.rename(self._folder)


def _mount(*words: str) -> None:
    done = subprocess.run(["mount", *words], capture_output=True, text=True)
    if done.returncode:
        raise FaultMissed(f"only root can mount a disk ({done.stderr.strip()})")


def _damage(change: Callable[[Search], None]) -> Fault:
    """Kill the driver after the second epoch, and damage what it has left."""

    def fault(search: Search) -> None:
        _kill_when(_after(2), signal.SIGKILL)(search)
        change(search)

    return fault


def _cut(path: Path, by: int) -> None:
    path.write_bytes(path.read_bytes()[:-by])


def _torn_journal(search: Search) -> None:
    _cut(search.folder / "journal.jsonl", 9)


def _torn_epochs(search: Search) -> None:
    _cut(max(search.logs(), key=lambda path: path.stat().st_size), 9)


def _checkpoints(search: Search) -> list[Path]:
    found = sorted((search.folder / "cells").glob("*/checkpoint"))
    if not found:
        raise FaultMissed("the killed run has left no checkpoint")
    return found


def _damaged_checkpoint(search: Search) -> None:
    for path in _checkpoints(search):
        raw = bytearray((path / "model.safetensors").read_bytes())
        raw[len(raw) // 2] ^= 0xFF
        (path / "model.safetensors").write_bytes(raw)


def _missing_optimizer(search: Search) -> None:
    for path in _checkpoints(search):
        (path / "optimizer.pt").unlink()


def _two_at_once(search: Search) -> None:
    """A second search on the same folder is refused, and the first one goes on."""
    first = search.start()
    search.wait(first, lambda: search.said_in_journal("planned"))
    second = search.start()
    search.end(second)
    search.end(first)


def _hang(search: Search) -> None:
    """A trial's process is stopped after its cell's second epoch; a minute later it is ended."""
    process = search.start()
    search.wait(process, lambda: max(search.known().values(), default=0) >= 2)
    os.kill(search.child(process, "ray::Trial").pid, signal.SIGSTOP)
    search.end(process)
    if not search.said_in_journal("retried"):
        raise FaultMissed("its trial was not tried again")


FAULTS: Mapping[str, tuple[str, Fault]] = {
    "kill-early": ("SIGKILL of the driver, first cell begun", _kill_when(_event("started"), 9)),
    "kill-line": ("SIGKILL of the driver, first epoch's line", _kill_when(_after(1), 9)),
    "kill-checkpoint": (
        "SIGKILL of the driver, first checkpoint there",
        _kill_when(_checkpoint_without_line, 9),
    ),
    "kill-decided": ("SIGKILL of the driver, first decision", _kill_when(_event("decided"), 9)),
    "kill-closed": ("SIGKILL of the driver, before the verdict", _kill_when(_event("closed"), 9)),
    "term": ("SIGTERM", _kill_when(_after(2), signal.SIGTERM)),
    "ctrl-c-twice": ("Ctrl-C twice", _kill_when(_after(2), signal.SIGINT, signal.SIGINT)),
    "worker": ("SIGKILL of a trial's process", _child_gets("ray::Trial", signal.SIGKILL)),
    "hang": ("SIGSTOP of a trial's process", _hang),
    "raylet": ("SIGKILL of Ray's raylet", _child_gets("raylet", signal.SIGKILL)),
    "gcs": ("SIGKILL of Ray's control service", _child_gets("gcs_server", signal.SIGKILL)),
    "full-disk": ("disk full", _full_disk),
    "read-only": ("disk read-only", _read_only),
    "torn-journal": ("killed, last line of the journal torn", _damage(_torn_journal)),
    "torn-epochs": ("killed, last line of epochs torn", _damage(_torn_epochs)),
    "checkpoint": ("killed, checkpoint damaged", _damage(_damaged_checkpoint)),
    "optimizer": ("killed, optimizer's file gone", _damage(_missing_optimizer)),
    "two-at-once": ("two searches on one folder", _two_at_once),
}
