"""What a cell says of several labels, each of them yes or no: a list, or one column for each.

Room: tasks. Cells in, a row of 0 and 1 out.

Letters used below: N examples, C labels.
"""

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from freelb_tune.space.settings.sections import DataFields
from freelb_tune.tasks.definitions.task import Task
from freelb_tune.tasks.reading.labels import (
    infer_labels,
    label_number,
    label_text,
    literal,
    real_number,
)
from freelb_tune.tasks.reading.rows import Label
from freelb_tune.tasks.reading.table import Table

__all__ = ["find_sets", "label_reader", "labels_in", "names_in", "strata"]

_FORMS = 'a list, such as ["a", "b"] or [], or data.label: [COLUMN, ...] with 0 and 1 in each'
_SWITCHES = {"0": 0.0, "1": 1.0, "false": 0.0, "true": 1.0, "0.0": 0.0, "1.0": 1.0}


def label_reader(
    task: Task, data: DataFields, labels: tuple[str, ...] | None, *, numbers: bool
) -> Callable[[Any], Label]:
    """A function from what a row has for a label to what is learnt.

    Args:
        task: what is learnt.
        data: says which columns, and what becomes of other spellings.
        labels: their names in order; None or none where real values are learnt.
        numbers: whether a cell may also give a label's place, as the Hub's rows do.
    """
    if not labels:
        return real_number
    if isinstance(data.label, list):
        return _switches(data.label)
    number = label_number(labels, numbers, data.alike_labels)
    return _set_numbers(len(labels), number) if task.kind == "multi_label" else number


def names_in(table: Table, task: Task, data: DataFields) -> tuple[str, ...]:
    """The labels of a training table: those that occur, or the names of their columns.

    Raises:
        FreeLBTuneError: as `infer_labels`.
    """
    if isinstance(data.label, list):
        return tuple(data.label)
    column = data.label or "label"
    if task.kind == "multi_label":
        return infer_labels(table, column, data.alike_labels, labels_in)
    return infer_labels(table, column, data.alike_labels)


def labels_in(value: Any) -> list[Any]:
    """The labels of one example: of a list, or of a list that was written as text.

    Raises:
        ValueError: it is no list, with what may stand there.
    """
    if isinstance(value, str) and value.strip():
        value = _listed(value.strip())
    if isinstance(value, list | tuple | set):
        return list(value)
    said = "null or empty" if value is None or value == "" else f"{value!r}"
    raise ValueError(f"the labels are {said}; expected {_FORMS}")


def _set_numbers(count: int, place_of: Callable[[Any], float]) -> Callable[[Any], list[float]]:
    def row(value: Any) -> list[float]:
        found = {int(place_of(each)) for each in labels_in(value)}
        return [float(place in found) for place in range(count)]

    return row


def _switches(columns: Sequence[str]) -> Callable[[Any], list[float]]:
    def row(cells: Any) -> list[float]:
        found = [_SWITCHES.get(str(cell).strip().lower()) for cell in cells]
        for name, cell, value in zip(columns, cells, found, strict=True):
            if value is None:
                said = "null or empty" if cell in (None, "") else f"{cell!r}"
                raise ValueError(f"{name} is {said}; a column of data.label holds 0 or 1")
        return [value for value in found if value is not None]

    return row


def find_sets(
    columns: Sequence[str], rows: Sequence[Mapping[str, Any]]
) -> tuple[str | list[str], Counter[str]] | None:
    """Where a file that nobody has described has several labels for an example.

    Returns:
        A column of lists, or several columns of 0 and 1, and how many rows have each label; None
        where there are none.
    """
    for name in columns:
        try:
            texts = [[label_text(each) for each in labels_in(row[name])] for row in rows]
        except ValueError:
            continue
        counts = Counter(text for row in texts for text in dict.fromkeys(row))
        if len(counts) > 1:
            return name, counts
    found = {}
    for name in columns:
        seen = Counter(_SWITCHES.get(str(row[name]).strip().lower()) for row in rows)
        if set(seen) == {0.0, 1.0}:
            found[name] = seen[1.0]
    return (list(found), Counter(found)) if len(found) > 1 else None


def strata(labels: Sequence[Any], share: float) -> list[str]:
    """What a cut keeps the shares of: each set of labels, the rare ones together.

    Args:
        labels: 0 or 1 for each label, `(N, C)`.
        share: of the rows that are cut off; a set with too few rows for one there is rare.
    """
    names = ["".join(str(int(each)) for each in row) for row in labels]
    counts = Counter(names)
    enough = max(2.0, 1 / min(share, 1 - share))
    order = sorted(counts, key=lambda name: (counts[name], name))
    rare = [name for name in order if counts[name] < enough]
    if 0 < sum(counts[name] for name in rare) < enough:
        rare = order[: len(rare) + 1]
    return ["rare" if name in rare else name for name in names]


def _listed(text: str) -> Any:
    """What JSON's or Python's writing of a list says; the text itself where it is none."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = literal(text)
    return value if isinstance(value, list) else text
