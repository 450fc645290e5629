"""What can be seen of a file that nobody has described: its labels or values, and its texts.

Room: tasks. Rows in, records with sentences for the reader out.
"""

import math
import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from freelb_tune.errors import FreeLBTuneError
from freelb_tune.tasks.reading.delimited import read_text
from freelb_tune.tasks.reading.label_sets import find_sets
from freelb_tune.tasks.reading.labels import fold_label, is_missing

__all__ = ["Target", "Texts", "encoding_of", "one_line", "target_of", "texts_of"]

_LABELS = (
    *("label", "labels", "category", "class", "target", "intent", "sentiment", "topic"),
    *("gold_label", "kategorie", "klasse"),
)
_VALUES = (*_LABELS, "score", "rating", "stars", "similarity", "value", "bewertung")
_PAIRS = (
    ("premise", "hypothesis"),
    ("question", "sentence"),
    *((f"{name}{one}", f"{name}{two}")
      for name in ("sentence", "question", "text", "text_") for one, two in ("12", "ab")),
)  # fmt: skip
_MOST_CLASSES = 100
_SKEWED = 0.8  # of the rows in one class: a model that always says it is right so often
Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Target:
    """What is to be learnt.

    Attributes:
        column: the label's, or the value's; a list has one for each of several labels.
        is_real: whether it is a number to be met, and no class.
        told: what was seen of it, in a sentence.
        several: whether an example may have several labels.
        classes: how many; 0 for numbers.
        alike: spellings that are probably one class, for the reader; empty for none.
        skewed: which class most rows have, for the reader; empty where there is no such class.
    """

    column: str | list[str]
    is_real: bool
    told: str
    several: bool = False
    classes: int = 0
    alike: str = ""
    skewed: str = ""

    @property
    def task(self) -> str:
        """The word for it under `task`."""
        kind = "multi_label_classification" if self.several else "classification"
        return "regression" if self.is_real else kind

    @property
    def share(self) -> str:
        """What the dev set's share of the rows is drawn by, for the reader; empty for numbers."""
        each = "set of labels" if self.several else "label"
        return "" if self.is_real else f", each {each} with its share"


@dataclass(frozen=True)
class Texts:
    """What is read.

    Attributes:
        columns: one, or a pair.
        is_english: whether nearly all letters are ASCII.
        middle: words that half of the rows do not exceed.
        long: words that 95 % of the rows do not exceed.
        tokens: about how many of these 95 % of the rows do not exceed.
    """

    columns: list[str]
    is_english: bool
    middle: int
    long: int
    tokens: int


def encoding_of(path: Path) -> str | None:
    """None for UTF-8; else UTF-16 by its mark, or what Windows writes in the West."""
    if path.suffix.lower() == ".parquet" or not path.is_file():
        return None
    try:
        read_text(path)
    except FreeLBTuneError as err:
        if "is not UTF-8" not in str(err):
            raise
        return "utf-16" if "UTF-16" in str(err) else "cp1252"
    return None


