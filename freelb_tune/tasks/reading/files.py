"""Files of rows, read by their ending, with the line each row came from.

Room: tasks. A path in, a `Table` out: CSV, TSV, JSON Lines or one JSON list, Parquet; all but
Parquet may be packed with gzip.
"""

import io
import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Literal

from freelb_tune.errors import FreeLBTuneError
from freelb_tune.tasks.reading.delimited import AS_IT_SHOWS, Form, read_delimited, read_text
from freelb_tune.tasks.reading.table import Row, Table

__all__ = ["delimited_kind", "read_table"]


def _json(path: Path, form: Form) -> Table:
    _refuse(path, separator=form.separator, quotes=form.quotes)
    text = read_text(path, form.encoding)
    is_list = text.lstrip().startswith("[")
    unit = "row" if is_list else "line"
    rows = []
    for number, row in _json_list(path, text) if is_list else _json_lines(path, text):
        if not isinstance(row, dict):
            said = f"{unit} {number}: expected one JSON object a {unit}, got {_kind(row)}"
            raise FreeLBTuneError(f"{path}: {said}")
        rows.append((number, row))
    if not rows:
        raise FreeLBTuneError(f"{path}: the file is empty; expected one JSON object a {unit}")
    columns = tuple(dict.fromkeys(name for _, row in rows for name in row))
    return Table(str(path), columns, _whole(columns, rows), unit)


def _json_lines(path: Path, text: str) -> Iterator[tuple[int, Any]]:
    for number, line in enumerate(io.StringIO(text, newline=None), start=1):
        if not line.strip():
            continue
        try:
            yield number, json.loads(line, object_pairs_hook=_each_once)
        except (ValueError, RecursionError) as err:
            raise FreeLBTuneError(f"{path}: line {number}: {_why(err)}") from err


def _json_list(path: Path, text: str) -> Iterator[tuple[int, Any]]:
    try:
        return enumerate(json.loads(text, object_pairs_hook=_each_once), start=1)
    except (ValueError, RecursionError) as err:
        place = f"line {err.lineno}: " if isinstance(err, json.JSONDecodeError) else ""
        raise FreeLBTuneError(f"{path}: {place}{_why(err)}") from err


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object; Python's own reading keeps the last of two values without a word."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"an object names {twice!r} twice; take one of the two out")
    return found


def _why(err: Exception) -> str:
    """What is wrong with a JSON text."""
    if isinstance(err, json.JSONDecodeError):
        return f"not JSON: {err.msg}"
    return "nested too deeply" if isinstance(err, RecursionError) else str(err)


def _whole(
    columns: Iterable[str], rows: Iterable[tuple[int, dict[str, Any]]]
) -> Iterator[tuple[int, Row]]:
    """Rows with every column; the keys that a row lacks are None, as in a line cut short."""
    missing = dict.fromkeys(columns)
    return ((number, {**missing, **row}) for number, row in rows)


def _kind(value: Any) -> str:
    names = {str: "a text", list: "a list", type(None): "null", bool: "true or false"}
    return names.get(type(value), "a number")


def _parquet(path: Path, form: Form) -> Table:
    _refuse(path, separator=form.separator, quotes=form.quotes, encoding=form.encoding)
    import pyarrow as pa  # type: ignore[import-untyped]
    import pyarrow.parquet as pq  # type: ignore[import-untyped]

    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowException) as err:
        raise FreeLBTuneError(f"{path}: not a Parquet file that can be read: {err}") from err
    rows = enumerate(table.to_pylist(), start=1)
    return Table(str(path), tuple(table.column_names), rows, unit="row")


def _refuse(path: Path, **unread: Any) -> None:
    """Refuse what the user says of a file that has no such thing."""
    for name, value in unread.items():
        if value is not None:
            raise FreeLBTuneError(f"data.{name}: {path} is not read by it; take it out")


_READERS: dict[str, Callable[[Path, Form], Table]] = {
    ".csv": lambda path, form: read_delimited(path, "csv", form),
    ".tsv": lambda path, form: read_delimited(path, "tsv", form),
    ".jsonl": _json,
    ".ndjson": _json,
    ".json": _json,
    ".parquet": _parquet,
}


def read_table(path: Path, form: Form = AS_IT_SHOWS) -> Table:
    """A file's rows, read by its ending.

    Args:
        path: the file.
        form: what the user says of how it is written.

    Raises:
        FreeLBTuneError: the file is missing, empty, of an unknown ending, in another encoding,
            or broken. Some of it only when the rows are read.
    """
    ending = _ending(path)
    reader = _READERS.get(ending.removesuffix(".gz"))
    if reader is None or ending == ".parquet.gz":
        known = ", ".join(_READERS)
        raise FreeLBTuneError(
            f"{path}: unknown ending {ending!r}; files end in {known}, or .gz after one of them"
        )
    if not path.is_file():
        told = "is a folder; name a file" if path.is_dir() else "no such file"
        raise FreeLBTuneError(f"{path}: {told}")
    return reader(path, form)


def delimited_kind(path: Path) -> Literal["csv", "tsv"] | None:
    """Which of the two a file is by its ending; None for any other."""
    kinds: dict[str, Literal["csv", "tsv"]] = {".csv": "csv", ".tsv": "tsv"}
    return kinds.get(_ending(path).removesuffix(".gz"))


def _ending(path: Path) -> str:
    """The file's ending in small letters, with what stands before `.gz`."""
    ending = path.suffix.lower()
    return path.with_suffix("").suffix.lower() + ending if ending == ".gz" else ending
