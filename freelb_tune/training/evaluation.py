"""Evaluation in length order, with predictions put back in the data's order.

Room: training. Half the work of padding each batch of the natural order, and the same numbers.
"""

from collections.abc import Iterator, Mapping, Sequence
from time import perf_counter
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler
from transformers import EvalPrediction
from transformers.trainer_utils import EvalLoopOutput

__all__ = ["EvaluatesByLength", "lengths_of"]


def lengths_of(dataset: Any) -> Sequence[int] | None:
    """Tokens of each example, or None where the data set cannot tell without being read."""
    known = getattr(dataset, "lengths", None)
    if known is not None:
        return [int(n) for n in known]
    columns = getattr(dataset, "column_names", None)
    if columns and "input_ids" in columns:
        return [len(row) for row in dataset["input_ids"]]
    return None


class _InOrder(Sampler[int]):
    """Gives out row numbers in an order fixed beforehand."""

    def __init__(self, order: Sequence[int]) -> None:
        self.order = order

    def __iter__(self) -> Iterator[int]:
        return iter(self.order)

    def __len__(self) -> int:
        return len(self.order)


def _order_of(dataloader: DataLoader[Any]) -> Sequence[int] | None:
    """The order fixed by `_InOrder`, which accelerate may have wrapped in a batch sampler."""
    place: Any = dataloader
    while place is not None:
        sampler = getattr(place, "sampler", None)
        if isinstance(sampler, _InOrder):
            return sampler.order
        place = getattr(place, "batch_sampler", None)
    return None


class EvaluatesByLength:
    """A `Trainer`'s evaluation, longest examples first: to be mixed in before `Trainer`."""

    args: Any
    model: Any
    packed: Any

    def _get_eval_sampler(self, eval_dataset: Dataset[Any]) -> Sampler[int] | None:
        """Longest first, so that what does not fit into memory fails at once."""
        lengths = lengths_of(eval_dataset)
        if lengths is None:
            sampler: Sampler[int] | None = super()._get_eval_sampler(eval_dataset)  # type: ignore[misc]
            return sampler
        return _InOrder(sorted(range(len(lengths)), key=lambda row: (-lengths[row], row)))

    def evaluation_loop(
        self,
        dataloader: DataLoader[Any],
        description: str,
        prediction_loss_only: bool | None = None,
        ignore_keys: list[str] | None = None,
        metric_key_prefix: str = "eval",
    ) -> EvalLoopOutput:
        """Predict a data set; arguments and result as for `Trainer.evaluation_loop`."""
        del prediction_loss_only, ignore_keys
        order = _order_of(dataloader)
        start = perf_counter()
        logits, labels, losses = self._predict_all(dataloader)
        if order is not None:
            back = np.argsort(np.asarray(order))
            logits, losses = logits[back], losses[back]
            labels = None if labels is None else labels[back]
        metrics: dict[str, float] = {}
        compute = getattr(self, "compute_metrics", None)
        if compute is not None and labels is not None:
            metrics = dict(compute(EvalPrediction(predictions=logits, label_ids=labels)))
        if labels is not None:
            metrics["loss"] = float(losses.mean())
        metrics["wall_seconds"] = perf_counter() - start
        prefixed = {
            name if name.startswith(f"{metric_key_prefix}_") else f"{metric_key_prefix}_{name}": v
            for name, v in metrics.items()
        }
        return EvalLoopOutput(logits, labels, prefixed, len(logits))

    def _predict_all(
        self, dataloader: DataLoader[Any]
    ) -> tuple[np.ndarray, np.ndarray | None, np.ndarray]:
        model = self.model
        model.eval()
        logits: list[Tensor] = []
        labels: list[Tensor] = []
        losses: list[Tensor] = []
        with torch.inference_mode():
            for inputs in dataloader:
                batch = self._prepare_inputs(inputs)  # type: ignore[attr-defined]
                wanted = batch.pop("labels", None)
                out = self._logits(model, batch)
                logits.append(out.float())
                if wanted is not None:
                    labels.append(wanted)
                    losses.append(self.example_losses(out, wanted))  # type: ignore[attr-defined]
                else:
                    losses.append(out.new_zeros(len(out)))
        return (
            torch.cat(logits).cpu().numpy(),
            torch.cat(labels).cpu().numpy() if labels else None,
            torch.cat(losses).float().cpu().numpy(),
        )

    def _logits(self, model: torch.nn.Module, batch: Mapping[str, Tensor]) -> Tensor:
        with self.compute_loss_context_manager():  # type: ignore[attr-defined]
            if self.packed is not None:
                packed: Tensor = self.packed(batch, None, None)
                return packed
            output = model(**batch)
            logits: Tensor = output["logits"] if isinstance(output, Mapping) else output[0]
            return logits
