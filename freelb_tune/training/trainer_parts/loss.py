"""What a trainer makes of logits and labels: the mean of a loss per example, and its pieces.

Room: training.

Letters: b examples of a batch, C classes, labels or values.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from torch import Tensor, nn
from transformers import Trainer

from freelb_tune.errors import FreeLBTuneError
from freelb_tune.training.passes import losses
from freelb_tune.training.passes.lookup import logits_of
from freelb_tune.training.probing.own_loss import check_own_loss

__all__ = ["LossTrainer"]


class LossTrainer(Trainer):
    """A `Trainer` whose loss is the mean of a loss per example.

    Attributes:
        class_weights: what each class counts, `(C,)`; None for all alike.
    """

    class_weights: Tensor | None = None
    _scale: Tensor | float = 1.0
    _checked: nn.Module | None = None  # the model whose own loss was held against ours

    def example_losses(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Each example's loss `(b,)` from logits `(b, C)` and labels; override it for your own.

        By default what transformers' classifiers compute under their `problem_type`, with
        `label_smoothing_factor`, times the weight of the example's class.
        """
        smoothing = 0.0 if self.label_smoother is None else self.label_smoother.epsilon
        problem = losses.problem_of(self._config, labels)
        return losses.example_losses(logits, labels, problem, smoothing, self.class_weights)

    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Tensor | int | None = None,
    ) -> Any:
        """The mean loss of a batch in evaluation, as `Trainer.compute_loss` returns it."""
        del num_items_in_batch
        labels = self._labels(inputs)
        self._check_loss(model, inputs)
        outputs = model(**{name: value for name, value in inputs.items() if name != "labels"})
        loss = self._mean_loss(logits_of(outputs), labels)
        if not return_outputs:
            return loss
        return loss, outputs if isinstance(outputs, Mapping) else (loss, *outputs)

    @property
    def _config(self) -> Any:
        own = getattr(self.model, "config", None)  # to unwrap it takes a walk through its modules
        return own or getattr(self.accelerator.unwrap_model(self.model), "config", None)

    def _labels(self, inputs: Mapping[str, Any]) -> Tensor:
        labels = inputs.get("labels")
        if not isinstance(labels, Tensor):
            raise FreeLBTuneError(
                f"a batch holds {', '.join(map(str, inputs))} and no tensor of labels; adversaries "
                "need each example's label under the name labels"
            )
        return labels

    def _losses(self, logits: Tensor, labels: Tensor) -> Tensor:
        """`example_losses`, held to one number per example."""
        found = self.example_losses(logits, labels)
        if found.shape != (len(logits),):
            raise FreeLBTuneError(
                f"example_losses returned the shape {tuple(found.shape)} for {len(logits)} "
                "examples; it has to return one loss for each, not their mean (reduction='none')"
            )
        return found

    def _mean_loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        return self._losses(logits, labels).sum() / self._shares(labels).sum()

    def _shares(self, labels: Tensor, *, weighted: bool = True) -> Tensor:
        """What each example counts in a mean loss, `(b,)`."""
        problem = losses.problem_of(self._config, labels)
        return losses.shares(labels, problem, self.class_weights if weighted else None)

    def _check_loss(self, model: nn.Module, inputs: Mapping[str, Any]) -> None:
        """Once per model: refuse one whose own loss is another than ours, unless told ours."""
        raw = self.accelerator.unwrap_model(model, keep_torch_compile=False)
        if raw is self._checked:
            return
        self._checked = raw
        own = type(self).example_losses is LossTrainer.example_losses
        if own and self.label_smoother is None:
            check_own_loss(raw, inputs, self._unweighted)

    def _count(self, update: Iterable[Tensor]) -> Tensor | int:
        """Examples of a weight update that count; by weights, it sets what makes them a mean."""
        labels = list(update)
        total = sum(self._shares(each, weighted=False).sum() for each in labels)
        if self.class_weights is not None:
            self._scale = total / sum(self._shares(each).sum() for each in labels)
        if isinstance(total, Tensor) and total.device.type != "cpu":
            return total.double()
        return int(total)

    def _training_losses(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Each example's loss, such that the mean over an update's examples is the update's."""
        found = self._losses(logits, labels)
        return found if self.class_weights is None else found * self._scale

    def _unweighted(self, logits: Tensor, labels: Tensor) -> Tensor:
        """What a model's own loss is the mean of: it knows no weights."""
        problem = losses.problem_of(self._config, labels)
        return losses.example_losses(logits, labels, problem)
