"""A trainer's evaluation, and prediction in length order.

Room: training. `Trainer`'s own numbers, without padding where the model can.

Letters: b examples of a batch, N of a data set, C classes, labels or values.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from freelb_tune.errors import FreeLBTuneError
from freelb_tune.training.passes.lookup import logits_of
from freelb_tune.training.passes.packing import packed_encoder
from freelb_tune.training.probing.paths import Paths, paths_of
from freelb_tune.training.trainer_parts.loss import LossTrainer

if TYPE_CHECKING:
    from freelb_tune.training.passes.packed import PackedEncoder

__all__ = ["EvaluatingTrainer", "Predicted", "lengths_of"]

logger = logging.getLogger(__name__)


class Predicted(NamedTuple):
    """What a model says of a data set, in the data's order.

    Attributes:
        logits: `(N, C)`, float32.
        labels: as the data has them, `(N, ...)`; None if it has none.
        losses: each example's loss, `(N,)`; zeros without labels.
        shares: what each counts in their mean, `(N,)`; ones without labels.
    """

    logits: np.ndarray
    labels: np.ndarray | None
    losses: np.ndarray
    shares: np.ndarray

    @property
    def loss(self) -> float:
        """The mean loss: the sum of the losses over that of the shares."""
        return float(self.losses.mean() / self.shares.mean())


def lengths_of(dataset: Any) -> Sequence[int] | None:
    """Tokens of each example, or None where the data set cannot tell without being read."""
    known = getattr(dataset, "lengths", None)
    if known is not None:
        return [int(n) for n in known]
    columns = getattr(dataset, "column_names", None)
    if columns and "input_ids" in columns:
        return [len(row) for row in dataset["input_ids"]]
    return None


class EvaluatingTrainer(LossTrainer):
    """A `Trainer` that evaluates and predicts without padding where the model can.

    Attributes:
        padding_free: whether to run no work on padding; None chooses it where it pays.
    """

    padding_free: bool | None
    _seen: tuple[nn.Module | None, Paths] = (None, Paths(False, False))

    def prediction_step(
        self,
        model: nn.Module,
        inputs: dict[str, Any],
        prediction_loss_only: bool,
        ignore_keys: list[str] | None = None,
    ) -> tuple[Tensor | None, Any, Any]:
        """As `Trainer.prediction_step`; without padding where the model can."""
        inputs = self._prepare_inputs(inputs)
        plain = ignore_keys is None and set(self.label_names) <= {"labels"}
        packed = self._packed(model, inputs) if plain else None
        if packed is None:
            step: tuple[Tensor | None, Any, Any] = super().prediction_step(
                model, inputs, prediction_loss_only, ignore_keys
            )
            return step
        labels = inputs.get("labels") if self.label_names else None
        with torch.no_grad():
            logits = packed(inputs, None, None)
            loss = None if labels is None else self._mean_loss(logits, labels)
        return (loss, None, None) if prediction_loss_only else (loss, logits, labels)

    def predict_by_length(
        self, dataset: Any, told: Callable[[int], None] = lambda _: None
    ) -> Predicted:
        """Predict a data set, longest examples first: what does not fit fails at once.

        Every example is predicted, under `dataloader_drop_last` too. Only the logits are kept,
        whatever else the model returns.

        Args:
            dataset: the examples.
            told: how many more are done, after each batch.
        """
        lengths = lengths_of(dataset) or [0] * len(dataset)
        order = sorted(range(len(dataset)), key=lambda row: (-lengths[row], row))
        logits: list[Tensor] = []
        labels: list[Tensor] = []
        lost: list[Tensor] = []
        counts: list[Tensor] = []
        model = self._ready()
        with torch.inference_mode():
            for inputs in self._loader(dataset, order):
                batch = dict(self._prepare_inputs(inputs))
                wanted = batch.pop("labels", None)
                out = self._logits(model, batch)
                logits.append(out.float())
                told(len(out))
                if wanted is None:
                    lost.append(out.new_zeros(len(out)))
                    counts.append(out.new_ones(len(out)))
                    continue
                labels.append(wanted)
                lost.append(self._losses(out, wanted))
                counts.append(self._shares(wanted))
        back = np.argsort(np.asarray(order))
        return Predicted(
            torch.cat(logits).cpu().numpy()[back],
            torch.cat(labels).cpu().numpy()[back] if labels else None,
            torch.cat(lost).float().cpu().numpy()[back],
            torch.cat(counts).float().cpu().numpy()[back],
        )

    def _packed(self, model: nn.Module, inputs: Mapping[str, Any]) -> "PackedEncoder | None":
        """The padding-free form of the very object that is trained, if this batch may take it."""
        batch = {name: value for name, value in inputs.items() if name != "labels"}
        with self.compute_loss_context_manager():  # where somebody may open autocast
            packed = packed_encoder(model, self.args.device, self.padding_free, batch)
        if packed is None or self._paths(model).padding_free:
            return packed
        if self.padding_free:
            raise FreeLBTuneError(
                f"run.padding_free: {self._paths(model).why}; write auto or false"
            )
        return None

    def _paths(self, model: nn.Module) -> Paths:
        """Which fast paths are right for a model: looked at once for each object."""
        if self._seen[0] is model:
            return self._seen[1]
        raw = self.accelerator.unwrap_model(model, keep_torch_compile=False)
        if self._seen[0] is not raw:
            self._seen = raw, paths_of(raw)
            if not self._seen[1].trimmed:
                name, why = type(raw).__name__, self._seen[1].why
                logger.warning("%s takes whole batches, which is slower: %s", name, why)
        return self._seen[1]

    def _ready(self) -> nn.Module:
        """The model as `Trainer.evaluation_loop` prepares it, in eval mode."""
        model: nn.Module = self.model
        if not self.accelerator._models:
            model = self.accelerator.prepare_model(model, evaluation_mode=True)
        model.eval()
        if callable(getattr(self.optimizer, "eval", None)):
            self.optimizer.eval()
        return model

    def _loader(self, dataset: Any, order: Sequence[int]) -> Any:
        loader: DataLoader[Any] = DataLoader(
            dataset,
            batch_size=self.args.eval_batch_size,
            sampler=order,
            collate_fn=self._get_collator_with_removed_columns(self.data_collator, "prediction"),
            num_workers=self.args.dataloader_num_workers,
            pin_memory=self.args.dataloader_pin_memory,
        )
        return self.accelerator.prepare(loader)

    def _logits(self, model: nn.Module, batch: Mapping[str, Tensor]) -> Tensor:
        packed = self._packed(model, batch)
        if packed is not None:
            without_padding: Tensor = packed(batch, None, None)
            return without_padding
        with self.compute_loss_context_manager():
            return logits_of(model(**batch))
