"""Several results folders written as one: complete or not at all, and the others as they were.

Room: store. All is put together in a draft beside the new folder, which then gets its name.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from freelb_tune import __version__
from freelb_tune.errors import FreeLBTuneError
from freelb_tune.space.reading.document import to_yaml
from freelb_tune.space.values import digest
from freelb_tune.store.cells.pulse import PULSE
from freelb_tune.store.disk.files import disk_error, make_folder, read_file, write_whole
from freelb_tune.store.disk.inside import refuse_links
from freelb_tune.store.folders.environment import ENVIRONMENT, read_environment
from freelb_tune.store.folders.folder import check_results, take_results
from freelb_tune.store.journal.formats import FORMAT
from freelb_tune.store.journal.journal import JOURNAL, LOCK, Journal, read_journal, utc_now
from freelb_tune.store.known import Store, cell_folder
from freelb_tune.store.merging import Merged

__all__ = ["write_merged"]

_OF_CELLS = {"started", "failed", "retried", "finished", "same", "waits"}
_LEFT = shutil.ignore_patterns(LOCK, PULSE, "*.tmp", "*.old")  # of a trial that was killed


def write_merged(merged: Merged, folder: Path, command: Sequence[str] = ()) -> None:
    """Write a results folder of all that was found; one of the very same is left as it is.

    Args:
        merged: of `join_folders`.
        folder: the new one.
        command: what asked for it, for the journal.

    Raises:
        FreeLBTuneError: something else is there, or the disk refuses.
    """
    sources = [_source(store) for store in merged.stores]
    if os.path.lexists(folder):
        _check_merged(folder, sources)
        return
    space = next((store.space for store in merged.stores if store.space), None)
    if space is None:
        raise FreeLBTuneError(f"{merged.stores[0].folder}: has no space.yaml, nor have the others")
    first, text = merged.stores[0], to_yaml({**space, "seeds": list(merged.seeds)})
    draft = folder.with_name(f".{folder.name}.merging")
    _clear(draft, first)
    with take_results(draft, space_yaml=text, name=first.name, task=first.task) as journal:
        for cell_id, store in merged.owners.items():
            _copy_cell(cell_folder(store.folder, cell_id), cell_folder(draft, cell_id))
        _write_environment(draft, merged.stores)
        journal.append_all(_events(merged, sources, space=digest({"space": text}), command=command))
    try:
        draft.rename(folder)
    except OSError as err:
        raise disk_error("give the merged folder this name", folder, err) from err


def _source(store: Store) -> list[str]:
    """A folder and the state that it was merged in."""
    return [str(store.folder), hashlib.sha256(read_file(store.folder / JOURNAL)).hexdigest()[:16]]


def _check_merged(folder: Path, sources: list[list[str]]) -> None:
    """Refuse a folder that is not what these make."""
    opened = [e for e in read_journal(folder) if e["event"] == "opened"] if folder.is_dir() else []
    if not opened or opened[0].get("merged") != sources:
        raise FreeLBTuneError(
            f"{folder}: is there already, and was not made of these folders as they are now; name "
            "another with --into"
        )


def _clear(draft: Path, like: Store) -> None:
    """Delete what a killed merge has left."""
    if draft.exists():
        check_results(draft, name=like.name, task=like.task)
        with Journal(draft):  # nobody else writes there
            shutil.rmtree(draft)


def _copy_cell(home: Path, target: Path) -> None:
    """Copy a cell's folder, of which no link leads outside."""
    if not home.is_dir():
        return
    make_folder(target.parent)
    try:
        shutil.copytree(home, target, symlinks=True, ignore=_LEFT)
    except OSError as err:
        raise disk_error("copy this folder", home, err) from err
    refuse_links(target)


def _write_environment(draft: Path, stores: Sequence[Store]) -> None:
    """The first folder's environment, and as earlier ones those of the others."""
    first, *others = (read_environment(store.folder) for store in stores)
    earlier = first.get("earlier")
    earlier = [*(earlier if isinstance(earlier, list) else []), *filter(None, others)]
    content = {**first, "earlier": [each for each in earlier if each != first]}
    write_whole(draft / ENVIRONMENT, json.dumps(content, indent=2) + "\n")


def _events(
    merged: Merged, sources: list[list[str]], *, space: str, command: Sequence[str]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """The new folder's journal: the plan, what each folder says of its cells, the looks."""
    yield (
        "opened",
        {
            "format": FORMAT,
            "at": utc_now(),
            "pid": os.getpid(),
            "version": __version__,
            "command": list(command),
            "name": merged.stores[0].name,
            "task": merged.stores[0].task,
            "cells": [cell.id for cell in merged.cells],
            "seeds": list(merged.seeds),
            "space": space,
            "merged": sources,
        },
    )
    for cell in (*merged.others, *merged.cells):
        yield "planned", {"cell": cell.to_json()}
    for (data, weights, _), lengths in {
        key: lengths for store in merged.stores for key, lengths in store.lengths.items()
    }.items():
        yield "prepared", {"data": data, "weights": weights, "lengths": lengths.to_json()}
    for store in merged.stores:
        yield from _of_cells(merged, store)
    for number, look in enumerate(merged.looks, start=1):
        yield "looked", {"at": utc_now(), "look": number, **look.to_json()}
    yield "closed", {"at": utc_now()}


def _of_cells(merged: Merged, store: Store) -> Iterator[tuple[str, dict[str, Any]]]:
    """What a folder's journal says of the cells that are kept from it, and when its runs ended."""
    last, begun = "", False
    for event in store.events:
        name, facts = event["event"], {k: v for k, v in event.items() if k != "event"}
        last = str(event.get("at", last))
        if name in _OF_CELLS and merged.owners.get(facts["cell_id"]) is store:
            begun = True
            yield name, facts
    if begun:
        yield "closed", {"at": last}  # a cell that is not over has not run since
