"""A task's data section becomes examples in one form, whatever their source.

Room: tasks. A section in, `Examples` out; `datasets` loads in `load_examples` and `load_test`.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from freelb_tune.errors import FreeLBTuneError, counted
from freelb_tune.space.settings.also import TEST
from freelb_tune.space.settings.sections import DataFields
from freelb_tune.tasks.definitions.task import Kind
from freelb_tune.tasks.definitions.toy import toy_pairs
from freelb_tune.tasks.reading.rows import Rows
from freelb_tune.tasks.sources import glue_folder, hub, own_files
from freelb_tune.tasks.sources.further import read_further, stream_of
from freelb_tune.tasks.sources.settings import DataSettings, data_settings

if TYPE_CHECKING:
    from datasets import Dataset

__all__ = [
    "Examples",
    "Look",
    "check_data",
    "is_local",
    "label_names",
    "load_examples",
    "load_test",
    "look_at_data",
    "sample",
]

_TEXT = ("text_a", "text_b")
_FEW = 20  # rows, of which most may have a label of their own


@dataclass(frozen=True)
class Examples:
    """One task's examples, ready to be tokenised.

    Attributes:
        train: columns text_a, text_b (pairs only) and label: a class number, a real value, or 0 or
            1 for each of several labels.
        evaluation: the same, by set; "dev" first. `data.test` is among them where it has labels.
        labels: names of the classes or labels, in order; None for regression.
        kind: what the model's head does.
        notes: what was left out or found odd, in sentences for the user.
    """

    train: "Dataset"
    evaluation: dict[str, "Dataset"]
    labels: tuple[str, ...] | None
    kind: Kind
    notes: tuple[str, ...] = ()

    @property
    def text(self) -> tuple[str, ...]:
        """The text columns: text_a, and text_b for a pair."""
        return tuple(name for name in _TEXT if name in self.train.column_names)


@dataclass(frozen=True)
class _Sets:
    train: Rows
    evaluation: dict[str, Rows]
    labels: tuple[str, ...] | None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Look:
    """What reading a task's data once has shown.

    Attributes:
        notes: for the user: sets that are not there, rows that were skipped, what was guessed.
        sizes: examples that a cell takes of each set, "train" first.
        texts: some examples' texts of each set, one or two a text.
    """

    notes: tuple[str, ...]
    sizes: Mapping[str, int]
    texts: Mapping[str, Sequence[tuple[str, ...]]]


def look_at_data(task: str, fields: DataFields, most_texts: int = 0) -> Look:
    """Read everything once and raise what is wrong with it, before anything starts.

    Local files take a second or two at most; a dataset of the Hub is fetched, as the run needs it.

    Args:
        task: its name.
        fields: the data section.
        most_texts: how many texts to keep of each set.

    Raises:
        FreeLBTuneError: whatever keeps the settings from giving examples.
    """
    data = data_settings(task, fields)
    sets = _read(data)
    notes = _notes(data, sets)
    if data.source == "files" and data.test is not None:
        notes += own_files.read_test_file(data).notes
    sizes, texts = {}, {}
    for name, rows in {"train": sets.train, **sets.evaluation}.items():
        limit = data.max_train_examples if name == "train" else data.max_eval_examples
        limit = None if name == TEST else limit
        sizes[name] = min(len(rows), limit or len(rows))
        some = sample(stream_of(data, name), len(rows), min(sizes[name], most_texts))
        texts[name] = [tuple(column[place] for column in rows.texts) for place in some]
    return Look(tuple(dict.fromkeys(notes)), sizes, texts)


def check_data(task: str, fields: DataFields) -> tuple[str, ...]:
    """The notes of `look_at_data`, which is read and its errors raised."""
    return look_at_data(task, fields).notes


def is_local(task: str, fields: DataFields) -> bool:
    """Whether the rows are here, so that reading them asks no network."""
    data = data_settings(task, fields)
    return data.source != "hub" or Path(data.path or "").expanduser().is_dir() and bool(data.path)


def label_names(task: str, fields: DataFields) -> tuple[str, ...] | None:
    """A task's classes in order, where they can be told without asking the Hub.

    Returns:
        None for a dataset of the Hub whose labels only its rows tell; none at all for regression.

    Raises:
        FreeLBTuneError: own files whose labels cannot be read.
    """
    data = data_settings(task, fields)
    if data.task.kind == "regression":
        return ()
    if data.task.labels is None and data.source == "files":
        return own_files.file_labels(data)
    return data.task.labels


def load_examples(task: str, fields: DataFields) -> Examples:
    """Read a cell's training and evaluation sets.

    Raises:
        FreeLBTuneError: as `check_data`.
    """
    data = data_settings(task, fields)
    sets = _read(data)
    evaluation = {
        name: _dataset(rows, sets.labels, _kept(data, name, rows))
        for name, rows in sets.evaluation.items()
    }
    keep = sample("train", len(sets.train), data.max_train_examples)
    train = _dataset(sets.train, sets.labels, keep)
    return Examples(train, evaluation, sets.labels, data.task.kind, _notes(data, sets))


def load_test(task: str, fields: DataFields) -> dict[str, "Dataset"]:
    """Read a task's test sets, whole: columns text_a, text_b (pairs only) and index.

    Returns:
        By the name of the set's file in a GLUE submission ("RTE"; "MNLI-m", "MNLI-mm" and, where
        the source has GLUE's diagnostic set, "AX"), or by the task's name for own data
        (`data.test`).

    Raises:
        FreeLBTuneError: the source has no test set, or it is broken.
    """
    data = data_settings(task, fields)
    further = data.task.glue.diagnostic if data.task.glue and data.test is None else None
    if data.source == "glue":
        tests = glue_folder.read_test(data)
        tests |= glue_folder.read_diagnostic(data, further) if further else {}
    elif data.source == "hub":
        tests = hub.read_hub_test(data)
        tests |= hub.read_hub_diagnostic(data, further) if further else {}
    elif data.test is not None and data.source == "files":
        rows = own_files.read_test_file(data)
        tests = {data.task.folder or data.task.name: rows}
    else:
        advice = "name one under data.test" if data.source == "files" else "there is none to name"
        raise FreeLBTuneError(f"data.test: task {data.task.name!r} has no test set; {advice}")
    return {name: _dataset(rows, None, range(len(rows))) for name, rows in tests.items()}


def sample(name: str, size: int, limit: int | None) -> Sequence[int]:
    """Which rows of a set a limit keeps: a random sample without a look at the labels.

    Always the same rows, in the file's order; a larger limit keeps those of a smaller one. The
    head of a file would not do: several of GLUE's are sorted by source or topic.

    Args:
        name: the set's; each has its own stream.
        size: rows in the set.
        limit: rows to keep; None for all.
    """
    if limit is None or limit >= size:
        return range(size)
    rng = random.Random(f"freelb_tune/sample/{name}")
    keys = [rng.random() for _ in range(size)]
    return sorted(sorted(range(size), key=keys.__getitem__)[:limit])


def _kept(data: DataSettings, name: str, rows: Rows) -> Sequence[int]:
    limit = None if name == TEST else data.max_eval_examples
    return sample(stream_of(data, name), len(rows), limit)


def _read(data: DataSettings) -> _Sets:
    sets = _read_own(data)
    evaluation = sets.evaluation | read_further(data, sets.evaluation, sets.labels)
    if data.source != "files" or not Path(data.test or "").expanduser().is_file():
        return replace(sets, evaluation=evaluation)
    test, why = own_files.read_labelled_test(data, sets.labels)
    if test is not None and data.folds is not None:
        why = f"{data.test}: not scored with data.folds, whose cells lack a fold of the rows each"
    elif test is not None:
        evaluation[TEST] = test
    return replace(sets, evaluation=evaluation, notes=(why,) if why else ())


def _read_own(data: DataSettings) -> _Sets:
    if data.source == "synthetic":
        made = {split: _toy_rows(rows) for split, rows in toy_pairs().items()}
        return _Sets(made["train"], {"dev": made["dev"]}, data.task.labels)
    if data.source == "hub":
        train, evaluation, labels = hub.read_hub(data)
        return _Sets(train, evaluation, labels)
    if data.source == "glue":
        train, labels = glue_folder.read_train(data), data.task.labels
        return _Sets(train, glue_folder.read_dev(data), labels)
    train, dev, labels = own_files.read_files(data)
    return _Sets(train, {"dev": dev}, labels)


def _toy_rows(pairs: list[tuple[str, str, int]]) -> Rows:
    first, second, labels = zip(*pairs, strict=True)
    return Rows((list(first), list(second)), list(labels))


def _dataset(rows: Rows, labels: tuple[str, ...] | None, keep: Sequence[int]) -> "Dataset":
    from datasets import ClassLabel, Dataset, Features, Sequence, Value

    columns: dict[str, list[Any]] = {
        name: [texts[place] for place in keep]
        for name, texts in zip(_TEXT, rows.texts, strict=False)
    }
    features: dict[str, Any] = dict.fromkeys(columns, Value("string"))
    if rows.labels:
        columns["label"] = [rows.labels[place] for place in keep]
        features["label"] = ClassLabel(names=list(labels)) if labels else Value("float32")
        if isinstance(rows.labels[0], list):
            features["label"] = Sequence(Value("float32"), length=len(rows.labels[0]))
    if rows.index:
        columns["index"] = [rows.index[place] for place in keep]
        features["index"] = Value("int64")
    return Dataset.from_dict(columns, features=Features(features))


def _notes(data: DataSettings, sets: _Sets) -> tuple[str, ...]:
    notes = list(sets.notes)
    absent = [name for name in data.task.dev_sets if name not in sets.evaluation]
    if absent and data.source == "glue":
        file = glue_folder.LAYOUTS[data.task.name].dev[absent[0]]
        notes.append(f"{data.task.name}: no {file}, so the {absent[0]} set is not evaluated")
    elif absent:
        notes.append(f"{data.task.name}: own files have no {absent[0]} set")
    count = len(sets.labels or ()) if data.task.kind == "classification" else 0
    if len(sets.train) >= _FEW and count > len(sets.train) / 2:
        notes.append(
            f"{data.task.name}: {count} labels for {len(sets.train)} training rows; is data.label "
            "the right column? (numbers to be predicted are task: regression)"
        )
    for name, rows in {"train": sets.train, **sets.evaluation}.items():
        notes += [note for note in rows.notes if note not in notes]
        if rows.skipped:
            notes.append(f"{data.task.name}, {name}: {counted(rows.skipped, 'broken row')} skipped")
        if rows.empty:
            notes.append(
                f"{data.task.name}, {name}: {counted(rows.empty, 'row')} with an empty text kept"
            )
        if data.task.kind == "multi_label" and sets.labels:
            sums = map(sum, zip(*rows.labels, strict=True))
            never = [label for label, count in zip(sets.labels, sums, strict=True) if not count]
            if never:
                told = ", ".join(map(repr, never[:5])) + (", ..." if never[5:] else "")
                notes.append(f"{data.task.name}, {name}: no example of {told}")
    return tuple(notes)
