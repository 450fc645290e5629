"""A task's own files: their labels, their rows, and one of them cut in two.

Room: tasks. A data section in, `Rows` out; scikit-learn loads on use.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from freelb_tune.errors import FreeLBTuneError
from freelb_tune.tasks.reading.files import read_table
from freelb_tune.tasks.reading.label_sets import label_reader, names_in, strata
from freelb_tune.tasks.reading.rows import Reading, Rows, collect
from freelb_tune.tasks.reading.table import Table
from freelb_tune.tasks.sources.folds import cut_fold
from freelb_tune.tasks.sources.settings import DataSettings

__all__ = ["file_labels", "read_files", "read_labelled_test", "read_test_file"]


def read_files(data: DataSettings) -> tuple[Rows, Rows, tuple[str, ...] | None]:
    """The training set, the dev set and the labels.

    Raises:
        FreeLBTuneError: a file, a row or a label that cannot be read, or a file that cannot be cut.
    """
    labels = data.task.labels
    if data.task.kind != "regression" and labels is None:
        labels = file_labels(data)
    if data.file is not None:
        rows = _collect(data, data.file, labels)
        _check_targets(data, rows)
        cut = _cut if data.folds is None else cut_fold
        return *cut(data, rows, labels or ()), labels
    train, dev = (_collect(data, str(name), labels) for name in (data.train, data.dev))
    _check_targets(data, train)
    return train, dev, labels


def _check_targets(data: DataSettings, rows: Rows) -> None:
    """Refuse targets that are all the same, as one class alone is refused."""
    if data.task.kind == "regression" and len(rows) > 1 and len(set(map(str, rows.labels))) == 1:
        raise FreeLBTuneError(
            f"{data.file or data.train}: every target is {rows.labels[0]}, so that there is "
            "nothing to learn; is data.label the right column?"
        )


def read_test_file(data: DataSettings) -> Rows:
    """The rows of `data.test` with their numbers; labels are not read.

    Raises:
        FreeLBTuneError: as `read_files`.
    """
    table = _open(data, str(data.test), ())
    rows = collect(table, Reading(data.columns, None, float, own=True))
    rows.index = list(range(len(rows)))
    return rows


def read_labelled_test(
    data: DataSettings, labels: tuple[str, ...] | None
) -> tuple[Rows | None, str]:
    """The rows of `data.test` with their labels, which are scored at a search's planned end.

    Returns:
        None where the file has no labels, or none that training knows; then also why.

    Raises:
        FreeLBTuneError: as `read_test_file`.
    """
    table = _open(data, str(data.test), ())
    absent = [name for name in data.label_columns if name not in table.columns]
    if absent:
        return None, ""
    read_test_file(data)
    try:
        return _collect(data, str(data.test), labels), ""
    except FreeLBTuneError as err:
        return None, f"data.test is not scored, as its labels do not fit: {err}"


def file_labels(data: DataSettings) -> tuple[str, ...]:
    """The labels of the training file, in order.

    Raises:
        FreeLBTuneError: they cannot be read.
    """
    table = _open(data, str(data.file or data.train), data.label_columns)
    return names_in(table, data.task, data)


def _open(data: DataSettings, name: str, labels: tuple[str, ...]) -> Table:
    table = read_table(Path(name).expanduser(), data.form)
    advice = "data.text and data.label name the columns to read"
    table.require((*data.columns, *labels), advice)
    return table


def _collect(data: DataSettings, name: str, labels: tuple[str, ...] | None) -> Rows:
    table = _open(data, name, data.label_columns)
    number = label_reader(data.task, data, labels, numbers=bool(data.task.labels))
    return collect(table, Reading(data.columns, data.label_column, number, own=True))


def _cut(data: DataSettings, rows: Rows, names: Sequence[str]) -> tuple[Rows, Rows]:
    """One file's rows as train and dev, each in the file's order.

    Raises:
        FreeLBTuneError: a class has too few rows, or a set would have none of it.
    """
    from sklearn.model_selection import train_test_split

    kept: Sequence[Any] | None = None  # whose shares are
    alone: list[str] = []
    if data.task.kind == "multi_label":
        kept = strata(rows.labels, data.dev_share or 0.5)
    elif data.task.kind == "classification":
        kept = rows.labels
        alone = [name for place, name in enumerate(names) if list(kept).count(place) == 1]
    if alone:
        raise FreeLBTuneError(
            f"data.dev_share: {data.file} has only one row of the label {alone[0]!r}"
            f"{f' and of {len(alone) - 1} more' if alone[1:] else ''}; a label needs two, one to "
            "train on and one for dev: add rows, take these out, or name data.train and data.dev"
        )
    try:
        parts = train_test_split(
            range(len(rows)),
            test_size=data.dev_share,
            random_state=data.split_seed or 0,
            stratify=kept,
        )
    except ValueError as err:
        raise FreeLBTuneError(
            f"data.dev_share: {data.file} cannot be cut so that each label is in both parts: {err}"
        ) from err
    train, dev = (rows.part(sorted(places)) for places in parts)
    said = f"{data.file}: cut into {len(train)} rows to train on and {len(dev)} for dev"
    train.notes += (f"{said} (data.dev_share {data.dev_share:g}, seed {data.split_seed or 0})",)
    return train, dev
