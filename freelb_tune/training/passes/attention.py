"""Attention for any model that looks it up in transformers' registry, with kept dropout masks.

Room: training. The products and the order of operations are those of transformers' eager attention;
written as one autograd function, scores are worked on in place and each mask is applied once.

Letters: B examples, A heads, T queries, S keys, D width of a head.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from freelb_tune.training.passes.dropout import KeptMasks

__all__ = ["kept_attention"]

NAME = "freelb_tune_kept_masks"
_lent: list[KeptMasks] = []  # by `kept_attention`, for as long as it is open


@contextmanager
def kept_attention(config: Any, masks: KeptMasks) -> Iterator[None]:
    """Let a model whose attention would be torch's own take this one inside the block."""
    if getattr(config, "_attn_implementation", None) != "sdpa":
        yield
        return
    _lent.append(masks)
    config._attn_implementation = NAME
    try:
        yield
    finally:
        config._attn_implementation = "sdpa"
        _lent.pop()


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
    """`(B, A, T, D)` to `(B, T, A, D)`; the attention mask is added to the scores."""
    if key.shape[1] != query.shape[1]:  # grouped heads: leave them to transformers
        out: tuple[Tensor, None] = ALL_ATTENTION_FUNCTIONS["sdpa"](
            module, query, key, value, attention_mask, scaling=scaling, dropout=dropout, **others
        )
        return out
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    shape = (query.shape[0] * query.shape[1], query.shape[2], key.shape[2])
    kept = _lent[-1].next(shape, dropout, query) if dropout > 0 else None
    apply = cast(Any, _Attention.apply)
    return apply(query, key, value, attention_mask, kept, scale).transpose(1, 2), None


class _Attention(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        mask: Tensor | None,
        kept: Tensor | None,
        scale: float,
    ) -> Tensor:
        q, k, v = (part.flatten(0, 1) for part in (query, key, value))
        scores = q.new_empty(q.shape[0], q.shape[1], k.shape[1])
        scores.baddbmm_(q, k.transpose(1, 2), beta=0, alpha=scale)
        if mask is not None:
            scores.view(*query.shape[:3], -1).add_(mask)
        p = torch.softmax(scores, -1)
        dropped = p if kept is None else torch.mul(p, kept, out=scores)
        ctx.save_for_backward(q, k, v, p, kept)
        ctx.scale, ctx.mask_shape = scale, None if mask is None else mask.shape
        return torch.bmm(dropped, v).view(*query.shape[:3], v.shape[2])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        q, k, v, p, kept = ctx.saved_tensors
        g = grad.flatten(0, 1)
        dropped = p if kept is None else p * kept
        gv = torch.bmm(dropped.transpose(1, 2), g)
        gp = torch.bmm(g, v.transpose(1, 2))
        if kept is not None:
            gp.mul_(kept)
        scores = torch._softmax_backward_data(gp, p, -1, p.dtype)
        gq = q.new_empty(q.shape).baddbmm_(scores, k, beta=0, alpha=ctx.scale)
        gk = k.new_empty(k.shape).baddbmm_(scores.transpose(1, 2), q, beta=0, alpha=ctx.scale)
        heads = grad.shape[:2]
        gm = None
        if ctx.needs_input_grad[3]:  # a mask that carries a trained bias
            gm = scores.view(*heads, *scores.shape[1:]).sum_to_size(ctx.mask_shape)
        below = (part.view(*heads, *part.shape[1:]) for part in (gq, gk, gv))
        return (*below, gm, None, None)


ALL_ATTENTION_FUNCTIONS.register(NAME, _attend)
ALL_MASK_ATTENTION_FUNCTIONS.register(NAME, ALL_MASK_ATTENTION_FUNCTIONS["eager"])
