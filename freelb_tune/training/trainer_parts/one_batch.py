"""One mini-batch through the adversary: on the fastest right path, and in pieces that fit.

Room: training.
"""

import hashlib
from collections.abc import Mapping
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from freelb_tune.adversary import Adversary, Outcome, Passes
from freelb_tune.space.settings.adversaries import AdversarySettings
from freelb_tune.training.inputs.arguments import check_accumulation
from freelb_tune.training.passes.lookup import can_be_cut
from freelb_tune.training.passes.losses import problem_of
from freelb_tune.training.passes.minibatch import Machinery, PaddedPasses
from freelb_tune.training.passes.packing import PackedPasses
from freelb_tune.training.passes.plain import PlainPasses
from freelb_tune.training.trainer_parts.evaluation import EvaluatingTrainer
from freelb_tune.training.trainer_parts.health import Health

__all__ = ["BatchTrainer"]


class _OpenPasses(Passes, Protocol):
    micro_batch: int

    def close(self) -> None: ...


class BatchTrainer(EvaluatingTrainer):
    """A `Trainer` that can put a mini-batch through an adversary; see `AdversarialTrainer`."""

    adversary: Adversary
    settings: AdversarySettings
    health: Health
    micro_batch: int
    _largest: int | None  # most examples in one forward pass, once memory ran out
    _update_inputs: list[Mapping[str, Any]]  # the weight update's batches so far
    _stepped = False  # whether the batch at hand has moved the weights

    def _one_batch(
        self, model: nn.Module, inputs: Mapping[str, Any], items: Tensor | int
    ) -> Outcome:
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
        self, model: nn.Module, inputs: dict[str, Tensor], labels: Tensor, items: Tensor | int
    ) -> _OpenPasses:
        place = f"{self.args.seed}/{self.state.global_step}/{len(self._update_inputs)}"
        tools = Machinery(
            self.compute_loss_context_manager,
            self.accelerator.backward,
            self._training_losses,
            lambda: self._update_weights(model),
            problem_of(self._config, labels),
        )
        common: dict[str, Any] = {
            "items": items,
            "generator": _stream(f"{place}/noise", labels.device),
            "tools": tools,
            "step": self.state.global_step,
        }
        packed = None if self._largest else self._packed(model, inputs)
        if packed is not None:
            masks = _stream(f"{place}/dropout", labels.device)
            return PackedPasses(packed, inputs, labels, dropout=masks, **common)
        common["largest"] = self._largest
        if not (self._paths(model).trimmed and can_be_cut(model, inputs)):
            return PlainPasses(model, inputs, labels, **common)
        return PaddedPasses(model, inputs, labels, whole=labels.device.type != "cpu", **common)

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

    def _again_in_smaller_pieces(self, model: nn.Module, items: Tensor | int) -> Outcome:
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
