"""Predictions as files: one for each test set, and the zip that the GLUE server takes.

Room: training. `Predictions` in, `RTE.tsv` and the like out.

Letters used below: N examples, C classes.
"""

import io
import json
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from freelb_tune.errors import FreeLBTuneError
from freelb_tune.store import write_whole
from freelb_tune.store.disk.files import disk_error, make_folder
from freelb_tune.tasks import SUBMISSION_FILES, submission_lines
from freelb_tune.tasks.definitions.task import predictions_of
from freelb_tune.training.predicting.prediction import Predictions
from freelb_tune.training.predicting.selected import best_cell

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["check_folders", "write_predictions", "write_submission"]

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the zip's dates: the same predictions give the same bytes


def write_predictions(predictions: Predictions, folder: Path) -> tuple[Path, ...]:
    """Write one file for each test set: `RTE.tsv`; `MNLI-m.tsv`, `MNLI-mm.tsv` and `AX.tsv`.

    Own tasks have the same two columns, with the label's text or the value.

    Raises:
        FreeLBTuneError: the folder cannot be made or written, or a prediction is not finite.
    """
    make_folder(folder)
    files = _files(predictions)
    for name, content in files.items():
        write_whole(folder / name, content)
    return tuple(folder / name for name in files)


def check_folders(folders: Sequence[Path], *, zipped: bool) -> None:
    """Refuse, before anything is predicted, folders whose files could not all be written.

    Args:
        folders: results folders.
        zipped: whether the files go into the GLUE server's zip.

    Raises:
        FreeLBTuneError: a folder has no model in `best/`, a task stands twice, or a task is not
            GLUE's and the zip is asked for.
    """
    seen: dict[str, Path] = {}
    for folder in folders:
        task = best_cell(folder).task
        if task in seen:
            raise FreeLBTuneError(
                f"task {task!r} stands twice, in {seen[task]} and {folder}; name one of them"
            )
        if zipped and task not in SUBMISSION_FILES:
            raise FreeLBTuneError(
                f"{folder}: its task {task!r} is not one of GLUE's, which the zip is for: "
                f"{', '.join(SUBMISSION_FILES)}; leave out --zip"
            )
        seen[task] = folder


def write_submission(several: Sequence[Predictions], folder: Path) -> tuple[Path, tuple[str, ...]]:
    """Write `submission.zip` with the files of all these predictions.

    Args:
        several: of GLUE's tasks, each once.
        folder: where the zip goes.

    Returns:
        The zip, and the files that the server knows and that it lacks, in the server's order.

    Raises:
        FreeLBTuneError: a test set is not one of the server's, or the folder cannot be written.
    """
    files = {name: text for each in several for name, text in _files(each).items()}
    known = [name for names in SUBMISSION_FILES.values() for name in names]
    odd = [name for name in files if name not in known]
    if odd:
        raise FreeLBTuneError(
            f"{', '.join(odd)}: the GLUE server takes no such file, only {', '.join(known)}; "
            "predict GLUE's own test sets with --data FOLDER"
        )
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(files, key=known.index):
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), files[name], zipfile.ZIP_DEFLATED)
    make_folder(folder)
    path = folder / "submission.zip"
    draft = path.with_suffix(".tmp")
    try:
        draft.write_bytes(raw.getvalue())
        draft.replace(path)
    except OSError as err:
        raise disk_error("write this file", path, err) from err
    return path, tuple(name for name in known if name not in files)


def _files(predictions: Predictions) -> dict[str, str]:
    """Each test set's file, by name."""
    return {
        f"{name}.tsv": "\n".join(_lines(predictions, logits, predictions.index[name])) + "\n"
        for name, logits in predictions.logits.items()
    }


def _lines(
    predictions: Predictions, logits: "NDArray[np.float32]", index: Sequence[int]
) -> list[str]:
    if not np.isfinite(logits).all():
        raise FreeLBTuneError(
            f"task {predictions.task.name!r}: the model's answers are not finite numbers; its "
            "training has diverged"
        )
    labels, task = predictions.labels, predictions.task
    if labels is None:
        values = [float(value) for value in logits.reshape(len(logits))]
        if task.name in SUBMISSION_FILES:
            return submission_lines(task, values, index)
        said = [f"{value:.6g}" for value in values]
    elif task.kind == "multi_label":
        rows = predictions_of(task.kind, logits)
        said = [
            json.dumps([labels[place] for place in np.flatnonzero(row)], ensure_ascii=False)
            for row in rows
        ]
    else:
        said = [labels[int(place)] for place in logits.argmax(axis=-1)]
        if task.name in SUBMISSION_FILES:
            assert task.labels is not None  # GLUE's classes are known
            return submission_lines(task, [task.labels.index(label) for label in said], index)
    lines = (f"{number}\t{text}" for number, text in zip(index, said, strict=True))
    return ["index\tprediction", *lines]
