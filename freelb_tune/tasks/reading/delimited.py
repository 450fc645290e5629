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
from freelb_tune.tasks.reading.table import Table, name_columns

if TYPE_CHECKING:
    import _csv

__all__ = [
    "AS_IT_SHOWS",
    "Dialect",
    "Form",
    "find_dialect",
    "read_delimited",
    "read_text",
    "split_tabs",
]

_SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
_QUOTED_FIELD = re.compile(r'(?:^|(?<=[\t\n]))"([^"]*(?:""[^"]*)*)"(?=\t|\r?\n|\Z)')
_PACKED = {b"\x1f\x8b": "a gzip file", b"PK\x03\x04": "a zip file or a workbook"}
_UNPACK = "end a gzip file's name in .gz, unpack a zip file, save a workbook as CSV"
_HEAD = 200  # characters that show which encoding a file has
_LONGEST = 2**31 - 1  # characters of a field; Python's own limit of 131,072 is a default


@dataclass(frozen=True)
class Form:
    """What the user says of how own files are written; None leaves it to the file.

    Attributes:
        separator: between two fields of a CSV or TSV.
        quotes: whether their fields may stand in quotes.
        encoding: of the text; None for UTF-8.
    """

    separator: str | None = None
    quotes: bool | None = None
    encoding: str | None = None


AS_IT_SHOWS = Form()


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


def read_text(path: Path, encoding: str | None = None) -> str:
    """A file's text, without a byte order mark; line ends as they are. `.gz` is unpacked.

    Args:
        path: the file.
        encoding: by Python's name for it; None for UTF-8.

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
    for start, kind in _PACKED.items():
        if content.startswith(start):
            raise FreeLBTuneError(f"{path}: is {kind}, whatever its name; {_UNPACK}")
    try:
        text = content.decode(encoding or "utf-8-sig").removeprefix("\ufeff")
    except UnicodeDecodeError as err:
        line = content.count(b"\n", 0, err.start) + 1
        is_wide = content[:2] in (b"\xff\xfe", b"\xfe\xff")
        hint, name = ("UTF-16", "utf-16") if is_wide else ("another encoding", "cp1252")
        raise FreeLBTuneError(
            f"{path}: line {line}: byte 0x{content[err.start]:02x} is not {encoding or 'UTF-8'}; "
            f"the file is in {hint}; name it, such as data.encoding: {name}, or save it as UTF-8"
        ) from err
    head = text[:_HEAD]
    if head.count("\0") > len(head) / 4:
        wide = "utf-16-be" if head.startswith("\0") else "utf-16-le"
        raise FreeLBTuneError(
            f"{path}: line 1: every other byte is 0, so the file is in UTF-16; write "
            f"data.encoding: {wide}, or save it as UTF-8"
        )
    return text


def split_tabs(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Each line's number and its fields, split at tabs alone; empty lines are left out."""
    return _split(read_text(path), "\t")


def read_delimited(path: Path, kind: Literal["csv", "tsv"], form: Form) -> Table:
    """A CSV or TSV file's rows.

    Args:
        path: the file.
        kind: what its ending says.
        form: what the user says.

    Raises:
        FreeLBTuneError: the file is missing, empty, in another encoding, or (some of it once the
            rows are read) its quotes or fields do not come out even.
    """
    text = read_text(path, form.encoding)
    dialect = find_dialect(path, kind, text, form)
    notes = (dialect.note,) if dialect.note else ()
    name = _SEPARATORS[dialect.separator]
    if not dialect.quotes:
        lines, too_long = _split(text, dialect.separator), f"a text can hold no {name} here"
    else:
        lines = _split_quoted(path, text, dialect.separator)
        too_long = f"a text with a {name} in it stands in quotes"
    return name_columns(str(path), lines, too_long=too_long, notes=notes)


def find_dialect(
    path: Path, kind: Literal["csv", "tsv"], text: str, form: Form = AS_IT_SHOWS
) -> Dialect:
    """How a file is to be read: as the user says, else as it shows, else by its ending.

    Args:
        path: the file, for the note.
        kind: what its ending says.
        text: its content.
        form: what the user says.
    """
    quotes = form.quotes
    if kind == "csv" or (form.separator or "\t") != "\t":
        found = _of_csv(path, text) if form.separator is None else Dialect(form.separator, True)
        return found if quotes is None else Dialect(found.separator, quotes, found.note)
    return _of_tsv(path, text) if quotes is None else Dialect("\t", quotes)


def _of_csv(path: Path, text: str) -> Dialect:
    """The separator that splits the header into most fields; of equals the comma."""
    fields = {separator: _header_size(text, separator) for separator in _SEPARATORS}
    separator = max(fields, key=lambda each: fields[each])
    if separator == ",":
        return Dialect(",", quotes=True)
    name = _SEPARATORS[separator]
    note = f"{path}: its header has {fields[separator]} columns between {name}s, so a {name} "
    note += "separates its fields (data.separator says otherwise)"
    return Dialect(separator, quotes=True, note=note)


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
        note += "are read as CSV's (data.quotes: false reads them as text)"
        return Dialect("\t", quotes=True, note=note)
    need = "they do" if len(quoted) > 1 else "it does"
    told = f"{counted(len(quoted), 'field')} in quotes that {need}"
    note = f"{path}: {told} not need, so the quotes are read as text (data.quotes: true drops them)"
    return Dialect("\t", quotes=False, note=note)


def _reads_with_quotes(text: str) -> bool:
    """Whether quoting leaves no quote over, and every row as long as the header."""
    try:
        sizes = {len(row) for row in _reader(text, "\t") if row}
    except csv.Error:
        return False
    return len(sizes) == 1


def _split(text: str, separator: str) -> Iterator[tuple[int, list[str]]]:
    for number, line in enumerate(io.StringIO(text, newline=None), start=1):
        fields = line.removesuffix("\n")
        if fields:
            yield number, fields.split(separator)


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
