"""From a file's rows to checked examples: texts that say something, labels that are known.

Room: tasks. A `Table` in, `Rows` out.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from freelb_tune.errors import FreeLBTuneError
from freelb_tune.tasks.reading.labels import half_character, is_missing
from freelb_tune.tasks.reading.table import Problems, Row, Table

__all__ = ["Label", "Reading", "Rows", "collect"]

Label = float | list[float]
"""A class number or a real value; with several labels, 0 or 1 for each."""


@dataclass
class Rows:
    """Examples of one set, in the file's order.

    Attributes:
        texts: one list per text column, all of one length.
        labels: of each example; empty where the set has none (a test set).
        index: the rows' own numbers in a test set, else empty.
        skipped: broken rows left out, where the task's files are known to have them.
        empty: examples kept with an empty text, where the task's files are known to have them.
        notes: how the file was read, where that was guessed.
    """

    texts: tuple[list[str], ...]
    labels: Sequence[Label] = field(default_factory=list)
    index: list[int] = field(default_factory=list)
    skipped: int = 0
    empty: int = 0
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.texts[0])

    def part(self, places: Sequence[int]) -> "Rows":
        """Some of the examples, by their places."""
        texts = tuple([column[place] for place in places] for column in self.texts)
        return Rows(texts, [self.labels[place] for place in places], notes=self.notes)


@dataclass(frozen=True)
class Reading:
    """How a table's rows become examples.

    Attributes:
        text: the text columns, one or two.
        label: the label's column, or one for each of several labels; None reads none.
        number: turns a label's cell, or the cells of several columns, into what is learnt; raises
            ValueError with what is wrong.
        index: the column with the rows' own numbers; None reads none.
        lenient: a row that lacks a column or its label is skipped and counted, and an empty text
            is kept and counted. QQP only: its files have both, and the Hub's rows come about so.
    """

    text: tuple[str, ...]
    label: str | tuple[str, ...] | None
    number: Callable[[Any], Label]
    index: str | None = None
    lenient: bool = False
    own: bool = False

    def cell(self, row: Row) -> Any:
        """What a row has for a label."""
        if isinstance(self.label, tuple):
            return [row.get(name) for name in self.label]
        return row.get(self.label) if self.label else None


def collect(table: Table, reading: Reading) -> Rows:
    """Check every row and make the examples.

    Raises:
        FreeLBTuneError: no rows; an empty text, an unknown label or a target that is no number,
            each with its line; the first few of a file are listed, all are counted.
    """
    labels: list[Label] = []
    rows = Rows(tuple([] for _ in reading.text), labels, notes=table.notes)
    problems = Problems(table.place, table.unit)
    for number, row in table.rows:
        texts = [row.get(name) for name in reading.text]
        label = reading.cell(row)
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
            labels.append(value)
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
        if reading.own and is_missing(text):
            return f"{name} is {text}, which stands for no value; take the row out"
        if not str(text).strip():
            return f"{name} is empty"
        if half := half_character(str(text)):
            return f"{name} has {half}"
    return None
