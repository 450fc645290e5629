"""One file's rows as mappings from column to value, and what is wrong with them.

Room: tasks. Knows no file format.
"""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from freelb_tune.errors import FreeLBTuneError

__all__ = ["Problems", "Row", "Table", "name_columns"]

Row = Mapping[str, Any]

_SHOWN = 5  # problems of one file that a message lists; the rest are counted


@dataclass(frozen=True)
class Table:
    """One file's rows.

    Attributes:
        place: the file, for messages.
        columns: in the file's order.
        rows: line (or row) number and the row's values by column; a cell that the row does not
            have is None. To be read once.
        unit: what the numbers count: "line", or "row" where a file has no lines.
        notes: how the file was read where that was guessed, in sentences for the user.
    """

    place: str
    columns: tuple[str, ...]
    rows: Iterator[tuple[int, Row]]
    unit: str = "line"
    notes: tuple[str, ...] = ()

    def require(self, names: tuple[str, ...], advice: str) -> None:
        """Raise unless every name is one column; `advice` says what to do where it is none."""
        missing = [name for name in names if name not in self.columns]
        if missing:
            found = ", ".join(repr(name) for name in self.columns) or "none"
            wanted = ", ".join(repr(name) for name in missing)
            raise FreeLBTuneError(
                f"{self.place}: no column {wanted}; the columns are {found}\n  {advice}"
            )
        twice = [name for name in names if self.columns.count(name) > 1]
        if twice:
            raise FreeLBTuneError(
                f"{self.place}: the header names {twice[0]!r} twice; rename one of the columns"
            )


@dataclass
class Problems:
    """All that is wrong with one file, raised together."""

    place: str
    unit: str = "line"
    first: list[str] = field(default_factory=list)
    count: int = 0

    def add(self, number: int, text: str) -> None:
        self.count += 1
        if len(self.first) < _SHOWN:
            self.first.append(f"  {self.unit} {number}: {text}")

    def raise_any(self) -> None:
        """Raise them, if there are any."""
        if not self.count:
            return
        lines = [f"{self.place}: {self.count} problem{'s' if self.count > 1 else ''}", *self.first]
        if self.count > len(self.first):
            lines.append(f"  and {self.count - len(self.first)} more")
        raise FreeLBTuneError("\n".join(lines))


def name_columns(
    place: str,
    lines: Iterator[tuple[int, list[str]]],
    columns: tuple[str, ...] = (),
    too_long: str = "",
    notes: tuple[str, ...] = (),
) -> Table:
    """A table of split lines. The first line names the columns unless `columns` does.

    Args:
        place: the file, for messages.
        lines: number and fields of each line.
        columns: the columns' names, where the file has no header.
        too_long: why a line may have more fields than there are columns, for the message that
            refuses it; "" leaves what is over unread, as GLUE's own readers do.
        notes: the table's.

    Raises:
        FreeLBTuneError: there is no first line, or (once the rows are read) a line is too long.
    """
    if not columns:
        columns = tuple(next(lines, (0, []))[1])
    if not columns:
        raise FreeLBTuneError(f"{place}: the file is empty; expected a header and rows")
    missing: Row = dict.fromkeys(columns)

    def row(number: int, fields: list[str]) -> tuple[int, Row]:
        if too_long and any(fields[len(columns) :]):
            raise FreeLBTuneError(
                f"{place}: line {number}: {len(fields)} fields, and the header names "
                f"{len(columns)}; {too_long}"
            )
        return number, {**missing, **dict(zip(columns, fields, strict=False))}

    return Table(place, columns, itertools.starmap(row, lines), notes=notes)
