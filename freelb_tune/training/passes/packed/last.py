"""The last encoder layer, for the first token of each example alone, and the head above it.

Room: training. The classifiers of these families read the last state of the first token and no
other, so the last layer needs one query per example. With one query, keys and values need not be
made either: q . (Wk x) = (Wk^T q) . x, and sum p (Wv x) = Wv (sum p x), which cost A / H of them.
Both are exact; what remains of the layer is about a fiftieth of it.

Letters: B examples, T tokens of the padded batch, A heads, D width of a head, H = A x D.
"""

from typing import Any, cast

import torch
from torch import Tensor
from torch.nn import functional

from freelb_tune.training.passes.packed.layout import Layout
from freelb_tune.training.passes.packed.masks import LayerMasks

__all__ = ["last_layer"]


def _drop(x: Tensor, mask: Tensor | None) -> Tensor:
    return x if mask is None else x * mask


def _attend_once(own: Any, x: Tensor, first: Tensor, layout: Layout, mask: Tensor | None) -> Tensor:
    """Attend from the first tokens `(B, H)` to all tokens `(N, H)`; context `(B, H)`."""
    heads, width = own.num_attention_heads, own.attention_head_size
    query = functional.linear(first, own.query.weight, own.query.bias) * width**-0.5
    query = query.view(-1, heads, width).transpose(0, 1)  # (A, B, D)
    keys = own.key.weight.view(heads, width, -1)
    # The key's bias moves all of a query's scores alike, and softmax does not see it; it is kept
    # so that its gradient exists (rounding aside it is zero, here as in the padded model).
    shift = torch.bmm(query, own.key.bias.view(heads, width, 1)).transpose(0, 1)  # (B, A, 1)
    padded = layout.pad(x)  # (B, T, H)
    scores = torch.bmm(torch.bmm(query, keys).transpose(0, 1), padded.transpose(1, 2)) + shift
    scores = scores.masked_fill(~layout.real[:, None], -torch.inf)  # (B, A, T)
    kept = _drop(torch.softmax(scores, -1), mask)
    mixed = torch.bmm(kept, padded).transpose(0, 1)  # (A, B, H)
    values = own.value.weight.view(heads, width, -1)
    context = torch.bmm(mixed, values.transpose(1, 2)).transpose(0, 1)  # (B, A, D)
    # Under dropout a query's weights no longer sum to 1, so the value's bias is weighed too.
    bias = own.value.bias.view(heads, width) * kept.sum(-1, keepdim=True)
    return cast(Tensor, (context + bias).flatten(1))


def last_layer(layer: Any, x: Tensor, layout: Layout, masks: LayerMasks) -> Tensor:
    """Run the layer for the first token of each example: `(N, H)` to `(B, H)`."""
    first = x.index_select(0, layout.first)
    mask = None if masks.attention is None else masks.attention[0]
    branch = layer.attention.output.dense(
        _attend_once(layer.attention.self, x, first, layout, mask)
    )
    y = layer.attention.output.LayerNorm(_drop(branch, masks.projection) + first)
    branch = layer.output.dense(layer.intermediate(y))
    out: Tensor = layer.output.LayerNorm(_drop(branch, masks.output) + y)
    return out
