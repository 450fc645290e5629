"""The selected model's predictions on its task's test sets.

Room: training. A results folder with `best/` in, logits out.

Letters used below: N examples, C classes.
"""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import transformers
from torch.utils.data import Dataset

from freelb_tune.errors import FreeLBTuneError
from freelb_tune.progress import Progress, waiting
from freelb_tune.space.cells.cell import Cell
from freelb_tune.space.settings.adversaries import NoneSettings
from freelb_tune.space.settings.sections import DataFields
from freelb_tune.tasks import Task, get_task, load_test
from freelb_tune.training.inputs.arguments import training_arguments
from freelb_tune.training.inputs.launcher import no_launcher
from freelb_tune.training.inputs.tokenizer import load_tokenizer
from freelb_tune.training.inputs.tokens import PadCollator
from freelb_tune.training.predicting.selected import best_cell, load_best_model
from freelb_tune.training.trainer import AdversarialTrainer

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Predictions", "TestRows", "class_names", "evaluator", "predict_test"]


@dataclass(frozen=True)
class Predictions:
    """What one model says of its task's test sets.

    Attributes:
        task: the task.
        cell_id: the cell whose model it is.
        labels: class names by the model's own numbers; None for regression.
        logits: `(N, C)` in the file's order, by the set's name in a submission.
        index: the rows' own numbers, by the same.
    """

    task: Task
    cell_id: str
    labels: tuple[str, ...] | None
    logits: Mapping[str, "NDArray[np.float32]"]
    index: Mapping[str, Sequence[int]]


class TestRows(Dataset[dict[str, Any]]):
    """Tokenised rows without labels."""

    def __init__(self, columns: Mapping[str, list[list[int]]]) -> None:
        self._columns = dict(columns)
        self.lengths = [len(ids) for ids in columns["input_ids"]]

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, row: int) -> dict[str, Any]:
        return {name: values[row] for name, values in self._columns.items()}


@no_launcher()
def predict_test(
    folder: Path,
    data_dir: Path | None = None,
    *,
    trust_remote_code: bool = False,
    say: Callable[[str], None] = lambda _: None,
) -> Predictions:
    """Load `results/NAME/best` and predict its task's test sets.

    Runs as the cell's own evaluation does, so that on the same hardware, with as many threads, the
    dev set given as a test set gets the very logits that the search has stored.

    Args:
        folder: `results/NAME`.
        data_dir: a GLUE folder in place of the cell's own source.
        trust_remote_code: let Python inside `best/` run. A cell's own setting does not count
            here, as the folder may come from somebody else.
        say: told now and then how far it is.

    Raises:
        FreeLBTuneError: no results folder, no model in `best/`, a model that lacks weights or
            has other labels than the task, or no test set.
    """
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    cell = best_cell(folder)
    task = get_task(cell.task)
    with waiting(f"reading {cell.task}", say):
        tests = load_test(cell.task, _data(cell, data_dir))
    model = load_best_model(folder / "best", trust_remote_code=trust_remote_code)
    labels = class_names(model, task, folder / "best")
    tokenizer = load_tokenizer(folder / "best", trust_remote_code=trust_remote_code)
    with tempfile.TemporaryDirectory() as scratch:
        trainer = evaluator(cell, model, tokenizer, Path(scratch))
        length = cell.data.max_length
        logits = {
            name: trainer.predict_by_length(
                _tokenise(tokenizer, rows, length),
                Progress(("predicted", f"texts of {name}"), len(rows), say).add,
            ).logits
            for name, rows in tests.items()
        }
    index = {name: list(rows["index"]) for name, rows in tests.items()}
    return Predictions(task, cell.id, labels, logits, index)


def _data(cell: Cell, data_dir: Path | None) -> DataFields:
    """The cell's data section, with `--data` in place of its source."""
    if data_dir is None:
        return cell.data
    return DataFields(source="glue", path=str(data_dir), max_length=cell.data.max_length)


def class_names(model: Any, task: Task, best: Path) -> tuple[str, ...] | None:
    """The model's class names in its own order, if they are the task's."""
    if task.kind == "regression":
        if model.config.num_labels != 1:
            raise FreeLBTuneError(
                f"{best}: the model has {model.config.num_labels} labels, and task {task.name!r} "
                "has real values: this is another task's model"
            )
        return None
    own = tuple(model.config.id2label[place] for place in range(model.config.num_labels))
    if task.labels is not None and sorted(own) != sorted(task.labels):
        raise FreeLBTuneError(
            f"{best}: the model's labels are {', '.join(own)}, and task {task.name!r} has "
            f"{', '.join(task.labels)}: this is another task's model"
        )
    return own


def evaluator(cell: Cell, model: Any, tokenizer: Any, scratch: Path) -> AdversarialTrainer:
    """The cell's evaluation, with what only training needs left out: a GPU's cell runs on a CPU."""
    kept = {
        name: value
        for name, value in cell.settings.items()
        if not name.startswith("trainer.") or name == "trainer.per_device_eval_batch_size"
    }
    if torch.cuda.is_available():
        for name in ("trainer.bf16", "trainer.fp16", "trainer.tf32"):
            if name in cell.settings:
                kept[name] = cell.settings[name]
    pads = {"input_ids": tokenizer.pad_token_id, "attention_mask": 0, "token_type_ids": 0}
    padding_free = cell.run.padding_free
    return AdversarialTrainer(
        model=model,
        args=training_arguments(replace(cell, settings=kept), scratch),
        data_collator=PadCollator(pads, left=tokenizer.padding_side == "left"),
        adversary=NoneSettings(),
        padding_free=None if padding_free == "auto" else padding_free,
    )


def _tokenise(tokenizer: Any, rows: Any, length: int) -> TestRows:
    texts = [list(rows[name]) for name in ("text_a", "text_b") if name in rows.column_names]
    return TestRows(dict(tokenizer(*texts, truncation=True, max_length=length)))
