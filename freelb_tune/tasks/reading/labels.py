"""What a label's cell says, and whether two spellings are probably one class.

Room: tasks. Cells in, class names and numbers out.
"""

import ast
import math
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from freelb_tune.errors import FreeLBTuneError, counted
from freelb_tune.tasks.reading.table import Problems, Table

__all__ = [
    "Alike",
    "fold_label",
    "half_character",
    "infer_labels",
    "is_missing",
    "label_number",
    "label_text",
    "literal",
    "real_number",
]

Alike = Literal["merge", "keep"]

_MISSING = {"nan", "<na>"}  # what pandas and numpy write for a cell that is not there
_KINDS: dict[type, str] = {
    list: "a list",
    tuple: "a list",
    set: "a list",
    dict: "a mapping",
    bytes: "bytes",
}
_NUMBER = r"[+-]?(?:0|(?!0)\d+)(?:\.\d+)?(?:[eE][+-]?\d{1,3})?"  # 01 is a code, and no number
_HALF = re.compile("[\ud800-\udfff]")
_SEVERAL = " (several labels for an example are task: multi_label_classification)"
_SHOWN = 5  # groups of labels, and labels of a group, that a message lists
_LONGEST = 40  # letters of a target that a message shows
_MERGE = "data.alike_labels: merge"


def label_text(value: Any) -> str:
    """A label's cell as text: 1, 1.0, "1" and " 1 " are the same label; true is "true".

    Raises:
        ValueError: it is no one label, with what it is instead.
    """
    if value is None:
        raise ValueError("the label is null, or the row has fewer columns than it needs")
    if isinstance(value, tuple(_KINDS)):
        more = _SEVERAL if _KINDS[type(value)] == "a list" else ""
        raise ValueError(f"the label is {_KINDS[type(value)]}; expected one text or number{more}")
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    text = str(value).strip()
    if not text:
        raise ValueError("the label is empty")
    if is_missing(value) or text.lower() == "null":
        raise ValueError(f"the label is {text}, which stands for no value; take the row out")
    if isinstance(value, float) and math.isinf(value):
        raise ValueError(f"the label is {text}, a number too large to be one; write it as text")
    if half := half_character(text):
        raise ValueError(f"the label has {half}")
    written = literal(text)
    if isinstance(written, tuple(_KINDS)):
        kind = _KINDS[type(written)]
        more = _SEVERAL if kind == "a list" else ""
        raise ValueError(f"the label {text!r} is {kind} in text; expected one text or number{more}")
    return text


def half_character(text: str) -> str | None:
    """What to say of half a character in a text, which JSON can write and UTF-8 cannot."""
    found = _HALF.search(text)
    if not found:
        return None
    return (
        f"half a character at {found.start() + 1}, \\u{ord(found[0]):04x} (a lone surrogate, as "
        "where an emoji was cut in two); take it out"
    )


def is_missing(value: Any) -> bool:
    """Whether a cell is a NaN, or a text that libraries write for one."""
    if isinstance(value, float):
        return math.isnan(value)
    return isinstance(value, str) and value.strip().lower() in _MISSING


def literal(text: str) -> Any:
    """What Python's own writing of a list, a mapping or bytes says, as pandas puts it in a CSV."""
    if text[0] not in "[{(b":
        return None
    try:
        value = ast.literal_eval(text)
        return list(value) if isinstance(value, tuple | set) else value
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None


def label_number(
    labels: tuple[str, ...], numbers: bool, alike: Alike | None = None
) -> Callable[[Any], float]:
    """A function from a label's cell to its place in `labels`; ValueError says what is known.

    Args:
        labels: the task's, in order.
        numbers: whether a cell may also give the place itself, as the Hub's rows do.
        alike: "merge" also takes another spelling of a label.
    """
    places = {label: place for place, label in enumerate(labels)}
    known = ", ".join(labels[:20]) + (", ..." if len(labels) > 20 else "")
    if numbers:
        places |= {str(place): place for place in range(len(labels))}
        known += f", or 0 to {len(labels) - 1}"
    folded = {fold_label(label): label for label in reversed(labels)}

    def number(value: Any) -> float:
        text = label_text(value)
        if text in places:
            return places[text]
        near = folded.get(fold_label(text))
        if near is not None and alike == "merge":
            return places[near]
        hint = ""
        if near is not None and alike is None:
            hint = f"; it differs from {_shown(near)} by {_difference([text, near])} alone, and "
            hint += f"{_MERGE} reads it so"
        raise ValueError(f"label {_shown(text)} is not one of the task's; known: {known}{hint}")

    return number


def real_number(value: Any) -> float:
    """A regression target's cell as a finite number; ValueError says what it is instead."""
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        said = "" if value is None else str(value).strip()[:_LONGEST]
        raise ValueError(f"target {said!r} is not a number")
    return number


