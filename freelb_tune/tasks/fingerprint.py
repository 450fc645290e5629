"""What a cell's rows are, as a short text that changes when they do.

Room: tasks. Cheap: hashes files' bytes, loads no library, asks no network.
"""

import hashlib
import json
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from freelb_tune.errors import FreeLBTuneError
from freelb_tune.space.settings.also import further_sets
from freelb_tune.space.settings.sections import Inputs
from freelb_tune.tasks.definitions.registry import DEFINITIONS
from freelb_tune.tasks.definitions.toy import TOY_VERSION
from freelb_tune.tasks.reading.delimited import Form, find_dialect, read_text
from freelb_tune.tasks.reading.files import delimited_kind
from freelb_tune.tasks.sources import glue_folder
from freelb_tune.tasks.sources.further import further_files
from freelb_tune.tasks.sources.hub import hub_fingerprint
from freelb_tune.tasks.sources.settings import DataSettings, data_settings

__all__ = ["data_fingerprint", "test_fingerprint"]

READING_VERSION = 1
"""Raised by hand whenever the same files give other examples."""


def data_fingerprint(inputs: Inputs) -> str:
    """Name the examples that the inputs' task and data give, wherever their files lie.

    Files count by their bytes and their part (train, dev, ...), not by name or place, together
    with every setting that changes which rows are read and how. A dataset of the Hub counts by
    the commit in the local cache, `hub:nyu-mll/glue/rte@COMMIT`, or `@unresolved` before it was
    fetched: after `check_data` it is resolved.

    Raises:
        FreeLBTuneError: a setting is wrong or a file is missing; rows are not checked.
    """
    data = data_settings(inputs.task, inputs.data)
    facts: dict[str, Any] = {
        "version": READING_VERSION,
        "task": data.task.name,
        "text": data.columns,
        "label": data.label or "label",
        "max_train_examples": data.max_train_examples,
        "max_eval_examples": data.max_eval_examples,
        "files": {part: _file_digest(path) for part, path in _files(data).items()},
    }
    guessed = {part: sign for part, path in _files(data).items() if (sign := _dialect(data, path))}
    if guessed:
        facts["dialects"] = guessed
    if data.task.name in DEFINITIONS:
        facts["definition"] = DEFINITIONS[data.task.name]
    if data.form.encoding:
        facts["encoding"] = data.form.encoding
    if data.file is not None:
        facts["split"] = [data.dev_share, data.split_seed or 0]
    if data.also is not None:
        facts["also"] = {
            name: "" if isinstance(each, str) else each.model_dump(exclude={"file"})
            for name, each in further_sets(data.also).items()
        }
    if data.folds is not None:
        facts["folds"] = data.folds
    if data.alike_labels == "merge":
        facts["alike_labels"] = "merge"
    start = str(data.source)
    if data.source == "synthetic":
        facts["grammar"] = TOY_VERSION
    if data.source == "hub":
        start = hub_fingerprint(data)
        facts["splits"] = [data.train or "train", data.dev or "validation"]
    text = json.dumps(facts, sort_keys=True)
    return f"{start}:{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def test_fingerprint(inputs: Inputs) -> str:
    """What `data.test` holds; no part of an id, as it decides nothing.

    Returns:
        Empty where there is no such file: a cell trains without it.

    Raises:
        FreeLBTuneError: a setting is wrong, or the file cannot be read.
    """
    data = data_settings(inputs.task, inputs.data)
    path = Path(data.test or "").expanduser()
    if data.source != "files" or not path.is_file():
        return ""
    return f"{_file_digest(path)[:16]}{_dialect(data, path)}"


def _files(data: DataSettings) -> dict[str, Path]:
    files: dict[str, Path] = {}
    if data.source == "glue":
        files = {"train": glue_folder.train_file(data), **glue_folder.dev_files(data)}
    if data.source == "files":
        files = {"train": Path(str(data.train)), "dev": Path(str(data.dev))}
        if data.file is not None:
            files = {"file": Path(data.file)}
    if data.advglue is not None:
        files["advglue"] = Path(data.advglue)
    files |= {f"also.{name}": path for name, path in further_files(data).items()}
    return {part: path.expanduser() for part, path in files.items()}


def _file_digest(path: Path) -> str:
    try:
        facts = path.stat()
        return _digest_of(path, facts.st_mtime_ns, facts.st_size)
    except OSError as err:
        raise FreeLBTuneError(f"{path}: cannot be read: {err.strerror or err}") from err


def _dialect(data: DataSettings, path: Path) -> str:
    """How an own file is read where its ending says otherwise; empty where it is as it says."""
    kind = delimited_kind(path) if data.source == "files" else None
    if kind is None:
        return ""
    facts = path.stat()
    return _dialect_of(path, kind, data.form, facts.st_mtime_ns, facts.st_size)


@lru_cache(maxsize=256)
def _dialect_of(
    path: Path, kind: Literal["csv", "tsv"], form: Form, changed_ns: int, size: int
) -> str:
    """Kept as `_digest_of` is; the plain dialects name nothing, as they always did."""
    found = find_dialect(path, kind, read_text(path, form.encoding), form)
    usual = (",", True) if kind == "csv" else ("\t", False)
    return "" if (found.separator, found.quotes) == usual else f"{found.separator}{found.quotes}"


@lru_cache(maxsize=256)
def _digest_of(path: Path, changed_ns: int, size: int) -> str:
    """A file's hash, kept as long as neither its time nor its size changes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
