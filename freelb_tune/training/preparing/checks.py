"""What is asked of each distinct model and trainer before anything trains; `plan` asks it too.

Room: training. No weights are read and no data.
"""

import logging
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.data import Dataset
from transformers import PrinterCallback, default_data_collator

from freelb_tune.errors import DivergedError, FreeLBTuneError
from freelb_tune.space.cells.cell import Cell
from freelb_tune.tasks import get_task
from freelb_tune.training.inputs.arguments import optimizer_reads, training_arguments
from freelb_tune.training.inputs.launcher import no_launcher
from freelb_tune.training.inputs.model_config import UNBUILT, short
from freelb_tune.training.inputs.source import find_model
from freelb_tune.training.preparing.model_checks import Look, check_kept, look_at, room_for
from freelb_tune.training.probing.at_rest import batch_of
from freelb_tune.training.probing.paths import aside
from freelb_tune.training.probing.small_models import small_models
from freelb_tune.training.probing.tryout import Batch
from freelb_tune.training.trainer import AdversarialTrainer

__all__ = ["check_cells"]

_TRAINERS: dict[str, dict[str, bool]] = {}


@no_launcher()
def check_cells(cells: Sequence[Cell], *, fetch: bool = False) -> list[str]:
    """Look at each distinct model and trainer of some cells, once per process.

    Args:
        cells: what is to be run.
        fetch: get models that are not here from the Hub; else they are left out.

    Returns:
        A sentence for each model whose batches cannot be cut.

    Raises:
        FreeLBTuneError: a model cannot be trained as `Trainer` would train it, it has no rows for
            the tokens or words asked for, or its `Trainer` cannot be built.
    """
    said: dict[str, None] = {}
    read: dict[str, bool] = {}  # fields of the optimizer, by any of the cells
    optims: dict[str, str] = {}
    kinds = {_kind_of(cell): cell for cell in reversed(cells)}
    with tempfile.TemporaryDirectory() as scratch, _quietly():
        for kind, cell in reversed(kinds.items()):
            source = find_model(cell.model, fetch=fetch)
            if source is None:
                continue
            adapter = cell.model.adapted
            look = look_at(source, get_task(cell.task), adapter)
            if adapter:
                check_kept(cell, source, look)
                if look.fixed_words:
                    said[f"{adapter['type']} leaves the word embeddings of {source.name} as they "
                         "are: adversaries perturb them all the same"] = None  # fmt: skip
            length, room = cell.data.max_length, room_for(cell.data.max_length, look)
            if room is not None and length > room:
                raise FreeLBTuneError(
                    f"data.max_length: {length} tokens are asked for and {source.name!r} has "
                    f"positions for {room}; write at most {room}"
                )
            if kind not in _TRAINERS:
                _TRAINERS[kind] = _try_trainer(cell, look, Path(scratch))
            for name, is_read in _TRAINERS[kind].items():
                read[name] = read.get(name, False) or is_read
                optims.setdefault(name, str(cell.trainer.fields.get("optim", "adamw_torch")))
            if not look.paths.trimmed:
                said[f"{source.name} takes whole batches, which is slower: {look.paths.why}"] = None
    for name, is_read in read.items():
        if not is_read:
            raise FreeLBTuneError(
                f"trainer.{name}: optim {optims[name]} does not read it; take it out"
            )
    return list(said)


def _kind_of(cell: Cell) -> str:
    """What of a cell is looked at: all of its model and trainer, but not how large a number is."""
    known = {
        name: type(value).__name__ if type(value) in (int, float) else value
        for name, value in cell.settings.items()
        if name.startswith(("model.", "trainer."))
        or name in ("run.padding_free", "run.keep_adapter")
    }
    length = cell.settings.get("data.max_length")
    return repr(
        (cell.task, cell.weights, length, cell.settings.get("adversary.method"))
        + tuple(sorted(known.items()))
    )


def _try_trainer(cell: Cell, look: Look, folder: Path) -> dict[str, bool]:
    """Have a small model make one update on the CPU: optimizer, schedule and kernels are there.

    Returns:
        Whether the optimizer reads the fields that are for it alone, of those that are set.
    """
    wanted = cell.run.padding_free
    found: dict[str, bool] = {}
    with aside():
        torch.manual_seed(0)
        model = next((model for model, _ in small_models(look.build, look.config)), None)
        if model is None:
            return found  # too large to be tried
        try:
            trainer = AdversarialTrainer(
                model=model,
                args=training_arguments(cell, folder, for_a_look=True),
                train_dataset=_Rows(batch_of(model)),
                data_collator=default_data_collator,
                adversary=cell.adversary,
                padding_free=None if wanted == "auto" else wanted,
            )
            trainer.remove_callback(PrinterCallback)
            found = optimizer_reads(trainer.args, model, cell.trainer.fields)
            trainer.train()
        except DivergedError:
            pass  # of a random model: says nothing
        except UNBUILT as err:
            raise FreeLBTuneError(f"trainer: {short(err)} (cell {cell.id})") from err
    return found


class _Rows(Dataset[dict[str, Tensor]]):
    """A batch's examples, one by one."""

    def __init__(self, batch: Batch) -> None:
        self._batch = batch

    def __len__(self) -> int:
        return len(self._batch["labels"])

    def __getitem__(self, row: int) -> dict[str, Tensor]:
        return {name: values[row] for name, values in self._batch.items()}


@contextmanager
def _quietly() -> Iterator[None]:
    """Without what transformers tells of models that are looked at and never used."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)
