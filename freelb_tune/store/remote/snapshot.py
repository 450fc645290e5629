"""What a results folder holds at one moment, kept while it is sent away and the search goes on.

Room: store. Taken in the driver's own thread, which therefore writes nothing meanwhile. Each group
of files (a cell's, or the rest) is read until it was still: so it is as a kill might have left it.
"""

import os
import shutil
from collections.abc import Container, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Sign", "Snapshot", "Taker", "files_in", "sign_of"]

Sign = str
"""What a file is told by: its number on the disk, size and time; another content has another."""

_GROWING = {".jsonl", ".log", ".txt"}  # files that are appended to; all others are replaced
_SMALL = 1 << 20
_TRIES = 20


@dataclass(frozen=True)
class Snapshot:
    """Files by their path in the folder, each with its sign; what is new stands in the stage."""

    files: Mapping[str, Sign]


class Taker:
    """Takes snapshots of one folder.

    Args:
        folder: the results folder.
        stage: a folder on the same disk: new files stand there under their signs, large ones as
            hard links.
        known: signs of what need not be kept, as it was sent.
    """

    def __init__(self, folder: Path, stage: Path, known: Container[Sign]) -> None:
        self._folder, self._stage, self._known = folder, stage, known
        shutil.rmtree(stage, ignore_errors=True)
        stage.mkdir(parents=True)

    def take(self) -> Snapshot | None:
        """Take one; None where the folder was not still for long enough.

        Raises:
            OSError: the stage cannot be written.
        """
        files: dict[str, Sign] = {}
        cells = self._folder / "cells"
        groups = [self._folder, *(sorted(cells.iterdir()) if cells.is_dir() else ())]
        for group in groups:
            found = self._still(group)
            if found is None:
                return None
            files |= found
        return Snapshot(files)

    def clear(self) -> None:
        """Let go of what was kept."""
        for path in self._stage.iterdir():
            path.unlink()

    def staged(self, sign: Sign) -> Path:
        """Where a file of a snapshot stands."""
        return self._stage / sign

    def _still(self, group: Path) -> dict[str, Sign] | None:
        for _ in range(_TRIES):
            found = self._scan(group)
            with suppress(FileNotFoundError):
                for name, sign in found.items():
                    self._hold(name, sign)
                if self._scan(group) == found:
                    return found
        return None

    def _scan(self, group: Path) -> dict[str, Sign]:
        is_top = group == self._folder
        return {
            str(path.relative_to(self._folder)): sign_of(stat)
            for path, stat in files_in(group, without="cells" if is_top else None)
        }

    def _hold(self, name: str, sign: Sign) -> None:
        target = self._stage / sign
        if sign in self._known or target.exists():
            return
        source = self._folder / name
        if source.suffix in _GROWING or source.stat().st_size < _SMALL:
            draft = target.with_name(f"{sign}.tmp")
            shutil.copyfile(source, draft, follow_symlinks=False)
            draft.replace(target)
            return
        try:
            os.link(source, target, follow_symlinks=False)
        except FileNotFoundError:
            raise
        except OSError:
            shutil.copyfile(source, target, follow_symlinks=False)


def files_in(folder: Path, without: str | None = None) -> Iterator[tuple[Path, os.stat_result]]:
    """The files that belong to results: not locks, drafts, signs of life, or links.

    Args:
        folder: the results folder or one in it; one that is gone has none.
        without: a folder in it that is left out.
    """
    with suppress(FileNotFoundError, NotADirectoryError), os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda each: each.name):
            if entry.name.startswith(".") or entry.name.endswith(".tmp") or entry.is_symlink():
                continue
            if entry.is_dir():
                if entry.name not in (without, "trainer"):
                    yield from files_in(Path(entry.path))
            else:
                with suppress(FileNotFoundError):
                    yield Path(entry.path), entry.stat()


def sign_of(stat: os.stat_result) -> Sign:
    """What a file is told by."""
    return f"{stat.st_ino}-{stat.st_size}-{stat.st_mtime_ns}"
