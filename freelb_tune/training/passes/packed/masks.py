"""Dropout masks, drawn once per mini-batch and used in all of its passes.

Room: training. Shapes, rates and a generator in, scaled masks out.

A mask's entry is 0 with the rate p and 1 / (1 - p) else. It is drawn as a 16-bit integer against
a threshold, which costs a fifth of a Bernoulli draw; p becomes round(p x 65536) / 65536 thereby
(0.1 becomes 0.100006), and the scale is that of the p in use, so that the mean stays 1.

Letters: B examples, T tokens of the padded batch, N real tokens, G examples of a block, L tokens
of each, A heads, H hidden width, E embedding width.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["DropoutMasks", "LayerMasks", "draw_mask", "effective_rate"]

_LEVELS = 1 << 16


@dataclass(frozen=True)
class LayerMasks:
    """One layer's masks; None where nothing is dropped.

    Attributes:
        attention: of the attention probabilities: `(G x A, L, L)` for each block of G examples
            that is attended at once; in the last layer, whose only query is the first token, one
            `(B, A, T)` in all.
        projection: of the attention block's output, `(N, H)`, or `(B, H)` in the last layer.
        output: of the feed-forward block's output, likewise.
    """

    attention: tuple[Tensor, ...] | None
    projection: Tensor | None
    output: Tensor | None


@dataclass(frozen=True)
class DropoutMasks:
    """All masks of one mini-batch.

    Attributes:
        embeddings: `(N, E)`, or None.
        layers: one per layer, first to last.
        head: one `(B, H)` per dropout of the classification head, or None.
        every: the last layer's for every token, as of the layers below it; those of the first
            tokens are the ones in `layers`. None until states are asked for.
    """

    embeddings: Tensor | None
    layers: tuple[LayerMasks, ...]
    head: tuple[Tensor | None, ...]
    every: LayerMasks | None = None


def effective_rate(rate: float) -> float:
    """The dropout rate that is in fact used for `rate`: the nearest multiple of 1 / 65536."""
    return round(rate * _LEVELS) / _LEVELS


def draw_mask(
    shape: tuple[int, ...], rate: float, generator: torch.Generator, like: Tensor
) -> Tensor | None:
    """Draw a scaled dropout mask of dtype and device as `like`; None if nothing is dropped.

    The integers are drawn on the generator's device. `rate` is below 1.
    """
    used = effective_rate(rate)
    if used == 0:
        return None
    size = 1
    for length in shape:
        size *= length
    words = torch.empty((size + 3) // 4, dtype=torch.int64, device=generator.device)
    # From -2**63, as the default range leaves the sign bit 0, and with it a quarter of the lanes.
    words.random_(-(2**63), None, generator=generator)
    kept = words.view(torch.int16)[:size] >= round(used * _LEVELS) - _LEVELS // 2
    return kept.to(like.device, like.dtype).mul_(1 / (1 - used)).view(shape)
