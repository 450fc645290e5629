"""A perturbation's start, steps and length. Letters: B examples, T tokens, E embedding width.

Formulas as in the FreeLB authors' Hugging Face code (zhuchen03/FreeLB,
huggingface-transformers/examples/run_glue_freelb.py), per example over all its tokens together.
"""

import torch
from torch import Tensor

from freelb_tune.space.adversary import Ascent

__all__ = ["ascend", "init_delta", "lengths"]

SMALLEST_NORM = 1e-8
"""A gradient shorter than this is divided by this instead, as in the authors' code."""


def lengths(delta: Tensor, norm: str) -> Tensor:
    """Each example's norm over all its tokens, `(B,)`, of `delta` `(B, T, E)`."""
    order = float("inf") if norm == "linf" else 2.0
    return torch.linalg.vector_norm(delta.flatten(1), ord=order, dim=1)


def init_delta(mask: Tensor, width: int, settings: Ascent, generator: torch.Generator) -> Tensor:
    """Draw each example's starting perturbation.

    Uniform noise on the real tokens. Under l2 it is divided by the square root of the number of
    entries that can move, so that a short sentence and a long one start equally far from clean:
    the norm never exceeds `init_mag`, and is about `init_mag / sqrt(3)`. Under linf every entry
    lies within `init_mag`.

    Args:
        mask: 1 for a real token and 0 for padding, `(B, T)`.
        width: E.
        settings: `init_mag` (embedding units) and `norm` are read.
        generator: source of the noise, on the CPU; nothing here touches the global one.

    Returns:
        Perturbation `(B, T, E)`, zero on padding, outside the graph.

    Raises:
        ValueError: `mask` is not 2-dimensional.
    """
    if mask.ndim != 2:
        raise ValueError(f"mask must be (B, T), got {tuple(mask.shape)}")
    shape = (*mask.shape, width)
    if settings.init_mag == 0:
        return torch.zeros(shape, dtype=mask.dtype, device=mask.device)
    noise = torch.empty(shape, device=generator.device).uniform_(-1, 1, generator=generator)
    delta = noise.to(mask) * mask.unsqueeze(-1) * settings.init_mag
    if settings.norm == "linf":
        return delta
    entries = mask.sum(1) * width
    return delta / entries.clamp_min(1.0).sqrt()[:, None, None]  # all-padding row: zero, not nan


def ascend(delta: Tensor, grad: Tensor, settings: Ascent) -> Tensor:
    """Climb one step of length `adv_lr` along the gradient, then come back onto the ball.

    The step is `adv_lr * grad / norm(grad)` in the chosen norm; under l2 what leaves the ball is
    scaled back onto it, under linf each entry is clamped.

    Args:
        delta: perturbation, `(B, T, E)`.
        grad: the loss's gradient by it, `(B, T, E)`.
        settings: `adv_lr`, `max_norm` and `norm` are read.

    Returns:
        The next perturbation `(B, T, E)`, outside the graph.
    """
    steps = settings.adv_lr / lengths(grad, settings.norm).clamp_min(SMALLEST_NORM)
    moved = delta.detach() + steps[:, None, None] * grad
    if settings.max_norm is None:
        return moved
    if settings.norm == "linf":
        return moved.clamp(-settings.max_norm, settings.max_norm)
    length = lengths(moved, "l2").clamp_min(SMALLEST_NORM)
    return moved * (settings.max_norm / length).clamp_max(1.0)[:, None, None]
