"""One cell, start to finish: build, train, evaluate each epoch, keep, report.

Room: training. Knows nothing of Ray: `search/` calls it, and so does `freelb-tune rerun`, and both
get the same numbers bit for bit on the same hardware.
"""

import shutil
from pathlib import Path

import torch
import transformers
from transformers import PrinterCallback

from freelb_tune.space.cells.cell import Cell
from freelb_tune.store import (
    EpochLog,
    EpochRecord,
    damage_of,
    find_checkpoint,
    read_epochs,
    tell_again,
)
from freelb_tune.training.cells.each_epoch import EachEpoch, Report
from freelb_tune.training.cells.memory import start_afresh
from freelb_tune.training.cells.new_settings import NewLearningRate, changed_settings
from freelb_tune.training.inputs.arguments import training_arguments
from freelb_tune.training.inputs.launcher import no_launcher
from freelb_tune.training.inputs.model import build_model
from freelb_tune.training.inputs.tokens import PadCollator, TokenDataset, Tokens
from freelb_tune.training.preparing.preparation import Prepared
from freelb_tune.training.trainer import AdversarialTrainer

__all__ = ["run_cell"]


@no_launcher()
def run_cell(
    cell: Cell,
    prepared: Prepared,
    folder: Path,
    report: Report,
    threads: int = 1,
    *,
    every_checkpoint: bool = False,
) -> None:
    """Train one cell from wherever it stands, and report after each epoch.

    Epochs that `folder` already knows are reported again without training them. Each new epoch
    writes, in this order: predictions, checkpoint, a line in `epochs.jsonl`, the report.

    Args:
        cell: what to train.
        prepared: its tokens, model and number of epochs.
        folder: `results/NAME/cells/ID`.
        report: called with each epoch's record; what it raises ends the cell.
        threads: of this process, for this cell.
        every_checkpoint: leave `checkpoint/` after the last epoch too, and no best model in
            `model/`: the caller keeps what it wants of each epoch's.

    Raises:
        DivergedError: a loss or score is not a finite number.
        FreeLBTuneError: the settings cannot run, as the message says.
    """
    torch.set_num_threads(threads)
    start_afresh()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    folder.mkdir(parents=True, exist_ok=True)
    log = EpochLog(folder / "epochs.jsonl")
    known = read_epochs(folder / "epochs.jsonl")
    found = find_checkpoint(folder, known)
    if found and found[1].epoch == len(known) + 1:  # killed between checkpoint and line
        log.append(found[1])
        known.append(found[1])
    is_over = len(known) >= prepared.epochs
    if not is_over and (found is None or not (every_checkpoint or _has_model(folder))):
        gone = "the best model is gone" if found else "the checkpoint is gone"
        known, found = _start_over(folder, known, gone), None
    for record in known:
        report(record)
    if is_over:
        return
    changes = changed_settings(found[0], cell) if found else {}
    trainer = _trainer(cell, prepared, folder)
    each_epoch = EachEpoch(cell, prepared, folder, trainer, log, report, known)
    each_epoch.every_checkpoint = every_checkpoint
    trainer.add_callback(each_epoch)
    if "trainer.learning_rate" in changes:
        trainer.add_callback(NewLearningRate(*changes["trainer.learning_rate"]))
    trainer.train(resume_from_checkpoint=str(found[0]) if found else None)


def _has_model(folder: Path) -> bool:
    """Whether the best epoch's model is there, maybe under the name that a kill has left it."""
    model, old = folder / "model", folder / "model.old"
    if not model.exists() and old.exists():
        old.rename(model)
    return model.exists()


def _start_over(folder: Path, known: list[EpochRecord], gone: str) -> list[EpochRecord]:
    """Without its checkpoint a cell begins again; what it had is written again, alike."""
    if known:
        tell_again(folder, damage_of(folder, known) or gone)
    shutil.rmtree(folder / "predictions", ignore_errors=True)
    (folder / "epochs.jsonl").unlink(missing_ok=True)
    return []


def _trainer(cell: Cell, prepared: Prepared, folder: Path) -> AdversarialTrainer:
    tokens = prepared.tokens
    model = build_model(prepared.model, tokens, cell.seed, cell.model.adapted)
    padding_free = cell.run.padding_free
    trainer = AdversarialTrainer(
        model=model,
        args=training_arguments(cell, folder),
        data_collator=_collator(tokens),
        train_dataset=TokenDataset(tokens.folder / "train"),
        adversary=cell.adversary,
        padding_free=None if padding_free == "auto" else padding_free,
        class_weights=prepared.class_weights,
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def _collator(tokens: Tokens) -> PadCollator:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tokens.folder / "tokenizer", local_files_only=True)
    pads = {"input_ids": tokens.pad_id, "attention_mask": 0, "token_type_ids": 0}
    return PadCollator(
        pads, left=tokenizer.padding_side == "left", counted=torch.cuda.is_available()
    )