@dataclass
class _Seen:
    """One spelling: how often it occurs, and first where."""

    first: int
    count: int = 0


def infer_labels(
    table: Table,
    column: str,
    alike: Alike | None = None,
    apart: Callable[[Any], Sequence[Any]] = lambda cell: [cell],
) -> tuple[str, ...]:
    """The labels that occur, sorted: by value where all are whole numbers, else by text.

    Args:
        table: its rows are read.
        column: the label's.
        alike: what becomes of spellings that are probably one class: "merge" makes one class of
            them, named as most rows have it; "keep" leaves them apart; None refuses them.
        apart: the labels that a cell holds.

    Raises:
        FreeLBTuneError: cells that are no label, each with its line; spellings that are probably
            one class; fewer than two labels.
    """
    seen: dict[str, _Seen] = {}
    problems = Problems(table.place, table.unit)
    for number, row in table.rows:
        try:
            texts = [label_text(each) for each in apart(row.get(column))]
        except ValueError as err:
            problems.add(number, str(err))
            continue
        for text in texts:
            seen.setdefault(text, _Seen(number)).count += 1
    problems.raise_any()
    names = _one_each(seen, table, alike)
    if len(names) < 2:
        said = ", ".join(repr(label) for label in names) or "none"
        raise FreeLBTuneError(
            f"{table.place}: a classification needs two labels or more, found {said}; "
            "is data.label the right column?"
        )
    try:
        return tuple(sorted(names, key=int))
    except ValueError:
        return tuple(sorted(names))


def _one_each(seen: Mapping[str, _Seen], table: Table, alike: Alike | None) -> list[str]:
    """One name for each class."""
    groups: dict[str, list[str]] = {}
    for text in seen:
        groups.setdefault(fold_label(text), []).append(text)
    several = [group for group in groups.values() if len(group) > 1]
    if alike == "merge":
        return [_name(group, seen) for group in groups.values()]
    if several and alike is None:
        raise FreeLBTuneError(_told(several, seen, table))
    return list(seen)


def _name(group: Sequence[str], seen: Mapping[str, _Seen]) -> str:
    """The spelling of most rows; of equals one of plain letters, then the shortest."""
    return max(group, key=lambda text: (seen[text].count, text.isascii(), -len(text), text))


def _told(groups: list[list[str]], seen: Mapping[str, _Seen], table: Table) -> str:
    lines = []
    for group in groups[:_SHOWN]:
        spellings = ", ".join(
            f"{_shown(text)} ({counted(seen[text].count, 'row')}, first in {table.unit} "
            f"{seen[text].first})"
            for text in group[:_SHOWN]
        )
        lines.append(f"  {spellings}: they differ by {_difference(group)} alone")
    if len(groups) > _SHOWN:
        lines.append(f"  and {len(groups) - _SHOWN} more")
    what = "these labels are" if len(groups) == 1 else "each of these groups of labels is"
    head = f"{table.place}: {what} probably one class, and would be trained as several"
    advice = f"  {_MERGE} makes one class of them; data.alike_labels: keep trains them as they are"
    return "\n".join([head, *lines, advice])


def _without_invisible(text: str) -> str:
    kinds = ((letter, unicodedata.category(letter)) for letter in text)
    return "".join(a for a, kind in kinds if kind != "Cf" and (kind != "Cc" or a.isspace()))


def _as_number(text: str) -> str:
    text = {"true": "1", "false": "0"}.get(text.lower(), text)
    if len(text) > _LONGEST or not re.fullmatch(_NUMBER, text):
        return text
    number = Decimal(text)
    return f"{number.normalize():f}" if number else "0"


_FOLDS: dict[str, Callable[[str], str]] = {
    "invisible characters": _without_invisible,
    "case": str.casefold,
    "Unicode form": lambda text: unicodedata.normalize("NFKC", text),
    "spaces": lambda text: " ".join(text.split()),
    "the way a number is written": _as_number,
}
"""In order, what two spellings of one class may differ by, and how each is taken away."""


def fold_label(text: str, without: str = "") -> str:
    """What two spellings of one class have in common."""
    for name, fold in _FOLDS.items():
        text = text if name == without else fold(text)
    return text


def _difference(spellings: Iterable[str]) -> str:
    """By which of the folds these differ: those that it takes to make one of them."""
    told = list(spellings)
    needed = [name for name in _FOLDS if len({fold_label(text, without=name) for text in told}) > 1]
    if needed:
        return " and ".join(needed)
    return next(name for name, fold in _FOLDS.items() if len({fold(text) for text in told}) == 1)


def _shown(text: str) -> str:
    """A label as it looks, and by its letters' numbers where the look may deceive."""
    return repr(text) if text.isascii() else f"{text!r} (that is {ascii(text)})"
