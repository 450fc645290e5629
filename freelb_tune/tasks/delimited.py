"""CSV and TSV, with the separator and the quoting that a file really has.

Room: tasks. A path in, a `Table` out. A CSV has quoting, and its separator is read from its
header. A TSV has none (a quote is a character like any other, as in GLUE's files) unless the file
shows that it was written with quoting, as pandas and spreadsheets do.
"""

import csv
import gzip
import io
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from freelb_tune.errors import FreeLBTuneError, counted
from freelb_tune.tasks.table import Table, name_columns

if TYPE_CHECKING:
    import _csv

__all__ = ["Dialect", "find_dialect", "read_delimited", "read_text", "split_tabs"]

_SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
_QUOTED_FIELD = re.compile(r'(?:^|(?<=[\t\n]))"([^"]*(?:""[^"]*)*)"(?=\t|\r?\n|\Z)')
_LONGEST = 2**31 - 1  # characters of a field; Python's own limit of 131,072 is a default


@dataclass(frozen=True)
class Dialect:
    """How a file's lines become fields.

    Attributes:
        separator: between two fields.
        quotes: whether a field may stand in quotes.
        note: what was guessed, in a sentence for the user; empty where nothing was.
    """

    separator: str
    quotes: bool
    note: str = ""


def read_text(path: Path) -> str:
    """A UTF-8 file's text, without a byte order mark; line ends as they are. `.gz` is unpacked.

    Raises:
        FreeLBTuneError: the file is missing, no gzip file or in another encoding (says line and
            byte).
    """
    try:
        content = path.read_bytes()
        if path.suffix.lower() == ".gz":
            content = gzip.decompress(content)
    except (gzip.BadGzipFile, EOFError, zlib.error) as err:
        raise FreeLBTuneError(f"{path}: not a gzip file that can be unpacked: {err}") from err
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
    return _split_tabs(read_text(path))


def read_delimited(path: Path, kind: Literal["csv", "tsv"]) -> Table:
    """A CSV or TSV file's rows.

    Raises:
        FreeLBTuneError: the file is missing, empty, in another encoding, or (some of it once the
            rows are read) its quotes or fields do not come out even.
    """
    text = read_text(path)
    dialect = find_dialect(path, kind, text)
    notes = (dialect.note,) if dialect.note else ()
    if not dialect.quotes:
        lines, too_long = _split_tabs(text), "a text can hold no tab here"
    else:
        lines = _split_quoted(path, text, dialect.separator)
        name = _SEPARATORS[dialect.separator]
        too_long = f"a text with a {name} in it stands in quotes"
    return name_columns(str(path), lines, too_long=too_long, notes=notes)


def find_dialect(path: Path, kind: Literal["csv", "tsv"], text: str) -> Dialect:
    """How a file is to be read: by its ending, unless it shows something else.

    Args:
        path: the file, for the note.
        kind: what its ending says.
        text: its content.
    """
    return _of_csv(path, text) if kind == "csv" else _of_tsv(path, text)


def _of_csv(path: Path, text: str) -> Dialect:
    """The separator that splits the header into most fields; of equals the comma."""
    fields = {separator: _header_size(text, separator) for separator in _SEPARATORS}
    separator = max(fields, key=lambda each: fields[each])
    if separator == ",":
        return Dialect(",", quotes=True)
    name = _SEPARATORS[separator]
    note = f"{path}: its header has {fields[separator]} columns between {name}s, so a {name} "
    return Dialect(separator, quotes=True, note=f"{note}separates its fields")


def _header_size(text: str, separator: str) -> int:
    try:
        return len(next(csv.reader(io.StringIO(text, newline=""), delimiter=separator), ()))
    except csv.Error:
        return 0


def _of_tsv(path: Path, text: str) -> Dialect:
    """With quoting where that reads the whole file and a field or the header shows it."""
    plain = Dialect("\t", quotes=False)
    quoted = _QUOTED_FIELD.findall(text)
    if not quoted or not _reads_with_quotes(text):
        return plain
    header = next(io.StringIO(text, newline=None), "").rstrip("\n").split("\t")
    is_named_so = all(_QUOTED_FIELD.fullmatch(name) for name in header)
    if is_named_so or any(re.search(r'["\t\n]', field) for field in quoted):
        note = f"{path}: every field that begins with a quote ends with one, so these quotes "
        return Dialect("\t", quotes=True, note=f"{note}are read as CSV's, not as text")
    need = "they do" if len(quoted) > 1 else "it does"
    told = f"{counted(len(quoted), 'field')} in quotes that {need}"
    note = f"{path}: {told} not need, so the quotes are read as text"
    return Dialect("\t", quotes=False, note=note)


def _reads_with_quotes(text: str) -> bool:
    """Whether quoting leaves no quote over, and every row as long as the header."""
    try:
        sizes = {len(row) for row in _reader(text, "\t") if row}
    except csv.Error:
        return False
    return len(sizes) == 1


def _split_tabs(text: str) -> Iterator[tuple[int, list[str]]]:
    for number, line in enumerate(io.StringIO(text, newline=None), start=1):
        fields = line.removesuffix("\n")
        if fields:
            yield number, fields.split("\t")


def _split_quoted(path: Path, text: str, separator: str) -> Iterator[tuple[int, list[str]]]:
    reader = _reader(text, separator)
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


def _reader(text: str, separator: str) -> "_csv.Reader":
    csv.field_size_limit(_LONGEST)
    return csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
