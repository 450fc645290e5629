"""GLUE's original folder layout, as the download script leaves it.

Room: tasks. A folder in, `Rows` out. Lines are split at tabs alone: GLUE's files are unquoted and
hold unbalanced quotes. What is odd about them stands in `LAYOUTS`.
"""

from dataclasses import dataclass, field
from pathlib import Path

from freelb_tune.errors import FreeLBTuneError
from freelb_tune.tasks.reading.delimited import split_tabs
from freelb_tune.tasks.reading.labels import label_number, real_number
from freelb_tune.tasks.reading.rows import Reading, Rows, collect
from freelb_tune.tasks.reading.table import name_columns
from freelb_tune.tasks.sources.settings import DataSettings

__all__ = [
    "LAYOUTS",
    "Layout",
    "dev_files",
    "read_dev",
    "read_diagnostic",
    "read_test",
    "read_train",
    "task_folder",
]


@dataclass(frozen=True)
class Layout:
    """One task's files.

    Attributes:
        text: the header's names of the text columns, in the task's order.
        label: the header's name of the label column.
        labels: the labels as written, in the task's order; empty for real values.
        dev: file of each evaluation set.
        test: file of each test set, by the name of its submission.
        index: the test files' column of row numbers.
        bare: names given to the columns of train and dev where those have no header.
        lenient: see `Reading.lenient`.
    """

    text: tuple[str, ...]
    label: str = "label"
    labels: tuple[str, ...] = ()
    dev: dict[str, str] = field(default_factory=lambda: {"dev": "dev.tsv"})
    test: dict[str, str] = field(default_factory=dict)
    index: str = "index"
    bare: tuple[str, ...] = ()
    lenient: bool = False


_SENTENCES = ("sentence1", "sentence2")
_ENTAILMENT = ("entailment", "not_entailment")

LAYOUTS: dict[str, Layout] = {
    "cola": Layout(  # no header in train and dev; one in test
        ("sentence",),
        labels=("0", "1"),
        test={"CoLA": "test.tsv"},
        bare=("source", "label", "mark", "sentence"),
    ),
    "sst2": Layout(("sentence",), labels=("0", "1"), test={"SST-2": "test.tsv"}),
    "mrpc": Layout(  # a byte order mark before "Quality"
        ("#1 String", "#2 String"), "Quality", ("0", "1"), test={"MRPC": "test.tsv"}
    ),
    "stsb": Layout(_SENTENCES, "score", test={"STS-B": "test.tsv"}),
    "qqp": Layout(  # lines broken in two, and questions without a word
        ("question1", "question2"),
        "is_duplicate",
        ("0", "1"),
        test={"QQP": "test.tsv"},
        index="id",
        lenient=True,
    ),
    "mnli": Layout(  # train has 12 columns and dev 16, so columns go by name
        _SENTENCES,
        "gold_label",
        ("entailment", "neutral", "contradiction"),
        dev={"dev": "dev_matched.tsv", "mismatched": "dev_mismatched.tsv"},
        test={"MNLI-m": "test_matched.tsv", "MNLI-mm": "test_mismatched.tsv"},
    ),
    "qnli": Layout(("question", "sentence"), labels=_ENTAILMENT, test={"QNLI": "test.tsv"}),
    "rte": Layout(_SENTENCES, labels=_ENTAILMENT, test={"RTE": "test.tsv"}),
    "wnli": Layout(_SENTENCES, labels=("0", "1"), test={"WNLI": "test.tsv"}),
}

_DIAGNOSTIC_FOLDERS = ("diagnostic", "AX", "MNLI")
_DIAGNOSTIC_FILES = ("diagnostic.tsv", "AX.tsv", "diagnostic-full.tsv")


def _plain(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "")


