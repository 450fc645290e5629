"""One mini-batch through the adversary: on the fastest right path, and in pieces that fit.

Room: training.
"""

import gc
import hashlib
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from freelb_tune.adversary import Adversary, Outcome, Passes
from freelb_tune.errors import FreeLBTuneError
from freelb_tune.space.settings.adversaries import AdversarySettings
from freelb_tune.training.inputs.arguments import check_accumulation
from freelb_tune.training.inputs.positions import room_of
from freelb_tune.training.inputs.tokens import REAL_TOKENS
from freelb_tune.training.passes.lookup import can_be_cut, starts_with_words
from freelb_tune.training.passes.losses import problem_of
from freelb_tune.training.passes.minibatch import Machinery, PaddedPasses
from freelb_tune.training.passes.packing import PackedPasses
from freelb_tune.training.passes.plain import PlainPasses
from freelb_tune.training.passes.unpadded.passes import UnpaddedPasses
from freelb_tune.training.passes.unpadded.recording import Recorder
from freelb_tune.training.passes.unpadded.standing import standing_of
from freelb_tune.training.trainer_parts.evaluation import EvaluatingTrainer
from freelb_tune.training.trainer_parts.health import Health
from freelb_tune.training.trainer_parts.loss import LossTrainer

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
    _recordings: Recorder
    _roomy: tuple[nn.Module | None, int | None] = (None, None)

    def _one_batch(
        self, model: nn.Module, inputs: Mapping[str, Any], items: Tensor | int
    ) -> Outcome:
        self._stepped = False
        batch = self._prepare_inputs(dict(inputs))
        labels = batch.pop("labels")
        passes = self._open(model, batch, labels, items, inputs.get(REAL_TOKENS))
        outcome = self.adversary(passes)
        if outcome.delta is not None and self.health.probe_is_due:
            with torch.no_grad():
                clean = passes.run(None, parameters=False, ascend=False)
            self.health.probe(outcome, clean.losses)
        passes.close()
        self.micro_batch = max(self.micro_batch, passes.micro_batch)
        return outcome

    def _open(
        self,
        model: nn.Module,
        inputs: dict[str, Tensor],
        labels: Tensor,
        items: Tensor | int,
        tokens: int | None = None,
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
        pieces: dict[str, Any] = {"largest": self._largest}
        paths = self._paths(model)
        cut = paths.trimmed and can_be_cut(model, inputs)
        standing = self._unpadded(model, labels.device) if cut or self.padding_free else None
        if not cut:
            return PlainPasses(model, inputs, labels, **common, **pieces)
        if standing is not None and tokens is None and not starts_with_words(model, inputs):
            standing = None  # the head may read padding, of which packed layers give nothing
        if standing is not None:
            common |= {"recorder": self._recorder, "standing": standing, "tokens": tokens}
            return UnpaddedPasses(model, inputs, labels, room=self._room(model), **common)
        whole = labels.device.type != "cpu"
        return PaddedPasses(model, inputs, labels, whole=whole, **common, **pieces)

    def _unpadded(self, model: nn.Module, device: torch.device) -> int | None:
        """What `standing_of` says of a model whose layers may run on real tokens; else None.

        Raises:
            FreeLBTuneError: it is asked for, and may not be.
        """
        if device.type != "cuda" or self.padding_free is False or self._largest:
            return None
        standing = standing_of(model) if self._paths(model).unpadded else None
        if standing is None and self.padding_free:
            raise FreeLBTuneError(
                f"run.padding_free: {type(model).__name__} cannot run on real tokens alone as it "
                "stands; on a GPU encoders can whose attention is torch's own and the same in all "
                "layers, without hooks, gradient checkpointing or compiling; write auto or false"
            )
        return None if standing is None else hash((standing, self.args.label_smoothing_factor))

    def _prepare_inputs(self, inputs: Any) -> Any:
        """As in `Trainer`; without what is not the model's."""
        prepared = super()._prepare_inputs(inputs)
        if REAL_TOKENS in prepared:
            prepared = {name: own for name, own in prepared.items() if name != REAL_TOKENS}
        return prepared

    @property
    def _recorder(self) -> Recorder | None:
        """Recorded passes, where a pass is the same whatever the batch: one process, one scale."""
        own = type(self).example_losses is LossTrainer.example_losses
        own = own and "example_losses" not in vars(self)
        alone = self.accelerator.num_processes == 1 and self.accelerator.scaler is None
        alike = own and alone and self.class_weights is None
        return self._recordings if alike and not self.args.full_determinism else None

    def _room(self, model: nn.Module) -> int | None:
        if self._roomy[0] is not model:
            said = getattr(self._config, "max_position_embeddings", None)
            self._roomy = model, room_of(model) or said
        return self._roomy[1]

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
        whole = self._recordings.recorded > 0  # without them the batch may fit
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
            if not whole:
                self._largest = largest // 2
            whole = False
            self._recordings = Recorder(bf16=self.args.bf16)
            self._recordings.refused = "memory ran out"
            model.zero_grad()
            gc.collect()  # what was recorded holds on to itself
            torch.cuda.empty_cache()
            self._update_inputs = []
            with suppress(torch.OutOfMemoryError):
                for inputs in batches:
                    self._update_inputs.append(inputs)
                    outcome = self._one_batch(model, inputs, items)
                return outcome


def _stream(place: str, device: torch.device) -> torch.Generator:
    """A generator of its own for each mini-batch, so that a resumed run draws the same noise."""
    seed = int.from_bytes(hashlib.sha256(place.encode()).digest()[:7], "big")
    return torch.Generator(device=device).manual_seed(seed)
