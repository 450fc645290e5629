"""A linear layer whose backward leaves out the rows whose gradient is zero.

Room: training. Where a classifier reads its first token alone, as most do, nearly all rows of the
gradient in its last layer are exactly zero: a tenth of the products of a six-layer model.

Letters: N rows (examples x tokens), I inputs, O outputs.
"""

from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.functional import linear

__all__ = ["linear_on_live_rows"]

WORTH = 0.75
"""Rows are left out where no more than this share of them is other than zero."""


def linear_on_live_rows(x: Tensor, layer: nn.Linear) -> Tensor:
    """What `layer` gives for `x` `(..., I)`, with its gradients."""
    return cast(Tensor, _Linear.apply(x, layer.weight, layer.bias))  # type: ignore[no-untyped-call]


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, weight)
        return linear(x, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        wanted = ctx.needs_input_grad
        g, rows = grad.reshape(-1, grad.shape[-1]), x.reshape(-1, x.shape[-1])
        live = _live_rows(g)
        below = None
        if live is None:
            below = torch.mm(g, weight) if wanted[0] else None
        else:
            g, whole, rows = g[live], rows, rows[live]
            if wanted[0]:
                below = torch.zeros_like(whole).index_copy_(0, live, torch.mm(g, weight))
        return (
            None if below is None else below.view(x.shape),
            torch.mm(g.t(), rows) if wanted[1] else None,
            g.sum(0) if wanted[2] else None,
        )


def _live_rows(grad: Tensor) -> Tensor | None:
    """Places of the rows of `(N, O)` that are not all zero; None if nearly all are."""
    few = int(WORTH * len(grad))
    if int(grad[:, 0].count_nonzero()) > few:  # one entry of each row tells most of the time
        return None
    live = torch.linalg.vector_norm(grad, float("inf"), dim=1).nonzero().squeeze(1)
    return live if len(live) <= few else None
