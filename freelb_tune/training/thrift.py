"""Dropout at a fifth of its price on a CPU, for any encoder, while a mini-batch is passed through.

Room: training. torch draws a Bernoulli number per entry, which costs a tenth of a MiniLM step; 16
random bits against a threshold cost a fraction of it. A rate p becomes round(p x 65536) / 65536.
Draws come from the global generator, so that `DropoutReplay` repeats them.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

__all__ = ["thrifty_dropout"]

ATTENTION = "freelb_tune_thrifty"
HALF = 32768


def _drop(x: Tensor, p: float) -> Tensor:
    """Set a share p of the entries to zero and scale the others up."""
    bits = torch.empty(x.shape, dtype=torch.int16, device=x.device).random_(-HALF, HALF)
    share = round(p * 2 * HALF)
    kept = (bits >= share - HALF).to(x.dtype)
    return x * kept.mul_(2 * HALF / (2 * HALF - share))


def _attend(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    **others: Any,
) -> tuple[Tensor, None]:
    """Attention as transformers' own eager one, `(B, heads, T, D)`, with thrifty dropout."""
    if key.shape[1] != query.shape[1]:  # grouped heads: leave them to transformers
        out: tuple[Tensor, None] = ALL_ATTENTION_FUNCTIONS["sdpa"](
            module, query, key, value, attention_mask, scaling=scaling, dropout=dropout, **others
        )
        return out
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    weights = torch.matmul(query * scale, key.transpose(-1, -2))
    if attention_mask is not None:
        weights = weights + attention_mask
    weights = torch.softmax(weights, dim=-1)
    if dropout > 0:
        weights = _drop(weights, dropout)
    return torch.matmul(weights, value).transpose(1, 2), None


ALL_ATTENTION_FUNCTIONS.register(ATTENTION, _attend)
ALL_MASK_ATTENTION_FUNCTIONS.register(ATTENTION, ALL_MASK_ATTENTION_FUNCTIONS["eager"])


@contextmanager
def thrifty_dropout(model: nn.Module) -> Iterator[None]:
    """Let a model's dropout be cheap inside the block; nothing of it stays behind.

    Attention changes with it where the model looks its attention function up in transformers'
    registry and would use torch's, which draws Bernoulli numbers too.
    """
    layers = [m for m in model.modules() if type(m) is nn.Dropout and m.training and 0 < m.p < 1]
    config = getattr(model, "config", None)
    switched = bool(layers) and getattr(config, "_attn_implementation", None) == "sdpa"
    for layer in layers:
        layer.forward = partial(_drop, p=layer.p)  # type: ignore[method-assign]
    if switched:
        config._attn_implementation = ATTENTION  # type: ignore[union-attr]
    try:
        yield
    finally:
        for layer in layers:
            del layer.forward
        if switched:
            config._attn_implementation = "sdpa"  # type: ignore[union-attr]
