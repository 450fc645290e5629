"""Comma-separated values that pandas reads with the right types and spreadsheets read safely.

Room: results. Numbers stay numbers; text that a spreadsheet would run as a formula gets an
apostrophe in front (OWASP, "CSV Injection").
"""

import csv
import io
import json
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

__all__ = ["to_csv"]

# what begins a formula; the last four are the wide forms that spreadsheets also take
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")

_PLAIN = {float, int, type(None)}  # most values of a large search, which need no look


def to_csv(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Write rows of values; None is an empty field, lists and mappings are JSON."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([_field(name) for name in header])
    writer.writerows([v if type(v) in _PLAIN else _field(v) for v in row] for row in rows)
    return text.getvalue()


def _field(value: Any) -> Any:
    """A value as it stands in the file."""
    if isinstance(value, (list, dict, tuple)):  # a union of types takes twice as long
        value = json.dumps(value)
    return _safe(value) if isinstance(value, str) else value


@lru_cache(maxsize=1024)  # an id stands in a row for each epoch
def _safe(text: str) -> str:
    safe = f"'{text}" if text.startswith(_FORMULA) else text
    # Python 3.11 leaves a bare carriage return unquoted, and readers would end the row there
    return safe.replace("\r\n", "\n").replace("\r", "\n")
