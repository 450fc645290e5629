"""Passes of one mini-batch without any padding, for the encoders that can do it.

Room: training. The encoder itself is in `packed/`; here its results meet the adversary's contract.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from freelb_tune.errors import FreeLBTuneError
from freelb_tune.training.passes.lookup import OVER_TOKENS
from freelb_tune.training.passes.whole import WholePasses

if TYPE_CHECKING:
    from freelb_tune.training.passes.packed import PackedEncoder
    from freelb_tune.training.passes.packed.masks import DropoutMasks

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
    if wanted is False or device.type != "cpu":
        return None  # a GPU has a path of its own, see `unpadded`
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


class PackedPasses(WholePasses):
    """See `Passes`. One mini-batch is one piece; masks are drawn once and serve every pass."""

    def __init__(
        self,
        encoder: "PackedEncoder",
        inputs: Mapping[str, Tensor],
        labels: Tensor,
        *,
        dropout: torch.Generator,
        **common: Any,
    ) -> None:
        """Draw the dropout masks from `dropout`; other arguments as for `PaddedPasses`."""
        self._encoder, self._dropout = encoder, dropout
        weight: Tensor = encoder.model.get_input_embeddings().weight
        super().__init__(encoder.model, weight, inputs, labels, **common)

    def _forward(
        self, leaves: Sequence[Tensor | None], rows: Tensor, apart: bool, states: bool
    ) -> tuple[Tensor, ...]:
        masks = self._masks_of(len(leaves) if apart else 1, states)
        masks = masks if apart else masks * len(leaves)
        pairs = list(zip(leaves, masks, strict=True))
        with self.tools.context():
            if not states:
                return tuple(self._encoder(self._inputs, leaf, own) for leaf, own in pairs)
            outs = [self._encoder.with_states(self._inputs, leaf, own) for leaf, own in pairs]
        return (*(logits for logits, _ in outs), *(state for _, state in outs))

    def _masks_of(self, copies: int, states: bool) -> "list[DropoutMasks | None]":
        while len(self._drawn) < copies:
            self._drawn.append(self._encoder.masks(self._inputs, self._dropout))
        if states:
            self._drawn[:copies] = [
                self._encoder.for_states(self._inputs, own, self._dropout)
                for own in self._drawn[:copies]
            ]
        return self._drawn[:copies]

    def redraw(self) -> None:
        """See `Passes.redraw`."""
        self._drawn = [self._encoder.masks(self._inputs, self._dropout)]
