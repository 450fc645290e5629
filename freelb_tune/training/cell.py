"""One cell, start to finish: build, train, evaluate each epoch, keep, report.

Room: training. Knows nothing of Ray: `search/` calls it, and so does `freelb-tune rerun`, and both
get the same numbers bit for bit on the same hardware.
"""

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import torch
import transformers
from transformers import PrinterCallback, TrainerCallback

from freelb_tune.errors import DivergedError
from freelb_tune.space.cells.cell import Cell
from freelb_tune.space.settings.also import TEST
from freelb_tune.store import (
    EpochLog,
    EpochRecord,
    damage_of,
    find_checkpoint,
    read_epochs,
    tell_again,
)
from freelb_tune.store.cells.pulse import beat
from freelb_tune.tasks import compute_metrics, get_task
from freelb_tune.tasks.sources.further import as_the_set_has_them
from freelb_tune.tasks.sources.settings import data_settings
from freelb_tune.training.checkpoint import replace_folder, save_checkpoint
from freelb_tune.training.inputs.adapter import is_adapted, save_adapted
from freelb_tune.training.inputs.arguments import training_arguments
from freelb_tune.training.inputs.launcher import no_launcher
from freelb_tune.training.inputs.model import build_model
from freelb_tune.training.inputs.tokens import PadCollator, TokenDataset, Tokens
from freelb_tune.training.memory import device_peak_gib, process_peak_gib, restart_peaks
from freelb_tune.training.new_settings import NewLearningRate, changed_settings
from freelb_tune.training.preparation import Prepared
from freelb_tune.training.trainer import AdversarialTrainer

__all__ = ["run_cell"]

Report = Callable[[EpochRecord], None]
_BEAT_SECONDS = 10.0  # between two signs of life


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
    restart_peaks()
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
    each_epoch = _EachEpoch(cell, prepared, folder, trainer, log, report, known)
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
    return PadCollator(pads, left=tokenizer.padding_side == "left")


class _EachEpoch(TrainerCallback):
    """Evaluates, keeps and reports at the end of each epoch."""

    def __init__(
        self,
        cell: Cell,
        prepared: Prepared,
        folder: Path,
        trainer: AdversarialTrainer,
        log: EpochLog,
        report: Report,
        known: list[EpochRecord],
    ) -> None:
        self.cell, self.prepared, self.folder = cell, prepared, folder
        self.trainer, self.log, self.report = trainer, log, report
        self.task = get_task(cell.task)
        self.data = data_settings(cell.task, cell.data)
        metric = self.task.metric(cell.metric)
        self.metric = metric.name
        self.sign = 1.0 if metric.better == "higher" else -1.0
        self.epoch = len(known)
        self.best = max((self.sign * record.score for record in known), default=-np.inf)
        trainer.passes = known[-1].passes if known else 0
        self.sets = {
            name: TokenDataset(prepared.tokens.folder / name) for name in prepared.tokens.evaluation
        }
        self.started = self.beaten = perf_counter()
        self.every_checkpoint = False

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Give a sign of life, not too often."""
        if perf_counter() - self.beaten >= _BEAT_SECONDS:
            self.beaten = perf_counter()
            beat(self.folder)

    def on_epoch_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Predict the dev sets, then write and report the epoch."""
        trained = perf_counter()
        self.epoch += 1
        metrics, dev_loss = self._evaluate()
        score = metrics[self.metric]
        if not (np.isfinite(score) and np.isfinite(dev_loss)):
            raise DivergedError(
                f"after epoch {self.epoch} dev {self.metric} is {score} and dev loss {dev_loss}"
            )
        health = self.trainer.health.read()
        done = perf_counter()
        record = EpochRecord(
            cell_id=self.cell.id,
            epoch=self.epoch,
            step=state.global_step,
            score=score,
            metrics=metrics,
            dev_loss=dev_loss,
            train_loss=health.train_loss,
            delta_ratio=health.delta_ratio,
            delta_norm=health.delta_norm,
            bound_share=health.bound_share,
            adv_loss_gain=health.adv_loss_gain,
            passes=self.trainer.passes,
            learning_rate=float(self.trainer._get_learning_rate()),
            micro_batch=self.trainer.micro_batch,
            train_seconds=round(trained - self.started, 3),
            eval_seconds=round(done - trained, 3),
            peak_gib=device_peak_gib(),
            process_gib=process_peak_gib(),
        )
        try:
            self._keep(record)
        except BaseException:  # where the disk is full, what is half written takes up the room
            for name in ("model.tmp", "checkpoint.tmp"):
                shutil.rmtree(self.folder / name, ignore_errors=True)
            raise
        self.report(record)
        self.trainer.health.restart()
        self.started = perf_counter()

    def _evaluate(self) -> tuple[dict[str, float], float]:
        metrics: dict[str, float] = {}
        arrays: dict[str, np.ndarray] = {}
        dev_loss = float("nan")
        for name, rows in self.sets.items():
            if name == TEST and not self._may_count(metrics):
                continue
            said = self.trainer.predict_by_length(rows)
            assert said.labels is not None  # evaluation sets have them
            logits = as_the_set_has_them(said.logits, self.data, name, self.prepared.tokens.labels)
            arrays[f"{name}.logits"], arrays[f"{name}.labels"] = logits, said.labels
            if name == TEST:  # scored at the search's planned end, and shown nowhere before
                arrays[f"{name}.file"] = np.array(self.prepared.tokens.test)
                continue
            prefix = "" if name == "dev" else f"{name}."
            values = compute_metrics(self.task, logits, said.labels)
            metrics |= {f"{prefix}{metric}": value for metric, value in values.items()}
            if name == "dev":
                dev_loss = said.loss
        path = self.folder / "predictions" / f"epoch_{self.epoch:04d}.npz"
        path.parent.mkdir(exist_ok=True)
        fresh = path.with_suffix(".tmp")
        try:
            with fresh.open("wb") as file:
                np.savez_compressed(file, allow_pickle=False, **arrays)
            fresh.replace(path)
        finally:
            fresh.unlink(missing_ok=True)
        return metrics, dev_loss

    def _may_count(self, metrics: Mapping[str, float]) -> bool:
        """Whether a table may show this epoch for the cell: the best so far, or the last."""
        is_last = self.epoch >= self.prepared.epochs
        return is_last or self.every_checkpoint or self.sign * metrics[self.metric] > self.best

    def _keep(self, record: EpochRecord) -> None:
        """Model if the best so far, checkpoint unless it was the last epoch, then the line."""
        if self.sign * record.score > self.best and not self.every_checkpoint:
            self.best = self.sign * record.score
            fresh = self.folder / "model.tmp"
            shutil.rmtree(fresh, ignore_errors=True)
            if is_adapted(self.trainer.model):
                save_adapted(self.trainer.model, fresh, self.cell.run.keep_adapter)
            else:
                self.trainer.save_model(str(fresh))
            shutil.copytree(self.prepared.tokens.folder / "tokenizer", fresh, dirs_exist_ok=True)
            (fresh / "training_args.bin").unlink(missing_ok=True)
            replace_folder(fresh, self.folder / "model")
        if record.epoch < self.prepared.epochs or self.every_checkpoint:
            save_checkpoint(self.trainer, self.folder / "checkpoint", self.cell, record)
        self.log.append(record)
