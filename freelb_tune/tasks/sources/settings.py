"""A task and what a cell says of its data, completed and checked against one another.

Room: tasks.
"""

from dataclasses import fields

from pydantic import InstanceOf

from freelb_tune.errors import FreeLBTuneError
from freelb_tune.space.settings.also import Characters, further_sets
from freelb_tune.space.settings.sections import DataFields
from freelb_tune.tasks.definitions.registry import get_task
from freelb_tune.tasks.definitions.task import Task
from freelb_tune.tasks.reading.delimited import Form

__all__ = ["GLUE_DATASET", "DataSettings", "data_settings"]

GLUE_DATASET = "nyu-mll/glue"
_UNREAD = {
    "hub": (),
    "files": ("path", "subset", "revision"),
    "glue": ("text", "label", "subset", "revision"),
    "synthetic": ("path", "train", "dev", "test", "text", "label", "subset", "revision"),
}
"""Settings that a source has no use for: one that is set there is a mistake, not a no-op."""


class DataSettings(DataFields):
    """A task's data section, complete: the task has its source, and the source what it needs.

    Attributes:
        task: the task.
        fold: where the dev set is a fold, which one; the first where no cell asks.
    """

    task: InstanceOf[Task]
    fold: int = 1

    @property
    def columns(self) -> tuple[str, ...]:
        """The text columns to read: those that are named, else the task's own."""
        named = (self.text,) if isinstance(self.text, str) else tuple(self.text or ())
        return named or self.task.columns

    @property
    def label_column(self) -> str | tuple[str, ...]:
        """The label's column; several where each is a label."""
        return tuple(self.label) if isinstance(self.label, list) else self.label or "label"

    @property
    def label_columns(self) -> tuple[str, ...]:
        """Every column that a label is read from."""
        column = self.label_column
        return (column,) if isinstance(column, str) else column

    @property
    def form(self) -> Form:
        """How own files are written, where the user says so."""
        return Form(self.separator, self.quotes, self.encoding)


def data_settings(task: str, data: DataFields) -> DataSettings:
    """Complete a task's data section.

    Args:
        task: its name.
        data: what the cell says.

    Raises:
        FreeLBTuneError: an unknown task, a source that the task does not have or that lacks
            something, or a number of text columns that does not fit the task.
    """
    known = get_task(task)
    told = {**dict(data), "source": _source(known, data)}
    read = DataSettings(task=known, **told)
    _check_columns(read)
    _check_source(read)
    return read


def _source(task: Task, data: DataFields) -> str:
    """Where the rows come from, told from the rest where it is left out."""
    if data.source is None:
        usual = "hub" if data.train is None and data.file is None else "files"
        return "synthetic" if task.is_made_up else usual
    if (data.source == "synthetic") != task.is_made_up:
        others = "" if task.is_made_up else ", or write files, hub or glue"
        raise FreeLBTuneError(
            f"data.source: task {task.name!r} has no source {data.source!r}; only entailment_toy "
            f"is synthetic, and it is nothing else: leave data.source out{others}"
        )
    return data.source


def _check_columns(read: DataSettings) -> None:
    """Refuse columns that are not as many as the task reads, or that hold text and labels."""
    _check_labels(read)
    if read.text is None:
        return
    names, task = read.columns, read.task
    wanted = (len(task.columns),) if task.columns else (1, 2)
    if not read.text or len(names) not in wanted or len(set(names)) != len(names):
        asked = "two different columns" if wanted == (2,) else "one column"
        asked = "one or two different columns" if len(wanted) > 1 else asked
        told = ", ".join(names) if read.text else "none"
        raise FreeLBTuneError(
            f"data.text: task {task.name!r} reads {asked}, got {told}; "
            "a pair is written data.text: [first, second]"
        )
    both = [name for name in read.label_columns if name in names]
    if both:
        raise FreeLBTuneError(
            f"data.label: column {both[0]!r} stands under data.text too; a model that reads its "
            "label has nothing to learn"
        )


