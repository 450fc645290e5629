"""Looking at a search, this process's or another one's, while it runs or after it.

Room: api. Reads what is stored; neither Ray nor torch loads.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.live import Live

from freelb_tune.api.remote import looked_in
from freelb_tune.api.results import write_report
from freelb_tune.errors import counted
from freelb_tune.results.earlier import EARLIER
from freelb_tune.store.remote.place import uri_of
from freelb_tune.watching import terminal
from freelb_tune.watching.snapshot import Snapshot, change_mark, snapshot, snapshot_of

__all__ = ["report", "show_end", "status_json", "watch"]

_SECONDS = 1.0  # between two looks at the folder's files
_FAR_SECONDS = 10.0  # and between two looks at a URI


def status_json(folder: Path) -> dict[str, Any]:
    """A search as it stands, as plain values.

    Raises:
        FreeLBTuneError: it is no results folder, or is damaged.
    """
    return snapshot(looked_in(folder)).to_json()


def watch(folder: Path, *, go_on: bool) -> None:
    """Print a search as it stands.

    Args:
        folder: `results/NAME`, or its URI.
        go_on: draw it again whenever there is news, until nothing runs in it any more.

    Raises:
        FreeLBTuneError: it is no results folder, or is damaged.
    """
    place, folder = folder, looked_in(folder)
    console, mark = terminal.console_for(sys.stdout), change_mark(folder)
    found = snapshot(folder)
    if go_on and found.overview.state == "running":
        rows = max(console.height - 16 - len(found.running), 3) if console.is_terminal else 5
        with Live(console=console, auto_refresh=False, transient=True) as live:
            while found.overview.state == "running":
                live.update(terminal.status_of(found, console, rows), refresh=True)
                while (now := change_mark(folder)) == mark:
                    time.sleep(_FAR_SECONDS if uri_of(place) else _SECONDS)
                    folder = looked_in(place)
                mark, found = now, snapshot(folder)
    console.print(terminal.status_of(found, console))


def report(folder: Path, *, with_text: bool, say: Callable[[str], None]) -> Snapshot:
    """Write every table and the page of a search again, and look at it as it stands.

    Args:
        folder: of its results, or a URI.
        with_text: as `Results.report` takes it.
        say: is told where the tables of before are, if cells are damaged now.

    Raises:
        FreeLBTuneError: as `Results.report`.
    """
    store, table = write_report(folder, with_text=with_text)
    kept = store.folder / EARLIER
    if table.damaged and kept.is_dir():
        say(
            f"{counted(len(table.damaged), 'cell')} damaged and not counted: the tables of before "
            f"are in {kept}; the search's command trains such cells again"
        )
    return snapshot_of(store, table)


def show_end(search: Path | Snapshot) -> None:
    """Print what a search has come to: the table and the verdict, and on stderr where it all is.

    Args:
        search: its folder, or what is known of it.

    Raises:
        FreeLBTuneError: it is no results folder, or is damaged.
    """
    found = snapshot(looked_in(search)) if isinstance(search, Path) else search
    terminal.show_end(found, terminal.console_for(sys.stdout), terminal.console_for(sys.stderr))
