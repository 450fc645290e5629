"""What lies in a results folder, and nothing outside it: a folder may be somebody else's.

Room: store. The folder itself may be a link, to another disk say; a link inside it is refused
wherever it leads, as what is read or written through it is no part of the results.
"""

import os
from pathlib import Path

from freelb_tune.store.disk.files import disk_error, linked

__all__ = ["refuse_link", "refuse_links"]


def refuse_link(path: Path) -> None:
    """Refuse a file or a folder that is a link; one that is not there is none.

    Raises:
        FreeLBTuneError: it is one.
    """
    if path.is_symlink():
        raise linked(path)


def refuse_links(folder: Path, *, deep: bool = True) -> None:
    """Refuse a folder in which a link lies.

    Args:
        folder: one that need not exist.
        deep: also in the folders inside it.

    Raises:
        FreeLBTuneError: a link lies there, or it cannot be read.
    """
    left = [folder]
    while left:
        here = left.pop()
        try:
            with os.scandir(here) as entries:
                for entry in entries:
                    if entry.is_symlink():
                        raise linked(Path(entry.path))
                    if deep and entry.is_dir():
                        left.append(Path(entry.path))
        except FileNotFoundError:
            continue
        except OSError as err:
            raise disk_error("read this folder", here, err) from err
