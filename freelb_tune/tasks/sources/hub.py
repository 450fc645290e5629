"""Rows from a `datasets` name: GLUE on the Hub, any other dataset there, or a local copy of one.

Room: tasks. `datasets` loads inside functions, on use.
"""

import hashlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from freelb_tune.errors import FreeLBTuneError
from freelb_tune.tasks.reading.label_sets import label_reader, names_in
from freelb_tune.tasks.reading.rows import Reading, Rows, collect
from freelb_tune.tasks.reading.table import Table
from freelb_tune.tasks.sources.glue_folder import LAYOUTS
from freelb_tune.tasks.sources.hub_cache import cached_commit
from freelb_tune.tasks.sources.settings import GLUE_DATASET, DataSettings

__all__ = [
    "dataset_name",
    "hub_fingerprint",
    "read_hub",
    "read_hub_diagnostic",
    "read_hub_test",
]


def dataset_name(data: DataSettings) -> tuple[str, str | None]:
    """The dataset's id (or local folder) and its configuration."""
    path = data.path or GLUE_DATASET
    if Path(path).expanduser().is_dir():
        path = str(Path(path).expanduser())
    return path, data.subset or data.task.hub


def read_hub(data: DataSettings) -> tuple[Rows, dict[str, Rows], tuple[str, ...] | None]:
    """The training set, the evaluation sets ("dev" first), and the labels.

    Raises:
        FreeLBTuneError: the dataset cannot be reached or found, has no such split or column, or
            a row of it is wrong.
    """
    sets = _load(data)
    train = data.train or "train"
    labels = data.task.labels
    if labels is None and data.task.kind != "regression":
        labels = _labels(data, sets, train)
    splits = {**data.task.dev_sets, **({"dev": data.dev} if data.dev else {})}
    evaluation = {name: _collect(data, sets, split, labels) for name, split in splits.items()}
    return _collect(data, sets, train, labels), evaluation, labels


def read_hub_test(data: DataSettings) -> dict[str, Rows]:
    """The test sets by the name of their submission; their labels are not read."""
    sets = _load(data)
    splits = {data.task.name: data.test or "test"}
    if data.task.folder:
        names = LAYOUTS[data.task.name].test
        splits = {name: data.test or Path(file).stem for name, file in names.items()}
    return {name: _unlabelled(data, sets, split) for name, split in splits.items()}


def read_hub_diagnostic(data: DataSettings, name: str) -> dict[str, Rows]:
    """GLUE's diagnostic set under a name; nothing where it cannot be had."""
    diagnostic = data.model_copy(update={"subset": "ax"})
    try:
        return {name: _unlabelled(diagnostic, _load(diagnostic), "test")}
    except FreeLBTuneError:  # a copy without it, or no connection; it is told as a missing file
        return {}


def _unlabelled(data: DataSettings, sets: Any, split: str) -> Rows:
    rows = _collect(data, sets, split, None, labelled=False)
    rows.index = list(range(len(rows)))
    return rows


def _load(data: DataSettings) -> Any:
    name, subset = dataset_name(data)
    local = Path(name).is_dir()
    if not local and not _reachable() and cached_commit(name, subset) is None:
        raise _unreached(data, name, subset, "no connection")
    from datasets import disable_progress_bars, load_dataset
    from datasets.exceptions import DatasetNotFoundError

    disable_progress_bars()
    said = f"dataset {name!r}" + (f", configuration {subset!r}" if subset else "")
    try:
        return load_dataset(name, subset, revision=None if local else data.revision)
    except DatasetNotFoundError as err:
        raise FreeLBTuneError(f"data.path: no {said}: {err}") from err
    except ConnectionError as err:
        raise _unreached(data, name, subset, str(err)) from err
    except (OSError, ValueError) as err:
        raise FreeLBTuneError(f"data.path: {said} cannot be read: {err}") from err


