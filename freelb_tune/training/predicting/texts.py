"""A selected model's answers to any texts, and to a file of them.

Room: training. A results folder's model and texts in, labels and probabilities out.

Letters used below: N texts, C classes.
"""

import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import transformers
from transformers import TrainerCallback

from freelb_tune.errors import FreeLBTuneError, counted
from freelb_tune.progress import Progress, waiting
from freelb_tune.space.cells.cell import Cell
from freelb_tune.tasks import get_task
from freelb_tune.tasks.definitions.task import Kind, predictions_of
from freelb_tune.tasks.sources.unseen import Unseen, check_target, read_unseen, write_rows
from freelb_tune.training.inputs.launcher import no_launcher
from freelb_tune.training.inputs.tokenizer import load_tokenizer
from freelb_tune.training.predicting.prediction import TestRows, class_names, evaluator
from freelb_tune.training.predicting.selected import best_cell, best_folder, load_best_model

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Answers", "answer_labelled", "predict_file", "predict_texts"]


@dataclass(frozen=True)
class Answers:
    """What a model says of texts.

    Attributes:
        labels: names of the classes or labels in the model's order; None for regression.
        logits: `(N, C)` in the texts' order.
        kind: the task's.
    """

    labels: tuple[str, ...] | None
    logits: "NDArray[np.float32]"
    kind: Kind = "classification"

    @property
    def columns(self) -> Mapping[str, list[Any]]:
        """`predicted_label` and `probability_CLASS` for each class; or `predicted_value`.

        With several labels `predicted_labels`, a list of those whose probability is above one half.
        """
        from scipy.special import expit, softmax

        said = predictions_of(self.kind, self.logits)
        if self.labels is None:
            return {"predicted_value": [float(value) for value in said]}
        exact = self.logits.astype(np.float64)
        found: dict[str, list[Any]]
        if self.kind == "multi_label":
            names = np.asarray(self.labels, dtype=object)
            shares = expit(exact)
            found = {"predicted_labels": [list(names[row == 1]) for row in said]}
        else:
            shares = softmax(exact, axis=1)
            found = {"predicted_label": [self.labels[place] for place in said]}
        for place, label in enumerate(self.labels):
            found[f"probability_{label}"] = [round(float(share), 6) for share in shares[:, place]]
        return found