def target_of(columns: Sequence[str], rows: Rows, path: Path) -> Target:
    """The column with a label's name, else the one with the fewest values that are not alone.

    Raises:
        FreeLBTuneError: no column looks like labels, or the file names no columns.
    """
    named = [name for name in columns if name.lower() in _LABELS]
    sets = find_sets(columns, rows)
    if sets and (isinstance(sets[0], str) or not named):
        return _several(*sets)
    cells = {name: [row[name] for row in rows if _is_there(row[name])] for name in columns}
    counts = {name: Counter(str(cell).strip() for cell in cells[name]) for name in columns}
    real = [name for name in columns if _is_real(cells[name], len(counts[name]))]
    named = [name for name in named if counts[name]]
    found = {
        name: len(each)
        for name, each in counts.items()
        if 2 <= len(each) <= min(_MOST_CLASSES, len(rows) // 2) and min(each.values()) > 1
    }
    values = [name for name in real if name.lower() in _VALUES] or real
    if named or found:
        column = named[0] if named else min(found, key=lambda name: found[name])
        if column not in real:
            return _classes(column, counts[column], path)
        values = [column]
    if not values:
        raise FreeLBTuneError(
            f"{path}: no column looks like labels: none has from 2 to {_MOST_CLASSES} values that "
            f"each occur twice or more; the columns are {', '.join(map(repr, columns))}"
        )
    numbers = [float(cell) for cell in cells[values[0]]]
    told = f"Values in {values[0]}: from {min(numbers):g} to {max(numbers):g}."
    return Target(values[0], True, one_line(told))


def _counts(counts: Counter[str]) -> str:
    """The labels and how often each occurs, the commonest first."""
    told = ", ".join(f"{name} {count}" for name, count in counts.most_common(20))
    return f"{told}, and {len(counts) - 20} more" if len(counts) > 20 else told


def _several(column: str | list[str], counts: Counter[str]) -> Target:
    """Several labels for an example."""
    where = f"in {column}" if isinstance(column, str) else "that have a column of 0 and 1 each"
    said = f"Labels {where}, of which a row may have several: {_counts(counts)}."
    return Target(column, False, one_line(said), several=True, classes=len(counts))


def _is_there(cell: Any) -> bool:
    return cell is not None and not is_missing(cell) and bool(str(cell).strip())


def _is_real(cells: Sequence[Any], values: int) -> bool:
    """Whether a column holds numbers of which some are not whole, and too many for classes."""
    try:
        numbers = [float(cell) for cell in cells if not isinstance(cell, bool)]
    except (TypeError, ValueError):
        return False
    return values > 10 and any(not number.is_integer() for number in numbers)


def _classes(column: str, counts: Counter[str], path: Path) -> Target:
    """A column of classes.

    Raises:
        FreeLBTuneError: its name is one of them, so that the file names no columns.
    """
    if column in counts:
        raise FreeLBTuneError(
            f"{path}: line 1 looks like a row and not like names, as its {column!r} is a value of "
            "other rows too; put a line before it with a name for each column, such as text,label"
        )
    groups: dict[str, list[str]] = {}
    for name in counts:
        groups.setdefault(fold_label(name), []).append(name)
    alike = [" and ".join(map(ascii, group)) for group in groups.values() if len(group) > 1]
    most, count = counts.most_common(1)[0]
    share = count / counts.total()
    skewed = f"{share:.0%} of the rows are {one_line(most)}: accuracy would say little"
    return Target(
        column,
        False,
        one_line(f"Labels in {column}: {_counts(counts)}."),
        classes=len(counts),
        alike=f"{'; '.join(alike[:3])}: one class each" if alike else "",
        skewed=skewed if share > _SKEWED and len(counts) > 1 else "",
    )


def texts_of(columns: Sequence[str], target: Target, rows: Rows, path: Path) -> Texts:
    """Look at the texts: which columns beside the target have them, and how long they are.

    Raises:
        FreeLBTuneError: there is no other column.
    """
    taken = [target.column] if isinstance(target.column, str) else target.column
    names = _text_columns([name for name in columns if name not in taken], rows, path)
    whole = [" ".join(str(row[name] or "") for name in names) for row in rows]
    sample = "".join(whole[:2000])
    is_english = sum(not letter.isascii() for letter in sample) < len(sample) / 200
    words = [len(text.split()) for text in whole]
    tokens = _most(_tokens(text, is_english) for text in whole)
    return Texts(names, is_english, int(statistics.median(words)), _most(words), tokens)


def _text_columns(columns: Sequence[str], rows: Rows, path: Path) -> list[str]:
    """Two columns that have the names of a pair, else the column with most words."""
    known = {name.lower(): name for name in columns}
    for pair in _PAIRS:
        if all(name in known for name in pair):
            return [known[name] for name in pair]
    texts = {name: " ".join(str(row[name] or "") for row in rows) for name in columns}
    if not texts:
        raise FreeLBTuneError(f"{path}: has no column of texts beside its labels")
    return [max(texts, key=lambda name: len(texts[name].split()) + _unspaced(texts[name]))]


def _most(numbers: Iterable[float]) -> int:
    """What 95 % of them do not exceed."""
    told = sorted(numbers)
    return math.ceil(told[(len(told) * 95 + 99) // 100 - 1])


def _tokens(text: str, is_english: bool) -> float:
    """About how many tokens a text has: a tokenizer cuts other languages' words more often."""
    unspaced = _unspaced(text)
    return unspaced + max(
        1.5 * len(text.split()), (len(text) - unspaced) / (4 if is_english else 3)
    )


def _unspaced(text: str) -> int:
    """Letters of a script that puts no spaces between words; each is a token."""
    return sum(letter >= "\u2e80" for letter in text)


def one_line(text: str) -> str:
    """A text as a comment may hold it."""
    return " ".join(text.split())
