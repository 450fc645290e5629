"""What a cell's flat settings say about its data, read in one place.

Room: tasks. A mapping in, `DataSettings` out. Defaults stand here and nowhere else in the room.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from freelb_tune.errors import FreeLBTuneError, unknown_name
from freelb_tune.tasks.delimited import Form
from freelb_tune.tasks.labels import Alike
from freelb_tune.tasks.task import Task, get_task

__all__ = ["GLUE_DATASET", "SOURCES", "DataSettings", "data_settings"]

SOURCES = ("hub", "glue", "files", "synthetic")
GLUE_DATASET = "nyu-mll/glue"
_UNREAD = {
    "hub": (),
    "files": ("path", "subset", "revision"),
    "glue": ("text", "label", "subset", "revision"),
    "synthetic": ("path", "train", "dev", "test", "text", "label", "subset", "revision"),
}
"""Settings that a source has no use for: one that is set there is a mistake, not a no-op."""


@dataclass(frozen=True)
class DataSettings:
    """Where a task's rows come from and how many are taken.

    Attributes:
        task: the task.
        source: "hub", a `datasets` name; "glue", a folder in GLUE's original layout; "files",
            one file per set; "synthetic", made here.
        path: the dataset's id or a local copy of one (hub; default `nyu-mll/glue`), or the
            folder (glue).
        train: the file (files), the file's name inside the task's folder (glue) or the split's
            (hub); None for the usual one.
        dev: the same for the dev set.
        test: the same for the test set; its rows need no labels.
        text: names of one or two text columns; empty for the task's own.
        label: the label's column; None for the task's own, else "label".
        subset: the dataset's configuration (hub); None for the task's name within GLUE.
        revision: the dataset's commit, tag or branch (hub).
        advglue: AdvGLUE's `dev_ann.json`, a further evaluation set; None for none.
        form: how own files are written, where the user says so.
        alike_labels: what becomes of labels that differ in spelling alone: "merge" or "keep";
            None refuses them.
        max_train_examples: rows taken of the training set; None for all.
        max_eval_examples: rows taken of each evaluation set; None for all.
    """

    task: Task
    source: str
    path: str | None = None
    train: str | None = None
    dev: str | None = None
    test: str | None = None
    text: tuple[str, ...] = ()
    label: str | None = None
    subset: str | None = None
    revision: str | None = None
    advglue: Path | None = None
    form: Form = Form()
    alike_labels: Alike | None = None
    max_train_examples: int | None = None
    max_eval_examples: int | None = None


def data_settings(settings: Mapping[str, Any]) -> DataSettings:
    """Read `task` and everything under `data.` that this room knows.

    Raises:
        FreeLBTuneError: an unknown task or source, a source that the task does not have, a
            number of text columns that does not fit the task, or a limit below 1.
    """
    task = get_task(str(settings.get("task")))
    values = {
        name: settings.get(f"data.{name}")
        for name in ("path", "train", "dev", "test", "label", "subset", "revision")
    }
    advglue = settings.get("data.advglue")
    read = DataSettings(
        task,
        _source(task, settings.get("data.source"), has_files=values["train"] is not None),
        **{name: None if value is None else str(value) for name, value in values.items()},
        text=_text_columns(task, settings.get("data.text")),
        advglue=None if advglue is None else Path(str(advglue)).expanduser(),
        form=Form(*(settings.get(f"data.{name}") for name in ("separator", "quotes", "encoding"))),
        alike_labels=_alike(settings.get("data.alike_labels")),
        max_train_examples=_limit(settings, "data.max_train_examples"),
        max_eval_examples=_limit(settings, "data.max_eval_examples"),
    )
    _complete(read)
    return read


def _source(task: Task, source: Any, has_files: bool) -> str:
    if source is None:
        usual = "files" if has_files else "hub"
        return "synthetic" if task.name == "entailment_toy" else usual
    if source not in SOURCES:
        raise FreeLBTuneError(f"data.source: {unknown_name(str(source), SOURCES)}")
    if (source == "synthetic") != (task.name == "entailment_toy"):
        raise FreeLBTuneError(
            f"data.source: task {task.name!r} has no source {source!r}; only entailment_toy is "
            "synthetic, and it is nothing else"
        )
    return str(source)


def _text_columns(task: Task, text: Any) -> tuple[str, ...]:
    if text is None:
        return ()
    names = (text,) if isinstance(text, str) else tuple(str(name) for name in text)
    wanted = (len(task.columns),) if task.columns else (1, 2)
    if len(names) not in wanted or len(set(names)) != len(names):
        asked = "two different columns" if wanted == (2,) else "one column"
        asked = "one or two different columns" if len(wanted) > 1 else asked
        raise FreeLBTuneError(
            f"data.text: task {task.name!r} reads {asked}, got {', '.join(names) or 'none'}; "
            "a pair is written data.text: [first, second]"
        )
    return names


def _alike(value: Any) -> Alike | None:
    known: dict[Any, Alike | None] = {None: None, "merge": "merge", "keep": "keep"}
    if value not in known:
        raise FreeLBTuneError(f"data.alike_labels: expected merge or keep, got {value!r}")
    return known[value]


def _limit(settings: Mapping[str, Any], name: str) -> int | None:
    value = settings.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise FreeLBTuneError(f"{name}: expected a whole number above 0, got {value!r}")
    return value


def _complete(read: DataSettings) -> None:
    """Raise where a source lacks what it needs."""
    name = read.task.name
    if read.source == "glue" and read.task.folder is None:
        raise FreeLBTuneError(f"data.source: GLUE's layout has no task {name!r}; use files")
    if read.source == "glue" and read.path is None:
        raise FreeLBTuneError("data.path: source glue needs the folder that holds the tasks'")
    if read.source == "files" and (read.train is None or read.dev is None):
        absent = "data.train" if read.train is None else "data.dev"
        raise FreeLBTuneError(
            f"{absent}: source files needs data.train and data.dev, one file each"
        )
    if read.source == "hub" and read.task.folder is None and read.path is None:
        raise FreeLBTuneError(
            f"data: task {name!r} needs its rows named: data.train and data.dev for own files, "
            "or data.path for a dataset of the Hub"
        )
    unread = [f"data.{part}" for part in _UNREAD[read.source] if getattr(read, part)]
    if read.source != "files":
        names = (field.name for field in fields(Form))
        unread += [f"data.{name}" for name in names if getattr(read.form, name) is not None]
    if unread:
        raise FreeLBTuneError(
            f"{', '.join(unread)}: source {read.source!r} does not read it; take it out"
        )
    label = read.label or "label"
    if label in read.text:
        raise FreeLBTuneError(
            f"data.label: column {label!r} stands under data.text too; a model that reads its "
            "label has nothing to learn"
        )
    if read.source in ("files", "hub") and not read.task.columns and not read.text:
        raise FreeLBTuneError(f"data.text: task {name!r} needs the text column, or two for a pair")