class _Told(TrainerCallback):
    """Counts what is predicted."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def on_prediction_step(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._progress.add(args.eval_batch_size)


@no_launcher()
def predict_texts(
    best: Path,
    cell: Cell,
    texts: Sequence[str | Sequence[str]],
    *,
    model: Any = None,
    trust_remote_code: bool = False,
    say: Callable[[str], None] = lambda _: None,
) -> Answers:
    """Ask the model in a folder, as its cell's own evaluation does.

    Args:
        best: `results/NAME/best`.
        cell: whose model it is.
        texts: texts, or pairs where the model reads pairs.
        model: the one in the folder, where it is loaded already.
        trust_remote_code: let Python inside the folder run.
        say: told now and then how far it is.

    Raises:
        FreeLBTuneError: the model cannot be loaded, there is no text, or its parts are not as many
            as the model reads.
    """
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    rows = [(each,) if isinstance(each, str) else tuple(each) for each in texts]
    if not rows or len({len(row) for row in rows}) != 1 or len(rows[0]) not in (1, 2):
        raise FreeLBTuneError(
            f"expected texts, or pairs of texts, got {len(rows)} of "
            f"{sorted({len(row) for row in rows})} parts"
        )
    if model is None:
        model = load_best_model(best, trust_remote_code=trust_remote_code)
    labels = class_names(model, get_task(cell.task), best)
    tokenizer = load_tokenizer(best, trust_remote_code=trust_remote_code)
    columns = [list(column) for column in zip(*rows, strict=True)]
    with waiting(f"tokenising {len(rows):,} texts", say):
        tokens = tokenizer(*columns, truncation=True, max_length=cell.data.max_length)
    with tempfile.TemporaryDirectory() as scratch:
        trainer = evaluator(cell, model, tokenizer, Path(scratch))
        trainer.add_callback(_Told(Progress(("predicted", "texts"), len(rows), say)))
        logits = trainer.predict(TestRows(dict(tokens))).predictions
    return Answers(labels, logits, get_task(cell.task).kind)


def predict_file(
    folder: Path,
    source: Path,
    target: Path,
    *,
    adversarial: bool = False,
    trust_remote_code: bool = False,
    say: Callable[[str], None] = lambda _: None,
) -> "tuple[Cell, NDArray[np.float32], NDArray[Any]]":
    """Write a file again with a model's answers beside every column.

    Args:
        folder: `results/NAME`.
        source: the file to predict.
        target: the file to write: .csv, .tsv or .jsonl.
        adversarial: use the best model that was trained with perturbation.
        trust_remote_code: let Python inside the model's folder run.
        say: told now and then how far it is.

    Returns:
        The cell whose model it is, and of the rows that have a label the logits and the labels, as
        `compute_metrics` takes them.

    Raises:
        FreeLBTuneError: as `best_cell`, `read_unseen`, `predict_texts` and `write_rows`; or a
            column of the file has the name of one that is added.
    """
    check_target(target)  # before minutes of work that could not be kept
    trust = trust_remote_code
    cell, best, model, unseen = _read(folder, source, adversarial, trust, say)
    if unseen.note:
        say(unseen.note)
    answers = predict_texts(best, cell, unseen.texts, model=model, trust_remote_code=trust, say=say)
    added = answers.columns
    twice = [name for name in added if name in unseen.columns]
    if twice:
        raise FreeLBTuneError(f"{source}: has a column {twice[0]!r} already; rename it")
    told = (dict(zip(added, values, strict=True)) for values in zip(*added.values(), strict=True))
    rows = [{**row, **more} for row, more in zip(unseen.rows, told, strict=True)]
    write_rows(target, (*unseen.columns, *added), rows)
    known = [place for place, label in enumerate(unseen.labels) if label is not None]
    return cell, answers.logits[known], _numbers(unseen, known, answers)


@no_launcher()
def answer_labelled(
    folder: Path,
    source: Path,
    *,
    adversarial: bool = False,
    trust_remote_code: bool = False,
    say: Callable[[str], None] = lambda _: None,
) -> "tuple[Cell, NDArray[np.float32], NDArray[Any]]":
    """A model's answers to a file with a label in each row.

    Args and returns are `predict_file`'s, without a target.

    Raises:
        FreeLBTuneError: as `best_cell`, `read_unseen` and `predict_texts`; or a row has no label.
    """
    trust = trust_remote_code
    cell, best, model, unseen = _read(folder, source, adversarial, trust, say)
    bare = [place for place, label in enumerate(unseen.labels, start=1) if label is None]
    if bare:
        raise FreeLBTuneError(
            f"{source}: {counted(len(bare), 'row')} of {len(unseen.labels)} without a label, the "
            f"first is row {bare[0]}; to be scored each row needs one, in the column that the "
            f"training set has it in ({_label_column(cell)}); predict takes rows without"
        )
    answers = predict_texts(best, cell, unseen.texts, model=model, trust_remote_code=trust, say=say)
    return cell, answers.logits, _numbers(unseen, range(len(unseen.labels)), answers)


def _label_column(cell: Cell) -> str:
    label = cell.data.label or "label"
    return label if isinstance(label, str) else ", ".join(label)


def _read(
    folder: Path, source: Path, adversarial: bool, trust: bool, say: Callable[[str], None]
) -> tuple[Cell, Path, Any, Unseen]:
    """The cell whose model is asked, that model's folder and it itself, and the file's rows."""
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    cell = best_cell(folder, adversarial=adversarial)
    best, task = best_folder(folder, adversarial=adversarial), get_task(cell.task)
    model = load_best_model(best, trust_remote_code=trust)
    names = class_names(model, task, best)
    with waiting(f"reading {source}", say):
        return cell, best, model, read_unseen(source, task, cell.data, names)


def _numbers(unseen: Unseen, places: Iterable[int], answers: Answers) -> "NDArray[Any]":
    labels = np.asarray([unseen.labels[place] for place in places], dtype=np.float64)
    return labels if answers.labels is None else labels.astype(np.int64)