def _unreached(data: DataSettings, name: str, subset: str | None, why: str) -> FreeLBTuneError:
    said = name if subset is None else f"{name}, configuration {subset}"
    advice = "own files: data.source=files data.train=FILE data.dev=FILE"
    if data.task.folder:
        folder = f"{data.task.folder}/train.tsv"
        advice = f"a local copy in GLUE's layout (with {folder}): --data DIR, or data.path=DIR"
        advice += " data.source=glue"
    return FreeLBTuneError(
        f"data: could not reach the Hub for dataset {said} ({why})\n  point at {advice}"
    )


def _reachable() -> bool:
    """Whether the Hub's host answers at all; `datasets` alone would retry for half a minute.

    True where a proxy is set, or the user said to stay offline: there `datasets` knows better.
    """
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE or os.environ.get("HTTPS_PROXY") or os.environ.get("https_proxy"):
        return True
    address = urlsplit(constants.ENDPOINT)
    port = address.port or (443 if address.scheme == "https" else 80)
    try:
        socket.create_connection((str(address.hostname), port), timeout=5).close()
    except OSError:
        return False
    return True


def _split(data: DataSettings, sets: Any, split: str) -> Any:
    if split not in sets:
        raise FreeLBTuneError(
            f"data: dataset {dataset_name(data)[0]!r} has no split {split!r}; "
            f"it has {', '.join(sets)} (data.train and data.dev name them)"
        )
    return sets[split]


def _table(data: DataSettings, sets: Any, split: str, labelled: bool) -> Table:
    rows = _split(data, sets, split)
    name, subset = dataset_name(data)
    wanted = (*data.columns, *(data.label_columns if labelled else ()))
    place = ", ".join(part for part in (f"dataset {name}", subset, split) if part)
    table = Table(place, tuple(rows.column_names), iter(()), unit="row")
    table.require(wanted, "data.text and data.label name the columns to read")
    columns = [rows[column][:] for column in wanted]

    def numbered() -> Iterator[tuple[int, dict[str, Any]]]:
        for number, values in enumerate(zip(*columns, strict=True), start=1):
            yield number, dict(zip(wanted, values, strict=True))

    return Table(place, table.columns, numbered(), unit="row")


def _labels(data: DataSettings, sets: Any, split: str) -> tuple[str, ...]:
    table = _table(data, sets, split, labelled=True)
    names = _names(data, sets, split)
    return tuple(names) if names else names_in(table, data.task, data)


def _names(data: DataSettings, sets: Any, split: str) -> list[str] | None:
    """The labels that a dataset names itself; those of a list stand at what it is a list of."""
    if isinstance(data.label, list):
        return None
    feature = _split(data, sets, split).features.get(data.label_column)
    names: list[str] | None = getattr(getattr(feature, "feature", feature), "names", None)
    return names


def _collect(
    data: DataSettings,
    sets: Any,
    split: str,
    labels: tuple[str, ...] | None,
    labelled: bool = True,
) -> Rows:
    table = _table(data, sets, split, labelled)
    label = data.label_column if labelled else None
    as_place = bool(data.task.labels) or labelled and _names(data, sets, split) is not None
    number = label_reader(data.task, data, labels, numbers=as_place)
    own = data.task.glue is None
    lenient = not own and LAYOUTS[data.task.name].lenient
    return collect(table, Reading(data.columns, label, number, lenient=lenient, own=own))


def hub_fingerprint(data: DataSettings) -> str:
    """What the rows are, without loading `datasets`: a commit, or a local copy's content."""
    name, subset = dataset_name(data)
    if Path(name).is_dir():
        digest = hashlib.sha256()
        inside = sorted(p.relative_to(name) for p in Path(name).rglob("*") if p.is_file())
        for path in inside:
            if not any(part.startswith(".") for part in path.parts):  # .git, .cache: not rows
                digest.update(str(path).encode() + (Path(name) / path).read_bytes())
        return f"hub:{subset or ''}@{digest.hexdigest()[:16]}"
    is_commit = data.revision is not None and len(data.revision) == 40
    commit = data.revision if is_commit else cached_commit(name, subset, data.revision)
    return f"hub:{name}{f'/{subset}' if subset else ''}@{commit or 'unresolved'}"
