"""Comma-separated values that pandas reads with the right types and spreadsheets read safely.

Room: results. Numbers stay numbers; text that a spreadsheet would run as a formula gets an
apostrophe in front (OWASP, "CSV Injection").
"""

import csv
import io
import json
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Any, TypeVar

from freelb_tune.results.tables.columns.column import Column, Dtype

__all__ = ["columns_to_csv", "to_csv"]

Row = TypeVar("Row")

# what begins a formula; the last four are the wide forms that spreadsheets also take
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def to_csv(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Write rows of values; None is an empty field, lists and mappings are JSON."""
    return _csv(header, (map(_field, row) for row in rows))


def columns_to_csv(columns: Sequence[Column[Row]], rows: Sequence[Row]) -> str:
    """The same by declared columns: most are of numbers, which need no look."""
    looked = []
    for each in columns:
        values, look = map(each.value, rows), _LOOKS.get(each.dtype)
        looked.append(values if look is None else map(look, values))
    return _csv([each.name for each in columns], zip(*looked, strict=True))


def _csv(header: Sequence[str], rows: Iterable[Iterable[Any]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([_field(name) for name in header])
    writer.writerows(rows)
    return text.getvalue()


def _field(value: Any) -> Any:
    """A value as it stands in the file."""
    if isinstance(value, (list, dict, tuple)):  # a union of types takes twice as long
        value = json.dumps(value)
    return _safe(value) if isinstance(value, str) else value


@lru_cache(maxsize=1024)  # an id stands in a row for each epoch
def _safe(text: str | None) -> str | None:
    if text is None:
        return None
    safe = f"'{text}" if text.startswith(_FORMULA) else text
    # Python 3.11 leaves a bare carriage return unquoted, and readers would end the row there
    return safe.replace("\r\n", "\n").replace("\r", "\n")


_LOOKS: dict[Dtype, Callable[[Any], Any]] = {"string": _safe, "object": _field}