def _check_labels(read: DataSettings) -> None:
    """Refuse a list of label columns where it says nothing."""
    if not isinstance(read.label, list):
        return
    if read.task.kind != "multi_label":
        raise FreeLBTuneError(
            f"data.label: task {read.task.name!r} has one label for each example, got "
            f"{len(read.label)} columns; several labels are task: multi_label_classification"
        )
    if len(set(read.label)) < max(2, len(read.label)):
        raise FreeLBTuneError(
            f"data.label: a list names two columns or more, each once, got {read.label}; one "
            "column of lists is written as a name"
        )


def _check_split(read: DataSettings) -> None:
    """Refuse half of what cuts one file into train and dev, and what goes against it."""
    if read.folds is not None and read.source != "files":
        raise FreeLBTuneError(
            f"data.folds: task {read.task.name!r} has a dev set of its own; folds cut data.file, "
            "which has none; take it out"
        )
    if read.folds is not None and read.dev is not None:
        raise FreeLBTuneError(
            "data.folds: data.dev names a dev set, and folds stand in place of one; take one out "
            "(one file that is cut is data.file)"
        )
    if read.folds is not None and read.train is not None and read.file is None:
        raise FreeLBTuneError(
            "data.folds: cuts one file; write data.file in place of data.train, without data.dev"
        )
    if read.file is None:
        for name in ("dev_share", "folds", "split_seed"):
            if getattr(read, name) is not None:
                raise FreeLBTuneError(f"data.{name}: cuts data.file, which is not set; take it out")
        return
    if read.source != "files":
        raise FreeLBTuneError(f"data.file: source {read.source!r} does not read it; take it out")
    if read.train is not None or read.dev is not None:
        raise FreeLBTuneError(
            "data.file: stands in place of data.train and data.dev; take one side out"
        )
    if read.dev_share is None and read.folds is None:
        raise FreeLBTuneError(
            "data.dev_share: is missing; data.file is cut in two, such as dev_share: 0.2, or into "
            "folds, such as folds: 5"
        )
    if read.dev_share is not None and read.folds is not None:
        raise FreeLBTuneError(
            "data.folds: and data.dev_share both say what the dev set is; take one out"
        )
    fixed = [k for k, v in further_sets(read.also).items() if not isinstance(v, Characters)]
    if read.folds is not None and fixed:
        raise FreeLBTuneError(
            f"data.also.{fixed[0]}: the models of all folds would judge the same rows, whose luck "
            "folds do not show; beside data.folds there is {builtin: characters, rate: 0.05} "
            "alone; take it out, or cut one dev set with data.dev_share"
        )


def _check_source(read: DataSettings) -> None:
    """Refuse a source that lacks what it needs, or is given what it does not read."""
    name = read.task.name
    if read.source == "glue" and read.task.folder is None:
        raise FreeLBTuneError(f"data.source: GLUE's layout has no task {name!r}; use files")
    if read.source == "glue" and read.path is None:
        raise FreeLBTuneError("data.path: source glue needs the folder that holds the tasks'")
    _check_split(read)
    if read.source == "files" and read.file is None and (read.train is None or read.dev is None):
        absent = "data.train" if read.train is None else "data.dev"
        raise FreeLBTuneError(
            f"{absent}: source files needs data.train and data.dev, one file each; or data.file "
            "and data.dev_share, which cut one file in two"
        )
    if read.source == "hub" and read.task.folder is None and read.path is None:
        raise FreeLBTuneError(
            f"data: task {name!r} needs its rows named: data.train and data.dev for own files, "
            "or data.path for a dataset of the Hub"
        )
    unread = [f"data.{part}" for part in _UNREAD[str(read.source)] if getattr(read, part)]
    if read.source != "files":
        names = (each.name for each in fields(Form))
        unread += [f"data.{name}" for name in names if getattr(read, name) is not None]
    if unread:
        raise FreeLBTuneError(
            f"{', '.join(unread)}: source {read.source!r} does not read it; take it out"
        )
    if read.source in ("files", "hub") and not read.columns:
        raise FreeLBTuneError(
            f"data.text: task {name!r} needs the text column, or two for a pair; write text: NAME "
            "or text: [FIRST, SECOND]"
        )
