"""The results folder of a search: whose it is, taking it, and setting it aside.

Room: store. `results/NAME/` belongs to one space: the name and the task in its journal say which.
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from freelb_tune.errors import FreeLBTuneError, counted
from freelb_tune.store.disk.files import disk_error, read_file, write_whole
from freelb_tune.store.disk.inside import refuse_links
from freelb_tune.store.disk.lock import SOFT
from freelb_tune.store.journal.journal import JOURNAL, LOCK, OWNER, Journal, read_journal

__all__ = ["SPACE", "check_results", "held_cell", "take_results", "set_aside"]

SPACE = "space.yaml"


def check_results(folder: Path, *, name: str, task: str) -> None:
    """Refuse a results folder that cannot take this search; nothing is written or created.

    Args:
        folder: `results/NAME`; it need not exist.
        name: the space's name.
        task: the space's task.

    Raises:
        FreeLBTuneError: the folder holds another space's results, files that are not ours or a
            link, it is a file, or it cannot be written in.
    """
    _check_place(folder)
    refuse_links(folder)
    opened = [entry for entry in read_journal(folder) if entry["event"] == "opened"]
    if not opened:
        return
    theirs = (opened[-1].get("name"), opened[-1].get("task"))
    if theirs != (name, task):
        raise FreeLBTuneError(
            f"{folder}: holds results of the space {theirs[0]!r} on task {theirs[1]!r}, and this "
            f"is {name!r} on task {task!r}; give this space another name, choose another folder "
            "with --results, or set the old one aside with --fresh"
        )


def _check_place(folder: Path) -> None:
    """Refuse a folder in which a lock may not be put, before one is."""
    if not os.path.exists(folder):  # False also where we may not look, unlike Path.exists
        _check_writable(next(p for p in folder.absolute().parents if os.path.exists(p)))
        return
    _check_writable(folder)
    _check_ours(folder)
    refuse_links(folder, deep=False)


@contextmanager
def take_results(folder: Path, *, space_yaml: str, name: str, task: str) -> Iterator[Journal]:
    """Take a results folder for a run: its lock is held and `space.yaml` written.

    The folder is created if need be. The caller appends `opened` first.

    Args:
        folder: `results/NAME`.
        space_yaml: the space as resolved.
        name: the space's name.
        task: the space's task.

    Yields:
        The folder's journal, open.

    Raises:
        FreeLBTuneError: as `check_results`, or another run holds the folder.
    """
    _check_place(folder)
    with Journal(folder) as journal:
        check_results(folder, name=name, task=task)  # while nobody else writes there
        write_whole(folder / SPACE, space_yaml)
        yield journal


def set_aside(folder: Path) -> Path | None:
    """Move a results folder out of the way for a fresh start; nothing is deleted.

    Args:
        folder: `results/NAME`.

    Returns:
        Where it is now, `NAME.before-20261122T230637Z` beside it; None if there was none.

    Raises:
        FreeLBTuneError: a run is writing in it, it is not ours, or it cannot be moved.
    """
    if not os.path.exists(folder):
        return None
    _check_ours(folder)
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    base = folder.with_name(f"{folder.name}.before-{stamp}")
    aside, count = base, 1
    while aside.exists():
        count += 1
        aside = base.with_name(f"{base.name}-{count}")
    with Journal(folder):
        try:
            folder.rename(aside)
        except OSError as err:
            raise disk_error(f"move this folder to {aside.name}", folder, err) from err
        (aside / OWNER).unlink(missing_ok=True)
    return aside


def held_cell(home: Path) -> str | None:
    """Id of the cell whose model a folder such as `best/` has; None where there is none."""
    try:
        content = json.loads(read_file(home / "cell.json"))
    except (OSError, ValueError, RecursionError, FreeLBTuneError):
        return None
    return str(content.get("id")) if isinstance(content, dict) else None


def _check_ours(folder: Path) -> None:
    """Refuse a folder with files that no search of ours has written."""
    try:
        names = {path.name for path in folder.iterdir()} - {LOCK, LOCK + SOFT, OWNER}
    except OSError as err:
        raise disk_error("read this folder", folder, err) from err
    if names and JOURNAL not in names:
        some = ", ".join(sorted(names)[:3])
        raise FreeLBTuneError(
            f"{folder}: holds {counted(len(names), 'file')} but no {JOURNAL} (among them {some}), "
            "so it is no results folder; choose another with --results, or give the space another "
            "name"
        )


def _check_writable(folder: Path) -> None:
    """Refuse a file, and a folder in which this user may not write."""
    if not folder.is_dir():
        raise FreeLBTuneError(
            f"{folder}: is a file, and results need a folder; move it away, or choose another "
            "folder with --results"
        )
    if not os.access(
        folder, os.W_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids
    ):
        err = PermissionError(13, "Permission denied")
        raise disk_error("write in this folder", folder, err)
