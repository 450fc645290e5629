"""Passes of one mini-batch without any padding, for the encoders that can do it.

Room: training. The encoder itself is in `packed/`; here its results meet the adversary's contract.
"""

from collections.abc import Mapping
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from freelb_tune.adversary.passes import Objective, PassResult
from freelb_tune.errors import FreeLBTuneError
from freelb_tune.training.passes.lookup import OVER_TOKENS, fixed, real_tokens
from freelb_tune.training.passes.minibatch import Machinery

if TYPE_CHECKING:
    from freelb_tune.training.passes.packed import PackedEncoder

__all__ = ["PackedPasses", "packed_encoder"]


def packed_encoder(
    model: nn.Module,
    device: torch.device,
    wanted: bool | None,
    inputs: Mapping[str, Any] | None = None,
) -> "PackedEncoder | None":
    """The model's padding-free form as it stands now, or None to use the general path.

    Args:
        model: a sequence classifier, the very object that is trained.
        device: where it trains.
        wanted: None chooses it on a CPU, where it was measured to pay; False never.
        inputs: a batch; None while there is none yet.

    Raises:
        FreeLBTuneError: it is asked for, and this model has none or this batch holds more than it
            reads.
    """
    if wanted is False or (wanted is None and device.type != "cpu"):
        return None
    from freelb_tune.training.passes.packed import pack

    packed = pack(model)
    if packed is None and wanted:
        raise FreeLBTuneError(
            f"run.padding_free: {type(model).__name__} has no padding-free path as it stands; "
            "BERT, RoBERTa and ELECTRA classifiers have one, without bf16, hooks, adapters, "
            "gradient checkpointing or compiling; write auto or false"
        )
    if packed is None or inputs is None or (unread := _unread(inputs)) is None:
        return packed
    if wanted:
        raise FreeLBTuneError(
            f"run.padding_free: the batch holds {unread}, which the padding-free path does not "
            "read; write auto or false"
        )
    return None


def _unread(inputs: Mapping[str, Any]) -> str | None:
    """What of a batch the padding-free path would leave out; None if nothing."""
    others = sorted(inputs.keys() - OVER_TOKENS)
    if others:
        return ", ".join(others)
    mask = inputs.get("attention_mask")
    if "input_ids" not in inputs or (mask is not None and mask.shape != inputs["input_ids"].shape):
        return "no attention_mask with one entry per token"
    if mask is not None and not bool(mask[:, 0].all()):
        return "examples that start with padding (the tokenizer's padding_side is left)"
    return None


class PackedPasses:
    """See `Passes`. One mini-batch is one piece; masks are drawn once and serve every pass."""

    def __init__(
        self,
        encoder: "PackedEncoder",
        inputs: Mapping[str, Tensor],
        labels: Tensor,
        *,
        items: int | Tensor,
        generator: torch.Generator,
        dropout: torch.Generator,
        tools: Machinery,
        step: int = 0,
    ) -> None:
        """Draw the dropout masks; arguments as for `PaddedPasses`."""
        self.generator, self.tools, self.step = generator, tools, step
        self.loss, self.problem = tools.loss, tools.problem
        self._encoder, self._inputs, self.labels, self.items = encoder, inputs, labels, items
        self._dropout = dropout
        self.redraw()
        weight = encoder.model.get_input_embeddings().weight
        self.mask = real_tokens(encoder.model, inputs).to(weight.dtype)
        self.width = weight.shape[-1]
        self.micro_batch = len(labels)

    def run(
        self,
        *deltas: Tensor | None,
        objective: Objective | None = None,
        targets: Tensor | None = None,
        scale: float = 1.0,
        parameters: bool = True,
        ascend: bool = True,
    ) -> PassResult:
        """See `Passes.run`."""
        targets = self.labels if targets is None else targets
        wanted = parameters or (ascend and any(delta is not None for delta in deltas))
        leaves = [
            delta if delta is None else delta.detach().clone().requires_grad_(ascend)
            for delta in deltas
        ]
        with (
            nullcontext() if parameters else fixed(self._encoder.model),
            torch.set_grad_enabled(wanted and torch.is_grad_enabled()),
        ):
            with self.tools.context():
                outs = tuple(self._encoder(self._inputs, leaf, self._masks) for leaf in leaves)
            losses = objective(outs, targets) if objective else self.loss(outs[0], targets)
            if wanted:
                self.tools.backward(losses.sum() * (scale / self.items))
        grads = tuple(None if leaf is None or not ascend else leaf.grad for leaf in leaves)
        return PassResult(losses.detach().float(), tuple(out.detach() for out in outs), grads)

    def redraw(self) -> None:
        """See `Passes.redraw`."""
        self._masks = self._encoder.masks(self._inputs, self._dropout)

    def update(self) -> None:
        """See `Passes.update`."""
        self.tools.update()

    def close(self) -> None:
        """Nothing is left over: the packed encoder keeps its embeddings' gradient itself."""
