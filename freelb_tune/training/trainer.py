"""`AdversarialTrainer`: a `transformers.Trainer` whose every step is an adversary's.

Room: training. Usable alone: in place of `Trainer`, with one more argument.
"""

import hashlib
from collections.abc import Mapping
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, mse_loss
from transformers import Trainer

from freelb_tune.adversary import Outcome, Passes, absolute, embedding_norm, make_adversary
from freelb_tune.errors import DivergedError, FreeLBTuneError
from freelb_tune.space.adversary_settings import AdversarySettings, FreeLBSettings
from freelb_tune.training.evaluation import EvaluatesByLength
from freelb_tune.training.health import Health
from freelb_tune.training.inputs.arguments import check_accumulation
from freelb_tune.training.passes.minibatch import Machinery, PaddedPasses, input_embeddings
from freelb_tune.training.passes.packing import PackedPasses, packed_encoder

__all__ = ["AdversarialTrainer"]


class _OpenPasses(Passes, Protocol):
    micro_batch: int

    def close(self) -> None: ...


class AdversarialTrainer(EvaluatesByLength, Trainer):
    """A `Trainer` that perturbs word embeddings on every mini-batch.

    The loss is cross entropy (squared error where the model has one label), mean over the
    examples of a weight update, with `label_smoothing_factor` as in `Trainer`. One mini-batch's
    gradient does not depend on how it is cut into micro-batches. Evaluation runs in length order;
    predictions come back in the data's order.

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
        **kwargs: Any,
    ) -> None:
        """Build a `Trainer`.

        Args:
            args: as for `Trainer`.
            adversary: the method and its settings; FreeLB with its defaults if None.
            padding_free: run no work on padding (BERT, RoBERTa and ELECTRA); None chooses it on
                a CPU where the model can, False never.
            kwargs: as for `Trainer`.

        Raises:
            FreeLBTuneError: the model cannot be perturbed, several GPUs would be used, the
                adversary leaves no room for gradient accumulation, or `compute_loss_func` is
                given (override `example_losses`).
        """
        super().__init__(*args, **kwargs)
        if self.compute_loss_func is not None:
            raise FreeLBTuneError(
                "AdversarialTrainer needs each example's loss: override example_losses(logits, "
                "labels) instead of passing compute_loss_func"
            )
        if self.args.n_gpu > 1:
            raise FreeLBTuneError(
                f"{self.args.n_gpu} GPUs are visible and one is used per trainer: "
                "set CUDA_VISIBLE_DEVICES to one of them"
            )
        adversary = adversary or FreeLBSettings()
        if adversary.UPDATES_WEIGHTS:
            check_accumulation(adversary.method, self.args.gradient_accumulation_steps)
        norm = getattr(adversary, "norm", "l2")
        self.embedding_norm = embedding_norm(input_embeddings(self.model), norm)
        self.settings = absolute(adversary, self.embedding_norm)
        self.adversary = make_adversary(self.settings)
        self.packed = packed_encoder(self.model, self.args.device, padding_free)
        self.health = Health(self.settings)
        self.passes = self.micro_batch = 0
        self._largest: int | None = None
        self._update_inputs: list[Mapping[str, Any]] = []
        self._update_start: Tensor | None = None
        self._stepped = False

    def example_losses(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Each example's loss `(b,)` from logits `(b, C)` and labels `(b,)`."""
        logits = logits.float()
        if logits.shape[-1] == 1:
            return mse_loss(logits.squeeze(-1), labels.float(), reduction="none")
        smoothing = self.args.label_smoothing_factor
        return cross_entropy(logits, labels, reduction="none", label_smoothing=smoothing)

    def _get_num_items_in_batch(self, batch_samples: list[Any], device: torch.device) -> int:
        """Examples in one weight update: a plain number, so that no step waits for the device."""
        self._update_inputs = []
        return sum(len(batch["labels"]) for batch in batch_samples)

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
        """
        items = int(num_items_in_batch or len(inputs["labels"]))
        self._update_inputs.append(inputs)
        try:
            outcome = self._one_batch(model, inputs, items)
        except torch.OutOfMemoryError:
            outcome = self._again_in_smaller_pieces(model, items)
        self.health.add(outcome)
        self.passes += outcome.passes
        loss = outcome.losses.sum() / items
        if loss.device.type == "cpu" and not torch.isfinite(loss):
            raise DivergedError(
                f"the training loss is {loss.item()} at step {self.state.global_step + 1}; a lower "
                "trainer.learning_rate, adversary.adv_lr or adversary.init_mag may help"
            )
        return loss

    def _one_batch(self, model: nn.Module, inputs: Mapping[str, Any], items: int) -> Outcome:
        model.train()
        self._stepped = False
        batch = self._prepare_inputs(dict(inputs))
        labels = batch.pop("labels")
        passes = self._open(model, batch, labels, items)
        outcome = self.adversary(passes)
        if outcome.delta is not None and self.health.probe_is_due:
            with torch.no_grad():
                clean = passes.run(None, parameters=False, ascend=False)
            self.health.probe(outcome, clean.losses)
        passes.close()
        self.micro_batch = max(self.micro_batch, passes.micro_batch)
        return outcome

    def _open(
        self, model: nn.Module, inputs: dict[str, Tensor], labels: Tensor, items: int
    ) -> _OpenPasses:
        place = f"{self.args.seed}/{self.state.global_step}/{len(self._update_inputs)}"
        tools = Machinery(
            self.compute_loss_context_manager,
            self.accelerator.backward,
            self.example_losses,
            lambda: self._update_weights(model),
        )
        noise = _stream(f"{place}/noise", labels.device)
        if self.packed is not None:
            masks = _stream(f"{place}/dropout", labels.device)
            return PackedPasses(
                self.packed,
                inputs,
                labels,
                items=items,
                generator=noise,
                dropout=masks,
                tools=tools,
                step=self.state.global_step,
            )
        return PaddedPasses(
            model,
            inputs,
            labels,
            items=items,
            generator=noise,
            tools=tools,
            step=self.state.global_step,
            largest=self._largest,
            whole=labels.device.type != "cpu",
        )

    def _update_weights(self, model: nn.Module) -> None:
        """One optimizer step between two passes; the learning rate stays the update's.

        Raises:
            FreeLBTuneError: under gradient accumulation.
        """
        check_accumulation(self.settings.method, self.args.gradient_accumulation_steps)
        self._stepped = True
        if self.args.max_grad_norm:
            self._clip_grad_norm(model)
        self.optimizer.step()
        self.optimizer.zero_grad()

    def _again_in_smaller_pieces(self, model: nn.Module, items: int) -> Outcome:
        """Redo the weight update so far with micro-batches of half the size: the same gradient.

        Raises:
            torch.OutOfMemoryError: not even one example at a time fits, or the weights have moved
                since the first pass.
        """
        batches = self._update_inputs
        while True:
            if self._stepped:
                raise torch.OutOfMemoryError(
                    f"adversary {self.settings.method} had moved the weights when memory ran out, "
                    "so the batch cannot be begun again in smaller pieces; lower "
                    "trainer.per_device_train_batch_size"
                )
            largest = self._largest or max(len(batch["labels"]) for batch in batches)
            if largest <= 1:
                raise torch.OutOfMemoryError("one example alone does not fit into device memory")
            self._largest = largest // 2
            self.packed = None
            model.zero_grad()
            torch.cuda.empty_cache()
            self._update_inputs = []
            try:
                for inputs in batches:
                    self._update_inputs.append(inputs)
                    outcome = self._one_batch(model, inputs, items)
                return outcome
            except torch.OutOfMemoryError:
                continue


def _stream(place: str, device: torch.device) -> torch.Generator:
    """A generator of its own for each mini-batch, so that a resumed run draws the same noise."""
    seed = int.from_bytes(hashlib.sha256(place.encode()).digest()[:7], "big")
    return torch.Generator(device=device).manual_seed(seed)
