"""A file to be predicted: its texts and, where it has them, its labels; and writing it again.

Room: tasks. A path in, every column out as it came.
"""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from freelb_tune.errors import FreeLBTuneError
from freelb_tune.space.settings.sections import DataFields
from freelb_tune.tasks.definitions.task import Task
from freelb_tune.tasks.reading.files import delimited_kind, read_table
from freelb_tune.tasks.reading.label_sets import label_reader
from freelb_tune.tasks.reading.labels import real_number
from freelb_tune.tasks.reading.rows import Label, Reading, collect
from freelb_tune.tasks.reading.table import Problems, Table
from freelb_tune.tasks.sources.glue_folder import LAYOUTS

__all__ = ["Unseen", "check_target", "columns_of", "read_unseen", "write_rows"]

_ENDINGS = (".csv", ".tsv", ".jsonl")


@dataclass(frozen=True)
class Unseen:
    """A file's rows.

    Attributes:
        columns: in the file's order.
        rows: every cell as it came.
        texts: one or two a row, as the model reads them.
        labels: the class's place in the model's labels, the value, or 0 or 1 for each of several
            labels; None for a row without one, and for all where the file has no such column.
        note: a sentence where the file has only some of the label columns; else empty.
    """

    columns: tuple[str, ...]
    rows: tuple[Mapping[str, Any], ...]
    texts: tuple[tuple[str, ...], ...]
    labels: tuple[Label | None, ...]
    note: str = ""


def read_unseen(path: Path, task: Task, data: DataFields, labels: tuple[str, ...] | None) -> Unseen:
    """Read a file for a model.

    Args:
        path: CSV, TSV, JSON Lines or Parquet.
        task: the model's.
        data: what the model's cell says; it names the columns.
        labels: the model's classes or labels in its own order; None for regression.

    Raises:
        FreeLBTuneError: the file is broken, has no such text column or a text that says nothing,
            or a label that is none of the model's; each with its line.
    """
    table = read_table(path.expanduser())
    numbered = list(table.rows)
    text, label = columns_of(task, data, table)
    table.require(text, "these are the columns that the model was trained on; rename yours")

    def again() -> Table:
        return Table(table.place, table.columns, iter(numbered), table.unit)

    texts = collect(again(), Reading(text, None, real_number, own=True)).texts
    found: list[Label | None] = [None] * len(numbered)
    wanted = (label,) if isinstance(label, str) else label
    absent, note = [name for name in wanted if name not in table.columns], ""
    if not absent:
        found = _labels(again(), label, task, data, labels)
    elif len(absent) < len(wanted):
        note = (
            f"{path}: no scores, as it has {len(wanted) - len(absent)} of the {len(wanted)} label "
            f"columns and lacks {', '.join(absent)}"
        )
    rows = tuple(row for _, row in numbered)
    return Unseen(table.columns, rows, tuple(zip(*texts, strict=True)), tuple(found), note)


def columns_of(
    task: Task, data: DataFields, table: Table
) -> tuple[tuple[str, ...], str | tuple[str, ...]]:
    """The text columns and the label's: the cell's, the Hub's or those of GLUE's own files."""
    named = (data.text,) if isinstance(data.text, str) else tuple(data.text or ())
    there, layout = set(table.columns), LAYOUTS.get(task.name)
    if not named and layout is not None and set(layout.text) <= there:
        is_hubs = set(task.columns) <= there  # whose names GLUE's own files have, but the label's
        if not is_hubs or ("label" not in there and layout.label in there):
            return layout.text, layout.label
    label = tuple(data.label) if isinstance(data.label, list) else data.label or "label"
    return named or task.columns, label


def _labels(
    table: Table,
    column: str | tuple[str, ...],
    task: Task,
    data: DataFields,
    labels: tuple[str, ...] | None,
) -> list[Label | None]:
    known = task.labels or labels
    read = label_reader(task, data, known, numbers=bool(task.labels))
    reading = Reading((), column, read)
    problems = Problems(table.place, table.unit)
    found: list[Label | None] = []
    for line, row in table.rows:
        cell = reading.cell(row)
        value = None
        if any(str(each).strip() for each in _cells(cell) if each is not None):
            try:
                value = read(cell)
            except ValueError as err:
                problems.add(line, f"{err} (rename the column {column!r} to predict without it)")
        if value is not None and known and labels:
            value = _in_order(value, known, labels)
        found.append(value)
    problems.raise_any()
    return found


def _cells(cell: Any) -> list[Any]:
    """The cells that a label is read from; an empty list is one, and says something."""
    return cell if isinstance(cell, list) and cell else [cell]


def _in_order(value: Label, known: Sequence[str], labels: Sequence[str]) -> Label:
    """A label by the model's order in place of the task's."""
    if isinstance(value, list):
        return [value[known.index(label)] for label in labels]
    return float(labels.index(known[int(value)]))


def check_target(path: Path) -> None:
    """Refuse a file that could not be written.

    Raises:
        FreeLBTuneError: another ending than .csv, .tsv or .jsonl, or no such folder.
    """
    if path.suffix.lower() not in _ENDINGS:
        raise FreeLBTuneError(f"{path}: unknown ending; write to one of {', '.join(_ENDINGS)}")
    if not path.absolute().parent.is_dir():
        raise FreeLBTuneError(f"{path}: there is no folder {path.parent}; make it")


def _cell(value: Any) -> Any:
    """A cell of a CSV: lists and mappings as JSON has them."""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list | dict) else value


def write_rows(path: Path, columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows as the path's ending says, whole or not at all.

    Raises:
        FreeLBTuneError: as `check_target`, or the disk refuses.
    """
    check_target(path)
    kind = delimited_kind(path) or "jsonl"
    out = io.StringIO(newline="")
    if kind == "jsonl":
        lines = (json.dumps(dict(row), ensure_ascii=False, default=str) for row in rows)
        out.writelines(f"{line}\n" for line in lines)
    else:
        writer = csv.writer(out, delimiter="," if kind == "csv" else "\t", lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([_cell(row.get(name)) for name in columns] for row in rows)
    draft = path.with_name(f".{path.name}.new")
    try:
        draft.write_text(out.getvalue(), "utf-8", newline="")
        draft.replace(path)
    except OSError as err:
        raise FreeLBTuneError(f"{path}: cannot be written: {err.strerror or err}") from err
