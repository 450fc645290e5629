"""What happens at the end of each epoch of a cell: evaluate, keep, report.

Room: training. The order on disk is the promise: predictions, model, checkpoint, the line.
"""

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from transformers import TrainerCallback

from freelb_tune.errors import DivergedError
from freelb_tune.space.cells.cell import Cell
from freelb_tune.space.settings.also import TEST
from freelb_tune.store import EpochLog, EpochRecord
from freelb_tune.store.cells.pulse import beat
from freelb_tune.tasks import compute_metrics, get_task
from freelb_tune.tasks.sources.further import as_the_set_has_them
from freelb_tune.tasks.sources.settings import data_settings
from freelb_tune.training.cells.checkpoint import replace_folder, save_checkpoint
from freelb_tune.training.cells.memory import device_peak_gib, process_peak_gib
from freelb_tune.training.inputs.adapter import is_adapted, save_adapted
from freelb_tune.training.inputs.tokens import TokenDataset
from freelb_tune.training.preparing.preparation import Prepared
from freelb_tune.training.trainer import AdversarialTrainer

__all__ = ["EachEpoch", "Report"]

Report = Callable[[EpochRecord], None]
_BEAT_SECONDS = 10.0  # between two signs of life


class EachEpoch(TrainerCallback):
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
