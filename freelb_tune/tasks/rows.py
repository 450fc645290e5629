"""From a file's rows to checked examples: texts that say something, labels that are known.

Room: tasks. A `Table` in, `Rows` out.
"""

import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from freelb_tune.errors import FreeLBTuneError
from freelb_tune.tasks.table import Problems, Table

__all__ = [
    "Reading",
    "Rows",
    "collect",
    "infer_labels",
    "label_number",
    "label_text",
    "real_number",
]


_HALF = re.compile("[\ud800-\udfff]")  # what JSON can write and UTF-8 cannot


@dataclass
class Rows:
    """Examples of one set, in the file's order.

    Attributes:
        texts: one list per text column, all of one length.
        labels: class numbers or real values; empty where the set has none (a test set).
        index: the rows' own numbers in a test set, else empty.
        skipped: broken rows left out, where the task's files are known to have them.
        empty: examples kept with an empty text, where the task's files are known to have them.
        notes: how the file was read, where that was guessed.
    """

    texts: tuple[list[str], ...]
    labels: list[float] = field(default_factory=list)
    index: list[int] = field(default_factory=list)
    skipped: int = 0
    empty: int = 0
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.texts[0])


@dataclass(frozen=True)
class Reading:
    """How a table's rows become examples.

    Attributes:
        text: the text columns, one or two.
        label: the label's column; None reads none.
        number: turns a label's cell into its number; raises ValueError with what is wrong.
        index: the column with the rows' own numbers; None reads none.
        lenient: a row that lacks a column or its label is skipped and counted, and an empty text
            is kept and counted. QQP only: its files have both, and the Hub's rows come about so.
    """

    text: tuple[str, ...]
    label: str | None
    number: Callable[[Any], float]
    index: str | None = None
    lenient: bool = False


def label_text(value: Any) -> str:
    """A label's cell as text: 1, 1.0, "1" and " 1 " are the same label; true is "true"."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()


def label_number(labels: tuple[str, ...], numbers: bool) -> Callable[[Any], float]:
    """A function from a label's cell to its place in `labels`; ValueError says what is known.

    Args:
        labels: the task's, in order.
        numbers: whether a cell may also give the place itself, as the Hub's rows do.
    """
    places = {label: place for place, label in enumerate(labels)}
    known = ", ".join(labels[:20]) + (", ..." if len(labels) > 20 else "")
    if numbers:
        places |= {str(place): place for place in range(len(labels))}
        known += f", or 0 to {len(labels) - 1}"

    def number(value: Any) -> float:
        text = label_text(value)
        if text in places:
            return places[text]
        raise ValueError(f"label {text!r} is not one of the task's; known: {known}")

    return number


def real_number(value: Any) -> float:
    """A regression target's cell as a finite number; ValueError says what it is instead."""
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"target {label_text(value)!r} is not a number")
    return number


def infer_labels(values: Iterable[Any], place: str) -> tuple[str, ...]:
    """The labels that occur, sorted: by value where all are whole numbers, else by text.

    Raises:
        FreeLBTuneError: fewer than two occur.
    """
    found = {label_text(value) for value in values} - {""}
    if len(found) < 2:
        said = ", ".join(repr(label) for label in found) or "none"
        raise FreeLBTuneError(
            f"{place}: a classification needs two labels or more, found {said}; "
            "is data.label the right column?"
        )
    try:
        return tuple(sorted(found, key=int))
    except ValueError:
        return tuple(sorted(found))


def collect(table: Table, reading: Reading) -> Rows:
    """Check every row and make the examples.

    Raises:
        FreeLBTuneError: no rows; an empty text, an unknown label or a target that is no number,
            each with its line; the first few of a file are listed, all are counted.
    """
    rows = Rows(tuple([] for _ in reading.text), notes=table.notes)
    problems = Problems(table.place, table.unit)
    for number, row in table.rows:
        texts = [row.get(name) for name in reading.text]
        label = row.get(reading.label) if reading.label else None
        cells = [*texts, label] if reading.label else texts
        if reading.lenient and (None in cells or (reading.label and label == "")):
            rows.skipped += 1
            continue
        wrong = _wrong_text(reading, texts)
        if wrong and not (reading.lenient and None not in texts):
            problems.add(number, wrong)
            continue
        try:
            value = reading.number(label) if reading.label else None
            place = int(row[reading.index]) if reading.index else None
        except (TypeError, ValueError) as err:
            problems.add(number, str(err))
            continue
        rows.empty += wrong is not None
        for column, text in zip(rows.texts, texts, strict=True):
            column.append(str(text))
        if value is not None:
            rows.labels.append(value)
        if place is not None:
            rows.index.append(place)
    problems.raise_any()
    if not len(rows):
        raise FreeLBTuneError(f"{table.place}: the file holds no example; a set needs one or more")
    return rows


def _wrong_text(reading: Reading, texts: list[Any]) -> str | None:
    for name, text in zip(reading.text, texts, strict=True):
        if text is None:
            return f"no {name}: the row has fewer columns than it needs, or null there"
        if isinstance(text, dict | list | bytes):
            return f"{name} is a {type(text).__name__}; expected text"
        if not str(text).strip():
            return f"{name} is empty"
        if half := _HALF.search(str(text)):
            return (
                f"{name} has half a character at {half.start() + 1}, \\u{ord(half[0]):04x} (a lone "
                "surrogate, as where an emoji was cut in two); take it out"
            )
    return None
