"""The searches of a results folder, by the names under which they are served.

Room: watching. A name leads to one folder of that list or nowhere: no path is made of what a
browser asks for.
"""

from pathlib import Path

from freelb_tune.errors import FreeLBTuneError
from freelb_tune.store.journal.journal import JOURNAL

__all__ = ["searches_in"]


def searches_in(root: Path) -> dict[str, Path]:
    """Every search below a folder, or the one that it is, by name; the latest news first.

    A link that leads out of the folder is passed over.

    Raises:
        FreeLBTuneError: there is no such folder.
    """
    if not root.is_dir():
        raise FreeLBTuneError(f"{root}: no such folder; name one that searches' folders stand in")
    inside = root.resolve()
    if (root / JOURNAL).is_file():
        return {inside.name: root}
    found = []
    for path in root.iterdir():
        journal = path / JOURNAL
        if journal.is_file() and path.resolve().parent == inside:
            found.append((-journal.stat().st_mtime, path.name, path))
    return {name: path for _, name, path in sorted(found)}
