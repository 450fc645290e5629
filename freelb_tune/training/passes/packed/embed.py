"""Embeddings of packed tokens; the tables' gradients are added only to the rows that were read.

Room: training. A dense gradient of the word embeddings costs as much as a whole layer: it is
made, filled with zeros and added for the sake of a few hundred rows.

Letters: N packed tokens, E embedding width, B x T the padded batch.
"""

from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

__all__ = ["embed_sum"]


def _add_rows(table: nn.Embedding, ids: Tensor, grad: Tensor) -> None:
    """Add each token's gradient to its row of the table's `.grad`, but for the padding row."""
    weight = table.weight
    if not weight.requires_grad:
        return
    if weight.grad is None:
        weight.grad = torch.zeros_like(weight)
    if table.padding_idx is not None:
        padding = ids == table.padding_idx
        if bool(padding.any()):
            grad = grad.masked_fill(padding[:, None], 0.0)
    weight.grad.index_add_(0, ids, grad.to(weight.dtype))


class _EmbedSum(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        tables: tuple[nn.Embedding, ...],
        ids: tuple[Tensor, ...],
        rows: Tensor,
        delta: Tensor | None,
        *weights: Tensor,
    ) -> Tensor:
        ctx.tables, ctx.delta_shape = tables, None if delta is None else delta.shape
        ctx.save_for_backward(rows, *ids)
        total = weights[0].index_select(0, ids[0])
        if delta is not None:
            total += delta.flatten(0, 1).index_select(0, rows)
        for weight, own in zip(weights[1:], ids[1:], strict=True):
            total += weight.index_select(0, own)
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        rows, *ids = ctx.saved_tensors
        for table, own in zip(ctx.tables, ids, strict=True):
            _add_rows(table, own, grad)
        delta = None
        if ctx.needs_input_grad[3]:
            flat = grad.new_zeros(ctx.delta_shape.numel() // grad.shape[1], grad.shape[1])
            delta = flat.index_copy_(0, rows, grad).view(ctx.delta_shape)
        return (None, None, None, delta, *(None for _ in ids))


def embed_sum(
    tables: tuple[nn.Embedding, ...], ids: tuple[Tensor, ...], rows: Tensor, delta: Tensor | None
) -> Tensor:
    """Sum the tables' rows for each packed token, and its perturbation.

    Args:
        tables: word embeddings first, then the others. Their gradients go straight into
            `weight.grad`, which is made if it is None.
        ids: each table's row for each token, `(N,)`.
        rows: each token's place in the flattened padded batch, `(N,)`.
        delta: perturbation of the word embeddings, `(B, T, E)`, or None.

    Returns:
        `(N, E)`.
    """
    apply = cast(Callable[..., Tensor], _EmbedSum.apply)
    return apply(tables, ids, rows, delta, *(table.weight for table in tables))
