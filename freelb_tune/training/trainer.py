"""`AdversarialTrainer`: a `transformers.Trainer` whose every step is an adversary's.

Room: training. Usable alone: in place of `Trainer`, with one more argument.
"""

import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers.trainer import clear_device_cache

from freelb_tune.adversary import absolute, embedding_norm, make_adversary
from freelb_tune.adversary.passes import Remembering
from freelb_tune.errors import DivergedError, FreeLBTuneError
from freelb_tune.space.settings.adversaries import AdversarySettings, FreeLBSettings
from freelb_tune.training.inputs.arguments import check_accumulation
from freelb_tune.training.passes.lookup import input_embeddings
from freelb_tune.training.passes.losses import weights_of
from freelb_tune.training.passes.packing import packed_encoder
from freelb_tune.training.passes.unpadded.recording import Recorder
from freelb_tune.training.trainer_parts.health import Health
from freelb_tune.training.trainer_parts.one_batch import BatchTrainer
from freelb_tune.training.trainer_parts.refusals import (
    check_optimizer,
    check_precision,
    check_trainer,
)

__all__ = ["AdversarialTrainer"]

_MEMORY = "adversary.safetensors"  # in a checkpoint
logger = logging.getLogger(__name__)


class AdversarialTrainer(BatchTrainer):
    """A `Trainer` that perturbs word embeddings on every mini-batch.

    What `Trainer` and `TrainingArguments` say of the model, the loss, the batch, the gradient, the
    evaluation and the prediction holds with `Trainer`'s own numbers, or is refused by name;
    tests/trainer_surface.py lists every argument, method and field.

    The loss is the mean over a weight update's examples of what the model's `problem_type` asks
    for: a mini-batch's gradient does not depend on how it is cut into micro-batches, nor does an
    update's on `gradient_accumulation_steps`. (For most classifiers of transformers 5.24,
    `Trainer` sums the accumulated batches' means instead, unless `loss_is_scaled_for_ga` is
    False.) A loss that is not finite ends training. With `class_weights` the mean is
    `torch.nn.CrossEntropyLoss(weight=...)`'s, as of a `Trainer` whose `compute_loss` returns that:
    weighted losses over the sum of the weights, which is the whole update's here too. Evaluation
    and adversarial losses have the weights; a divergence that a method adds has none.

    Attributes:
        settings: the adversary's, all lengths in embedding units.
        embedding_norm: mean norm of the word embeddings as training begins, in the adversary's
            norm: the unit of `relative` lengths. None where it cannot be measured.
        health: what the perturbation did since `health.restart()`.
        passes: forward and backward passes of mini-batches so far.
        micro_batch: most examples that one forward pass has held.
    """

    def __init__(
        self,
        *args: Any,
        adversary: AdversarySettings | None = None,
        padding_free: bool | None = None,
        class_weights: Sequence[float] | Tensor | None = None,
        **kwargs: Any,
    ) -> None:
        """Build a `Trainer`.

        Args:
            args, kwargs: as for `Trainer`.
            adversary: the method and its settings; FreeLB with its defaults if None.
            padding_free: run no work on padding (BERT, RoBERTa and ELECTRA on a CPU, more on a
                GPU); None does so for as long as the model and its batches allow it, False never.
            class_weights: what an example of each class counts in the loss, in the classes' order.

        Raises:
            FreeLBTuneError: the model cannot be perturbed, the adversary leaves no room for
                gradient accumulation, or an argument is given that cannot be honoured.
        """
        self._adversary = adversary or FreeLBSettings()
        self.padding_free = padding_free
        super().__init__(*args, **kwargs)
        self.class_weights = weights_of(class_weights, self._config)
        check_trainer(self, AdversarialTrainer)
        if self._adversary.UPDATES_WEIGHTS:
            check_accumulation(self._adversary.method, self.args.gradient_accumulation_steps)
        self.passes = self.micro_batch = 0
        self._recordings = Recorder(bf16=self.args.bf16)
        self._largest: int | None = None
        self._update_inputs: list[Mapping[str, Any]] = []
        self._is_due = False  # whether a weight update has begun, and no step of ours in it
        self._met: tuple[Any, Any] = (None, None)
        self._measured: Any = None
        self._measure(self.model)
        packed_encoder(self.model, self.args.device, padding_free)  # or its refusal

    def call_model_init(self, trial: Any = None) -> nn.Module:
        """As in `Trainer`; the new model's embeddings are the unit of relative lengths."""
        model: nn.Module = super().call_model_init(trial)
        self._measured = None
        self._measure(model)
        return model

    def _measure(self, model: nn.Module) -> None:
        """Take lengths in the model's unit, and make the adversary, unless it is known."""
        embeddings = input_embeddings(self.accelerator.unwrap_model(model))
        weight = getattr(embeddings, "weight", embeddings)
        if weight is self._measured:
            return
        self._measured = weight
        self.embedding_norm = embedding_norm(embeddings, getattr(self._adversary, "norm", "l2"))
        self.settings = absolute(self._adversary, self.embedding_norm)
        self.adversary = make_adversary(self.settings)
        self.health = Health(self.settings)

    def _save_optimizer_and_scheduler(self, output_dir: str) -> None:
        """As in `Trainer`; and what the adversary has learnt from batch to batch."""
        super()._save_optimizer_and_scheduler(output_dir)
        if isinstance(self.adversary, Remembering) and self.adversary.memory:
            kept = {name: value.cpu() for name, value in self.adversary.memory.items()}
            save_file(kept, Path(output_dir) / _MEMORY)

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        super()._load_optimizer_and_scheduler(checkpoint)
        path = Path(checkpoint or "") / _MEMORY
        if checkpoint and isinstance(self.adversary, Remembering) and path.is_file():
            self.adversary.memory.update(load_file(path))

    def _get_num_items_in_batch(
        self, batch_samples: list[Any], device: torch.device
    ) -> Tensor | int:
        """Examples in one weight update whose labels count; on a GPU no step waits for it."""
        self._update_inputs = []
        return self._count(self._labels(batch) for batch in batch_samples)

    def get_batch_samples(self, *args: Any, **kwargs: Any) -> Any:
        """As in `Trainer`, whose loop asks before each weight update.

        Raises:
            FreeLBTuneError: the update before took a step that is not ours.
        """
        if self._is_due:
            raise FreeLBTuneError(
                f"{type(self).__name__}.training_step takes a step without AdversarialTrainer's: "
                "nothing is perturbed; call super().training_step(...) there, or use Trainer"
            )
        found = super().get_batch_samples(*args, **kwargs)
        self._is_due = bool(found[0])
        return found

    def training_step(
        self,
        model: nn.Module,
        inputs: dict[str, Tensor],
        num_items_in_batch: Tensor | int | None = None,
    ) -> Tensor:
        """Leave one mini-batch's adversarial gradient in the parameters; return its share of loss.

        Args:
            model: as `Trainer` wrapped it.
            inputs: a padded batch with `labels`.
            num_items_in_batch: examples in the whole weight update, over accumulated batches.

        Raises:
            DivergedError: the loss is not a finite number (seen at once on a CPU, at the end of
                the epoch on a GPU).
            FreeLBTuneError: the model or the optimizer cannot be honoured as they stand now.
        """
        self._is_due = False
        items = self._items(inputs, num_items_in_batch)
        if not isinstance(inputs.get("input_ids"), Tensor):
            raise FreeLBTuneError(
                f"a batch holds {', '.join(map(str, inputs))} and no input_ids; a perturbation "
                "enters where the model looks up its tokens' embeddings"
            )
        self._meet(model, inputs)
        model.train()
        if callable(getattr(self.optimizer, "train", None)):
            self.optimizer.train()
        self._update_inputs.append(inputs)
        outcome = None
        with suppress(torch.OutOfMemoryError):
            outcome = self._one_batch(model, inputs, items)
        if outcome is None:  # outside of `except`, which would hold on to the failed pass
            outcome = self._again_in_smaller_pieces(model, items)
        self.health.add(outcome)
        self.passes += outcome.passes
        if (every := self.args.torch_empty_cache_steps) and self.state.global_step % every == 0:
            clear_device_cache()
        loss = (outcome.losses.sum() / items).float()
        if loss.device.type == "cpu" and not torch.isfinite(loss):
            raise DivergedError(
                f"the training loss is {loss.item()} at step {self.state.global_step + 1}; a lower "
                "trainer.learning_rate, adversary.adv_lr or adversary.init_mag may help"
            )
        return loss

    def _items(self, inputs: Mapping[str, Any], told: Tensor | int | None) -> Tensor | int:
        """The examples that a weight update's loss is divided by."""
        items = told
        if items is None:  # an override's call: a share of the update, as `Trainer` has it
            parts = getattr(self, "current_gradient_accumulation_steps", 1)
            if len(self._update_inputs) >= parts:
                self._update_inputs = []
            items = self._count([self._labels(inputs)]) * parts
        if isinstance(items, int) and not items:
            raise FreeLBTuneError("every label of a weight update is -100: it has no loss")
        return items

    def _meet(self, model: nn.Module, inputs: Mapping[str, Any]) -> None:
        """Look at a model and an optimizer once, before their first weight update together."""
        self._measure(model)
        if self._met[0] is model and self._met[1] is self.optimizer:
            return
        check_optimizer(self, model)
        check_precision(self, self.accelerator.unwrap_model(model))
        self._check_loss(model, self._prepare_inputs(inputs))
        on_cpu = self.args.device.type == "cpu"
        if (
            on_cpu
            and self.args.bf16
            and self.padding_free is None
            and self._paths(model).padding_free
        ):
            logger.warning("bf16 takes the general path: the padding-free one is float32's")
        self._met = (model, self.optimizer)