def task_folder(data: DataSettings) -> Path:
    """The task's folder under `data.path`: `RTE`, or the same name in another spelling (`rte`,
    `SST2`); `data.path` itself where it is that folder already.

    Raises:
        FreeLBTuneError: there is none; says what was looked for and what is there.
    """
    root, wanted = Path(str(data.path)).expanduser(), str(data.task.folder)
    if not root.is_dir():
        raise FreeLBTuneError(f"data.path: no folder {root}")
    if (root / wanted).is_dir():
        return root / wanted
    folders = sorted(child for child in root.iterdir() if child.is_dir())
    for folder in [*folders, root]:
        if _plain(folder.name) == _plain(wanted):
            return folder
    found = ", ".join(folder.name for folder in folders) or "no folder"
    raise FreeLBTuneError(
        f"data.path: no folder {wanted} for task {data.task.name!r} in {root}; found {found}\n"
        f"  looked for {wanted}/train.tsv and {wanted}/{LAYOUTS[data.task.name].dev['dev']}"
    )


def dev_files(data: DataSettings) -> dict[str, Path]:
    """Each evaluation set's file. A further set (MNLI's mismatched) without one is left out.

    Raises:
        FreeLBTuneError: the task has no folder, or it lacks the dev file.
    """
    folder, layout = task_folder(data), LAYOUTS[data.task.name]
    names = layout.dev | ({"dev": data.dev} if data.dev else {})
    _present(folder / names["dev"])
    return {s: folder / n for s, n in names.items() if (folder / n).is_file()}


def train_file(data: DataSettings) -> Path:
    """The training set's file.

    Raises:
        FreeLBTuneError: the task has no folder, or it lacks the file.
    """
    return _present(task_folder(data) / (data.train or "train.tsv"))


def _present(path: Path) -> Path:
    if not path.is_file():
        files = sorted(p.name for p in path.parent.glob("*.tsv") if p.is_file())
        there = ", ".join(files) or "no .tsv file"
        raise FreeLBTuneError(f"data.path: no file {path}; {path.parent} holds {there}")
    return path


def read_train(data: DataSettings) -> Rows:
    """The training set."""
    return _read(data, train_file(data), labelled=True)


def read_dev(data: DataSettings) -> dict[str, Rows]:
    """The evaluation sets, "dev" first."""
    return {name: _read(data, path, labelled=True) for name, path in dev_files(data).items()}


def read_test(data: DataSettings) -> dict[str, Rows]:
    """The test sets, without labels, by the name of their submission."""
    folder, layout = task_folder(data), LAYOUTS[data.task.name]
    names = {s: data.test or n for s, n in layout.test.items()}
    return {s: _read(data, _present(folder / n), labelled=False) for s, n in names.items()}


def read_diagnostic(data: DataSettings, name: str) -> dict[str, Rows]:
    """The diagnostic set, under a name, beside the task's folder or in it; nothing without it.

    The server's file numbers its rows; `diagnostic-full.tsv`, with columns of its own, has the
    same rows in the same order.
    """
    folder = task_folder(data)
    near = [folder.parent / each for each in _DIAGNOSTIC_FOLDERS]
    files = [place / each for place in (*near, folder) for each in _DIAGNOSTIC_FILES]
    path = next((file for file in files if file.is_file()), None)
    if path is None:
        return {}
    table = name_columns(str(path), split_tabs(path))
    full = "Premise" in table.columns
    text, index = (("Premise", "Hypothesis"), None) if full else (_SENTENCES, "index")
    table.require((*text, *((index,) if index else ())), "this is not GLUE's diagnostic set")
    rows = collect(table, Reading(text, None, real_number, index))
    rows.index = rows.index or list(range(len(rows)))
    return {name: rows}


def _read(data: DataSettings, path: Path, labelled: bool) -> Rows:
    layout = LAYOUTS[data.task.name]
    table = name_columns(str(path), split_tabs(path), layout.bare if labelled else ())
    needed = (*layout.text, layout.label if labelled else layout.index)
    table.require(needed, f"{path.parent.name}/{path.name} is not in GLUE's layout")
    number = label_number(layout.labels, numbers=False) if layout.labels else real_number
    label, index = (layout.label, None) if labelled else (None, layout.index)
    return collect(table, Reading(layout.text, label, number, index, layout.lenient))
