"""The evaluation sets besides a task's own: those of `data.also`, and AdvGLUE's of `data.advglue`.

Room: tasks. A data section and the sets that its source has in, `Rows` by name out.
"""

from collections.abc import Mapping
from pathlib import Path

from freelb_tune.errors import FreeLBTuneError
from freelb_tune.space.also import AdvGlue, Characters, Further, further_sets
from freelb_tune.tasks.advglue import read_advglue
from freelb_tune.tasks.characters import noisy
from freelb_tune.tasks.delimited import AS_IT_SHOWS
from freelb_tune.tasks.files import read_table
from freelb_tune.tasks.label_sets import label_reader
from freelb_tune.tasks.rows import Reading, Rows, collect
from freelb_tune.tasks.settings import DataSettings
from freelb_tune.tasks.unseen import columns_of

__all__ = ["further_files", "further_of", "read_further", "read_labelled", "stream_of"]


def further_of(data: DataSettings) -> dict[str, Further]:
    """The further sets by name; `data.advglue` is one of that name."""
    named = {} if data.advglue is None else {"advglue": data.advglue}
    also = further_sets(data.also)
    if named.keys() & also.keys():
        raise FreeLBTuneError("data.also: advglue is what data.advglue names; take one out")
    told = {name: AdvGlue(builtin="advglue", file=path) for name, path in named.items()}
    return {**told, **also}


def further_files(data: DataSettings) -> dict[str, Path]:
    """The files of `data.also` by their sets' names."""
    return {
        name: Path(each if isinstance(each, str) else each.file)
        for name, each in further_sets(data.also).items()
        if not isinstance(each, Characters)
    }


def stream_of(data: DataSettings, name: str) -> str:
    """The set whose rows `max_eval_examples` keeps; of a set made from dev it keeps the same."""
    return "dev" if isinstance(further_of(data).get(name), Characters) else name


def read_further(
    data: DataSettings, own: Mapping[str, Rows], labels: tuple[str, ...] | None
) -> dict[str, Rows]:
    """The further sets' rows.

    Args:
        data: the data section.
        own: the evaluation sets that its source has.
        labels: the names of the classes or labels; None for regression.

    Raises:
        FreeLBTuneError: a file is broken, has no such columns, or labels that the training set does
            not know; or two sets have one name.
    """
    found: dict[str, Rows] = {}
    for name, each in further_of(data).items():
        if isinstance(each, AdvGlue):
            made = read_advglue(data.task, Path(each.file).expanduser(), name)
        elif isinstance(each, Characters):
            made = {name: _noisy(own["dev"], each)}
        else:
            made = {name: read_labelled(data, Path(each), labels)}
        for twice in made.keys() & (own.keys() | found.keys()):
            raise FreeLBTuneError(
                f"data.also: task {data.task.name!r} has a set {twice!r} already; choose another "
                "name"
            )
        found |= made
    return found


def read_labelled(data: DataSettings, path: Path, labels: tuple[str, ...] | None) -> Rows:
    """The rows of one further file, its columns and labels as the task's own files have them.

    Raises:
        FreeLBTuneError: as `read_further`.
    """
    table = read_table(path.expanduser(), data.form if data.source == "files" else AS_IT_SHOWS)
    text, label = columns_of(data.task, data, table)
    needed = (*text, *((label,) if isinstance(label, str) else label))
    table.require(needed, "a further set has the columns that the task's own files have")
    known = data.task.labels or labels
    number = label_reader(data.task, data, known, numbers=bool(data.task.labels))
    return collect(table, Reading(text, label, number, own=True))


def _noisy(dev: Rows, settings: Characters) -> Rows:
    texts = tuple(noisy(column, settings, at) for at, column in enumerate(dev.texts))
    return Rows(texts, dev.labels)
