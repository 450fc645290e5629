"""How many examples a cell's sets have, before anything is read in earnest.

Room: tasks. A data section in, two numbers out; loads no library, asks no network.
"""

import os
from dataclasses import dataclass
from math import ceil
from pathlib import Path

from freelb_tune.errors import FreeLBTuneError
from freelb_tune.space.settings.sections import DataFields
from freelb_tune.tasks.reading.delimited import Form
from freelb_tune.tasks.reading.files import read_table
from freelb_tune.tasks.sources import glue_folder
from freelb_tune.tasks.sources.settings import DataSettings, data_settings

__all__ = ["Sizes", "data_sizes"]

_LARGEST = 100_000_000  # bytes of an own file that is still counted: a second or two


@dataclass(frozen=True)
class Sizes:
    """Examples per set; rows that turn out to have no label are counted in.

    Attributes:
        train: of the training set; None where that cannot be told cheaply.
        dev: the same of the dev set.
    """

    train: int | None
    dev: int | None


def data_sizes(task: str, fields: DataFields) -> Sizes:
    """Count a cell's training and dev examples: official sizes, or the rows of files.

    Raises:
        FreeLBTuneError: a setting is wrong or GLUE's folder lacks a file.
    """
    data = data_settings(task, fields)
    train, dev = _whole(data)
    return Sizes(_cut(train, data.max_train_examples), _cut(dev, data.max_eval_examples))


def _whole(data: DataSettings) -> tuple[int | None, int | None]:
    if data.source == "files":
        if data.file is not None:
            whole = _rows(Path(data.file), data.form)
            if whole is None:
                return None, None
            share = ceil((data.dev_share or 0) * whole)  # as scikit-learn cuts it
            share = whole // data.folds if data.folds else share  # of a fold, to within a few
            return whole - share, share
        train, dev = (_rows(Path(str(each)), data.form) for each in (data.train, data.dev))
        return train, dev
    if data.source == "glue":
        header = 0 if glue_folder.LAYOUTS[data.task.name].bare else 1
        files = glue_folder.train_file(data), glue_folder.dev_files(data)["dev"]
        train, dev = (_lines(path) - header for path in files)
        return train, dev
    official = data.path is None and data.train is None and data.dev is None
    return (data.task.sizes if official else None) or (None, None)


def _cut(count: int | None, limit: int | None) -> int | None:
    return limit if count is not None and limit is not None and limit < count else count


def _lines(path: Path) -> int:
    with path.open("rb") as file:
        return sum(1 for line in file if line.strip())


def _rows(path: Path, form: Form) -> int | None:
    """Rows of an own file; None for a huge one, and for one that reading will refuse in words."""
    try:
        if os.path.getsize(path.expanduser()) > _LARGEST:
            return None
        return sum(1 for _ in read_table(path.expanduser(), form).rows)
    except (FreeLBTuneError, OSError):
        return None
