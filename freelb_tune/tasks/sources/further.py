"""The evaluation sets besides a task's own: those of `data.also`, and AdvGLUE's of `data.advglue`.

Room: tasks. A data section and the sets that its source has in, `Rows` by name out.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from freelb_tune.errors import FreeLBTuneError, unknown_name
from freelb_tune.space.settings.also import AdvGlue, Characters, Further, Labelled, further_sets
from freelb_tune.tasks.reading.delimited import AS_IT_SHOWS
from freelb_tune.tasks.reading.files import read_table
from freelb_tune.tasks.reading.label_sets import label_reader
from freelb_tune.tasks.reading.labels import label_text
from freelb_tune.tasks.reading.rows import Label, Reading, Rows, collect
from freelb_tune.tasks.sources.advglue import read_advglue
from freelb_tune.tasks.sources.characters import noisy
from freelb_tune.tasks.sources.settings import DataSettings
from freelb_tune.tasks.sources.unseen import columns_of

if TYPE_CHECKING:
    import numpy as np

__all__ = [
    "as_the_set_has_them",
    "further_files",
    "further_of",
    "read_further",
    "stream_of",
]

_SHOWN = 5  # labels of a file that a message names
_NEVER = -1e9  # a logit; its probability is 0


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
            place = f"data.also.{name}" if name in (data.also or {}) else "data.advglue"
            made = read_advglue(data.task, Path(each.file).expanduser(), name, place)
        elif isinstance(each, Characters):
            made = {name: _noisy(own["dev"], each)}
        else:
            told = each if isinstance(each, Labelled) else Labelled(file=each)
            made = {name: _read_labelled(data, name, told, labels)}
        for twice in made.keys() & (own.keys() | found.keys()):
            raise FreeLBTuneError(
                f"data.also: task {data.task.name!r} has a set {twice!r} already; choose another "
                "name"
            )
        found |= made
    return found


def _read_labelled(
    data: DataSettings, name: str, each: Labelled, labels: tuple[str, ...] | None
) -> Rows:
    """The rows of one further file, its columns and labels as it says, or the task's own.

    Raises:
        FreeLBTuneError: as `read_further`.
    """
    path = Path(each.file).expanduser()
    table = read_table(path, data.form if data.source == "files" else AS_IT_SHOWS)
    text, label = columns_of(data.task, data, table)
    if each.text is not None:
        text = (each.text,) if isinstance(each.text, str) else tuple(each.text)
    label = each.label or label
    needed = (*text, *((label,) if isinstance(label, str) else label))
    wanted = f"data.also.{name}: {{file: {path.name}, text: COLUMN, label: COLUMN}}"
    table.require(
        needed, f"the task's own files call them so; where this one does not, write {wanted}"
    )
    known = data.task.labels or labels
    read = label_reader(data.task, data, known, numbers=bool(data.task.labels))
    told = _translated(data, each, known)
    ours = {one: names[0] for names in told.values() if len(names) > 1 for one in names}
    ours |= {theirs: names[0] for theirs, names in told.items()}
    seen: dict[str, None] = {}

    def number(value: Any) -> Label:
        if not ours:
            return read(value)
        seen[label_text(value)] = None
        return read(ours.get(label_text(value), value))

    rows = collect(table, Reading(text, label, number, own=True))
    if ours and not ours.keys() & seen.keys():
        raise FreeLBTuneError(
            f"data.also: labels of {each.file}: no row has the label "
            f"{' or '.join(map(repr, told))}; they have {', '.join(sorted(seen)[:_SHOWN])}"
        )
    return rows


def as_the_set_has_them(
    logits: "np.ndarray", data: DataSettings, name: str, labels: Sequence[str] | None
) -> "np.ndarray":
    """What a model says, in the classes that a set has: the likeliest of those that are one there.

    So HANS is scored by its authors (McCoy et al. 2019): the model's class is taken first, and
    then translated.

    Args:
        logits: `(N, C)`.
        data: the data section.
        name: of an evaluation set.
        labels: the names of the C classes in order; None for regression.

    Returns:
        `(N, C)`: where the set has one label for several classes, the first of them has their
        largest logit, and the others have none to speak of.
    """
    each = further_of(data).get(name)
    if not isinstance(each, Labelled) or labels is None:
        return logits
    merged = logits.copy()
    for names in _translated(data, each, tuple(labels)).values():
        first, *others = (list(labels).index(one) for one in names)
        merged[:, first] = logits[:, [first, *others]].max(axis=1)
        merged[:, others] = _NEVER
    return merged


def _translated(
    data: DataSettings, each: Labelled, known: tuple[str, ...] | None
) -> dict[str, list[str]]:
    """The task's labels for each of the file's that is called otherwise.

    Raises:
        FreeLBTuneError: the task has no such label, or the file's are ambiguous.
    """
    if not each.labels:
        return {}
    if not known or data.task.kind == "multi_label":
        raise FreeLBTuneError(
            f"data.also: labels of {each.file} are to be renamed, which is for classes; task "
            f"{data.task.name!r} has none; take them out"
        )
    told = {a: [b] if isinstance(b, str) else list(b) for a, b in each.labels.items()}
    named = [name for names in told.values() for name in names]
    for name in named:
        if name not in known:
            raise FreeLBTuneError(f"data.also: labels of {each.file}: {unknown_name(name, known)}")
    twice = [name for name, count in Counter(named).items() if count > 1]
    if twice and any(len(names) > 1 for names in told.values()):
        raise FreeLBTuneError(
            f"data.also: labels of {each.file}: {twice[0]!r} is what two of its labels stand for"
        )
    return told


def _noisy(dev: Rows, settings: Characters) -> Rows:
    texts = tuple(noisy(column, settings, at) for at, column in enumerate(dev.texts))
    return Rows(texts, dev.labels)
