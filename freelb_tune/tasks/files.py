"""Files of rows, read with the line each row came from.

Room: tasks. A path in, rows as mappings from column to value out. CSV has its usual quoting; TSV
has none (a quote is a character like any other, as in GLUE's files); JSON Lines; Parquet.
"""

import csv
import io
import itertools
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from freelb_tune.errors import FreeLBTuneError

__all__ = ["Problems", "Table", "name_columns", "read_table", "read_text", "split_tabs"]

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
    """

    place: str
    columns: tuple[str, ...]
    rows: Iterator[tuple[int, Row]]
    unit: str = "line"

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


def read_text(path: Path) -> str:
    """A UTF-8 file's text, without a byte order mark; line ends as they are.

    Raises:
        FreeLBTuneError: the file is missing or in another encoding (says line and byte).
    """
    try:
        content = path.read_bytes()
    except OSError as err:
        raise FreeLBTuneError(f"{path}: cannot be read: {err.strerror or err}") from err
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as err:
        line = content.count(b"\n", 0, err.start) + 1
        hint = "UTF-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "another encoding"
        raise FreeLBTuneError(
            f"{path}: line {line}: byte 0x{content[err.start]:02x} is not UTF-8; the file is in "
            f"{hint}, save it as UTF-8 (iconv -f LATIN1 -t UTF-8, or the encoding it has)"
        ) from err


def split_tabs(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Each line's number and its fields, split at tabs alone; empty lines are left out."""
    for number, line in enumerate(io.StringIO(read_text(path), newline=None), start=1):
        text = line.removesuffix("\n")
        if text:
            yield number, text.split("\t")


def name_columns(
    place: str,
    lines: Iterator[tuple[int, list[str]]],
    columns: tuple[str, ...] = (),
    too_long: str = "",
) -> Table:
    """A table of split lines. The first line names the columns unless `columns` does.

    Args:
        place: the file, for messages.
        lines: number and fields of each line.
        columns: the columns' names, where the file has no header.
        too_long: why a line may have more fields than there are columns, for the message that
            refuses it; "" leaves what is over unread, as GLUE's own readers do.

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

    return Table(place, columns, itertools.starmap(row, lines))


def _tsv(path: Path) -> Table:
    return name_columns(str(path), split_tabs(path), too_long="a text can hold no tab here")


def _csv(path: Path) -> Table:
    reader = csv.reader(io.StringIO(read_text(path), newline=""), strict=True)

    def lines() -> Iterator[tuple[int, list[str]]]:
        while True:
            start = reader.line_num + 1
            try:
                fields = next(reader)
            except StopIteration:
                return
            except csv.Error as err:
                raise FreeLBTuneError(
                    f"{path}: line {start}: {err}; a field with a quote in it is quoted and its "
                    "quotes doubled. A file without quoting is a .tsv"
                ) from err
            if fields:
                yield start, fields

    return name_columns(str(path), lines(), too_long="a text with a comma in it stands in quotes")


def _json_lines(path: Path) -> Table:
    lines = enumerate(io.StringIO(read_text(path), newline=None), start=1)

    def rows() -> Iterator[tuple[int, Row]]:
        for number, line in lines:
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except json.JSONDecodeError as err:
                raise FreeLBTuneError(f"{path}: line {number}: not JSON: {err.msg}") from err
            if not isinstance(row, dict):
                raise FreeLBTuneError(
                    f"{path}: line {number}: expected one JSON object a line, got "
                    f"{type(row).__name__}; JSON Lines has no list around its rows"
                )
            yield number, row

    stream = rows()
    first = next(stream, None)
    if first is None:
        raise FreeLBTuneError(f"{path}: the file is empty; expected one JSON object a line")
    columns = tuple(first[1])
    missing: Row = dict.fromkeys(columns)

    def whole() -> Iterator[tuple[int, Row]]:
        yield first
        for number, row in stream:
            yield number, {**missing, **row}

    return Table(str(path), columns, whole())


def _parquet(path: Path) -> Table:
    import pyarrow as pa  # type: ignore[import-untyped]
    import pyarrow.parquet as pq  # type: ignore[import-untyped]

    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowException) as err:
        raise FreeLBTuneError(f"{path}: not a Parquet file that can be read: {err}") from err
    rows = enumerate(table.to_pylist(), start=1)
    return Table(str(path), tuple(table.column_names), rows, unit="row")


_READERS: dict[str, Callable[[Path], Table]] = {
    ".csv": _csv,
    ".tsv": _tsv,
    ".jsonl": _json_lines,
    ".ndjson": _json_lines,
    ".json": _json_lines,
    ".parquet": _parquet,
}


def read_table(path: Path) -> Table:
    """A file's rows, read by its ending.

    Raises:
        FreeLBTuneError: the file is missing, empty, of an unknown ending, in another encoding,
            or broken. Some of it only when the rows are read.
    """
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        known = ", ".join(_READERS)
        raise FreeLBTuneError(f"{path}: unknown ending {path.suffix!r}; files end in {known}")
    if not path.is_file():
        told = "is a folder; name a file" if path.is_dir() else "no such file"
        raise FreeLBTuneError(f"{path}: {told}")
    return reader(path)
