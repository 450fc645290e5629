"""The journal of a search: what was started, decided, failed and finished, one line each.

Room: store. The driver is its one writer. The events and what they carry:

    opened    format (see `formats`), at, pid, version, command, name, task, cells (ids in plan
              order), seeds, space (digest); of a part of a plan also shard ("1/4") and plan (ids
              of the whole one); of a merged folder also merged (the folders, with their digests)
    planned   cell (as `Cell.to_json`)
    prepared  data and weights (fingerprints), lengths (as `TextLengths.to_json`)
    proposed  by (the sampler), values (of what is searched), config_id (None where `where` leaves
              it out), cells (ids, of its clean arm too); `planned` follows for those that are new
    same      cell_id, as (the cell that it trains the same as, and that runs for both), why
    started   cell_id, at
    decided   where configurations end early: config_id, epoch, score (the mean over seeds), seeds
              (which ones), missing (seeds that never got there), decision ("continue" or "stop");
              or of a race: race (digest), round (seeds compared), contenders, failed, over, dropped
              and spared (why each cell will never run, by id); of a `verdict` search also answers
              (by configuration), ended (by what), margin and more (seeds it would take)
    failed    cell_id, state ("failed" or "diverged"), message, at
    retried   cell_id
    again     cell_id, why: its log or checkpoint was damaged, so it begins with its first epoch
    finished  cell_id, state ("done" or "stopped"), lines and digest (of the cell's log), at
    looked    at, look (which one), cells (ids of the finished ones), shown (which numbers of
              theirs), of a `verdict` search also rounds (configurations and seeds that it asks
              about): a verdict on them has been made; see `looks`
    ended     by (a setting of `search` that is a limit), limit (its value); before `closed`
    closed    at
"""

import json
import os
import platform
import threading
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from freelb_tune.errors import DamagedError, FreeLBTuneError
from freelb_tune.space.checking.refusal import Refusal
from freelb_tune.store.disk.files import (
    append_lines,
    disk_error,
    make_folder,
    read_file,
    read_lines,
    write_whole,
)
from freelb_tune.store.disk.lock import take_lock
from freelb_tune.store.journal.events import check_event
from freelb_tune.store.journal.formats import format_of, upgraded

if TYPE_CHECKING:
    from filelock import BaseFileLock

__all__ = ["JOURNAL", "LOCK", "OWNER", "Journal", "is_held", "read_journal", "utc_now"]

JOURNAL = "journal.jsonl"
LOCK = ".lock"
OWNER = ".lock-owner.json"  # beside the lock: some systems let nobody read a locked file


def utc_now() -> str:
    """The time as the journal writes it: `2026-11-22T23:06:37Z`."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def read_journal(folder: Path) -> list[dict[str, Any]]:
    """Every event of a results folder in the order of writing; entry `n` is line `n + 1`.

    Events of an older format are given as the newest has them.

    Raises:
        DamagedError: a line that is not the torn last one is no event, or not as we write it.
        FreeLBTuneError: the folder's format is newer than this version's, or the journal cannot be
            read.
    """
    path = folder / JOURNAL
    entries = read_lines(path)
    for entry in entries:  # before any other complaint: a newer format's lines may look odd
        if entry.get("event") == "opened":
            format_of(entry, folder)
    written, events = 1, []
    for number, entry in enumerate(entries, start=1):
        if not isinstance(entry.get("event"), str):
            raise DamagedError(
                f"{path}, line {number}: expected an event, found a mapping without the text "
                f"'event' (it has {sorted(entry)}); restore the file from a copy"
            )
        if entry["event"] == "opened":
            written = format_of(entry, folder)
        event = upgraded(entry, written)
        try:
            check_event(event)
        except Refusal as refusal:
            raise DamagedError(
                f"{path}, line {number}: the event {event['event'][:60]!r} is not as we write it: "
                f"{refusal}; restore the file from a copy"
            ) from refusal
        events.append(event)
    return events


class Journal:
    """Writes the journal of one results folder, and is the folder's lock while it is open.

    The operating system frees the lock when the process ends, however it ends.

        with Journal(folder) as journal:
            journal.append("started", cell_id=cell.id, at=utc_now())
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / JOURNAL
        self._lock: BaseFileLock | None = None
        self._turn = threading.Lock()

    def __enter__(self) -> Self:
        """Take the folder.

        Raises:
            FreeLBTuneError: another run holds it (its process id is said), or it cannot be written.
        """
        from filelock import Timeout  # a tenth of a second that readers need not pay

        make_folder(self.folder)
        try:
            lock = take_lock(self.folder / LOCK, timeout=0)
        except Timeout as err:
            raise FreeLBTuneError(
                f"{self.folder}: another run is writing here ({_owner(self.folder)}); wait for it "
                "or stop it, or choose another folder with --results"
            ) from err
        except OSError as err:
            raise disk_error("write in this folder", self.folder, err) from err
        self._lock = lock
        try:
            owner = {"pid": os.getpid(), "host": platform.node()}
            write_whole(self.folder / OWNER, json.dumps(owner) + "\n")
            append_lines(self.path, [])  # an empty journal marks the folder as ours from now on
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, err: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let the folder go; a second call does nothing."""
        if self._lock is not None:
            (self.folder / OWNER).unlink(missing_ok=True)
            self._lock.release()
            self._lock = None

    def append(self, event: str, **facts: Any) -> None:
        """Write one event; it is on disk when this returns. Threads may call it at once.

        Raises:
            FreeLBTuneError: no permission or no room; what was written before stays.
            ValueError: a number is not finite.
            RuntimeError: the journal is not open.
        """
        self.append_all([(event, facts)])

    def append_all(self, events: Iterable[tuple[str, Mapping[str, Any]]]) -> None:
        """Write many events with one wait for the disk, such as thousands of `planned`.

        Raises:
            FreeLBTuneError: no permission or no room; then none of them is written.
            ValueError: a number is not finite; then none of them is written.
            RuntimeError: the journal is not open.
        """
        if self._lock is None:
            raise RuntimeError("the journal is not open: write inside `with Journal(folder)`")
        lines = [{"event": event, **facts} for event, facts in events]
        with self._turn:
            append_lines(self.path, lines)


def is_held(folder: Path) -> bool:
    """Whether a run writes in a folder: it has said so, and on this machine it is still there.

    The lock itself is not tried: for that moment no search could begin.
    """
    try:
        owner = json.loads(read_file(folder / OWNER))
        if owner["host"] == platform.node():
            os.kill(int(owner["pid"]), 0)
    except PermissionError:
        return True  # another user's process
    except (OSError, OverflowError, ValueError, LookupError, TypeError, FreeLBTuneError):
        return False
    return True


def _owner(folder: Path) -> str:
    """Who holds the lock, in words."""
    try:
        owner = json.loads(read_file(folder / OWNER))
        return f"pid {owner['pid']} on {owner['host']}"
    except (OSError, ValueError, LookupError, TypeError, RecursionError, FreeLBTuneError):
        return "it has only just started, or ended and left a process behind"
