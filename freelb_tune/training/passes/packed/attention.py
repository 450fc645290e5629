"""Self-attention over packed tokens, a few examples at a time: no score is computed for padding.

Room: training. Called by `layer` in its forward and its backward; outside autograd.

A block of examples has equal lengths, and its scores stay in the processor's cache from the first
product to the last, so that many small products are no slower than one over a padded batch.

Letters: N packed tokens, G examples of a block, L tokens of each, A heads, D width of a head,
H = A x D.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from freelb_tune.training.passes.packed.layout import Run

__all__ = ["attend", "attend_backward", "split_runs"]

_BLOCK_SCORES = 1 << 16  # 256 KiB of float32: probabilities and gradients fit into a core's cache


def split_runs(runs: Sequence[Run], heads: int) -> tuple[Run, ...]:
    """Cut runs of equal length into blocks of one example or more that fit into the cache."""
    blocks = []
    for start, examples, length in runs:
        size = max(1, _BLOCK_SCORES // (heads * length * length))
        for at in range(0, examples, size):
            blocks.append(Run(start + at * length, min(size, examples - at), length))
    return tuple(blocks)


def _rows(packed: Tensor, block: Run, parts: int, heads: int) -> Tensor:
    """A block's rows of `(N, parts x H)` as a view `(parts, G, A, L, D)`."""
    rows = packed[block.start : block.start + block.examples * block.length]
    return rows.view(block.examples, block.length, parts, heads, -1).permute(2, 0, 3, 1, 4)


def attend(
    qkv: Tensor, heads: int, blocks: Sequence[Run], masks: Sequence[Tensor] | None
) -> tuple[Tensor, list[Tensor]]:
    """Attend within each example.

    Args:
        qkv: queries, keys and values side by side, `(N, 3 x H)`.
        heads: A.
        blocks: what `split_runs` made.
        masks: each block's scaled dropout mask, `(G x A, L, L)`; None for none.

    Returns:
        Context `(N, H)`, and each block's probabilities before dropout, `(G x A, L, L)`.
    """
    context = qkv.new_empty(qkv.shape[0], qkv.shape[1] // 3)
    probabilities = []
    for i, block in enumerate(blocks):
        # One example's heads are read where they lie; those of several are copied together.
        q, k, v = _rows(qkv, block, 3, heads).flatten(1, 2)
        scores = q.new_empty(len(q), block.length, block.length)
        scores.baddbmm_(q, k.transpose(1, 2), beta=0, alpha=q.shape[2] ** -0.5)
        p = torch.softmax(scores, -1)
        probabilities.append(p)
        kept = p if masks is None else torch.mul(p, masks[i], out=scores)
        out = _rows(context, block, 1, heads)[0]
        out.copy_(torch.bmm(kept, v).view_as(out))
    return context, probabilities


def attend_backward(
    grad: Tensor,
    qkv: Tensor,
    heads: int,
    blocks: Sequence[Run],
    masks: Sequence[Tensor] | None,
    probabilities: Sequence[Tensor],
) -> Tensor:
    """Take the gradient of `attend`'s context, `(N, H)`, to that of `qkv`, `(N, 3 x H)`."""
    below = torch.empty_like(qkv)
    for i, block in enumerate(blocks):
        q, k, v = _rows(qkv, block, 3, heads).flatten(1, 2)
        g = _rows(grad, block, 1, heads)[0].flatten(0, 1)
        p = probabilities[i]
        # Products go to memory of their own: into the strided rows they would run head by head.
        own = q.new_empty(3, *q.shape)
        kept = p if masks is None else p * masks[i]
        torch.bmm(kept.transpose(1, 2), g, out=own[2])
        gp = torch.bmm(g, v.transpose(1, 2))
        if masks is not None:
            gp.mul_(masks[i])
        gs = torch._softmax_backward_data(gp, p, -1, p.dtype)
        scale = q.shape[2] ** -0.5
        own[0].baddbmm_(gs, k, beta=0, alpha=scale)
        own[1].baddbmm_(gs.transpose(1, 2), q, beta=0, alpha=scale)
        out = _rows(below, block, 3, heads)
        out.copy_(own.view_as(out))
    return below
