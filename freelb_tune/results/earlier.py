"""Tables of before, beside new ones that show less: those of a new plan, or of damaged logs.

Room: results.
"""

import shutil
from pathlib import Path

from freelb_tune.store import CellState, Store, write_whole
from freelb_tune.store.disk.files import make_folder, read_file

__all__ = ["EARLIER", "drop_earlier", "keep_earlier"]

EARLIER = "earlier"
_FILES = (
    "report.html",
    "table.md",
    "table.csv",
    "table.tex",
    "table.json",
    "trials.csv",
    "epochs.csv",
    "configurations.csv",
    "robustness.md",
    "robustness.csv",
)


def keep_earlier(folder: Path) -> Path | None:
    """Copy the tables that are there; those that are kept already stay.

    Returns:
        Where they are; None where there are none.

    Raises:
        FreeLBTuneError: they cannot be read or written.
    """
    aside = folder / EARLIER
    there = [name for name in _FILES if (folder / name).is_file()]
    if aside.exists() or not there:
        return aside if aside.exists() else None
    make_folder(aside)
    for name in there:
        write_whole(aside / name, read_file(folder / name).decode("utf-8", "replace"))
    return aside


def drop_earlier(store: Store) -> None:
    """Let them go once a cell of the new plan is done and no log is damaged."""
    aside = store.folder / EARLIER
    is_done = any(each.state is CellState.DONE for each in store.cells)
    is_whole = not any(each.damage for each in store.cells)
    if is_done and is_whole and aside.is_dir() and not aside.is_symlink():
        shutil.rmtree(aside, ignore_errors=True)
