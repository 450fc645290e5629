"""A perturbation's start, steps and length. Letters: B examples, T tokens, E embedding width.

Formulas as in the FreeLB authors' Hugging Face code (zhuchen03/FreeLB,
huggingface-transformers/examples/run_glue_freelb.py), per example over all its tokens together.
"""

from typing import Literal, Protocol

import torch
from torch import Tensor

__all__ = ["Start", "Steps", "ascend", "direction", "init_delta", "lengths", "random_entries"]

SMALLEST_NORM = 1e-8
"""A gradient shorter than this is divided by this instead, as in the authors' code."""


class Start(Protocol):
    """How a perturbation starts; settings such as `Ascent` have it."""

    @property
    def init_mag(self) -> float: ...
    @property
    def norm(self) -> str: ...


class Steps(Protocol):
    """How a perturbation climbs; settings such as `Ascent` have it."""

    @property
    def adv_lr(self) -> float: ...
    @property
    def max_norm(self) -> float | None: ...
    @property
    def norm(self) -> str: ...


def lengths(delta: Tensor, norm: str) -> Tensor:
    """Each example's norm over all its tokens, `(B,)`, of `delta` `(B, T, E)`."""
    order = float("inf") if norm == "linf" else 2.0
    size: Tensor = torch.linalg.vector_norm(delta.flatten(1), ord=order, dim=1)
    return size


def direction(grad: Tensor, norm: str) -> Tensor:
    """Each example of `grad` `(B, T, E)` at length 1, however short it was; zero stays zero."""
    smallest = torch.finfo(grad.dtype).tiny
    return grad / lengths(grad, norm).clamp_min(smallest)[:, None, None]


def random_entries(
    mask: Tensor, width: int, generator: torch.Generator, kind: Literal["uniform", "normal"]
) -> Tensor:
    """Draw U(-1, 1) or N(0, 1) for each entry of the real tokens.

    Args:
        mask: 1 for a real token and 0 for padding, `(B, T)`.
        width: E.
        generator: source of the noise; nothing here touches the global one.
        kind: the distribution.

    Returns:
        Noise `(B, T, E)`, zero on padding, outside the graph.
    """
    noise = torch.empty((*mask.shape, width), device=generator.device)
    if kind == "normal":
        noise.normal_(generator=generator)
    else:
        noise.uniform_(-1, 1, generator=generator)
    return noise.to(mask) * mask.unsqueeze(-1)


def init_delta(mask: Tensor, width: int, settings: Start, generator: torch.Generator) -> Tensor:
    """Draw each example's starting perturbation.

    Uniform noise on the real tokens. Under l2 it is divided by the square root of the number of
    entries that can move, so that a short sentence and a long one start equally far from clean:
    the norm never exceeds `init_mag`, and is about `init_mag / sqrt(3)`. Under linf every entry
    lies within `init_mag`.

    Args:
        mask: 1 for a real token and 0 for padding, `(B, T)`.
        width: E.
        settings: `init_mag` (embedding units) and `norm` are read.
        generator: source of the noise; nothing here touches the global one.

    Returns:
        Perturbation `(B, T, E)`, zero on padding, outside the graph.

    Raises:
        ValueError: `mask` is not 2-dimensional.
    """
    if mask.ndim != 2:
        raise ValueError(f"mask must be (B, T), got {tuple(mask.shape)}")
    if settings.init_mag == 0:
        return mask.new_zeros(*mask.shape, width)
    delta = random_entries(mask, width, generator, "uniform") * settings.init_mag
    if settings.norm == "linf":
        return delta
    entries = mask.sum(1) * width
    return delta / entries.clamp_min(1.0).sqrt()[:, None, None]  # all-padding row: zero, not nan


def ascend(delta: Tensor, grad: Tensor, settings: Steps, *, added: float = 0.0) -> Tensor:
    """Climb one step of length `adv_lr` along the gradient, then come back onto the ball.

    The step is `adv_lr * grad / norm(grad)` in the chosen norm; under l2 what leaves the ball is
    scaled back onto it, under linf each entry is clamped.

    Args:
        delta: perturbation, `(B, T, E)`.
        grad: the loss's gradient by it, `(B, T, E)`.
        settings: `adv_lr`, `max_norm` and `norm` are read.
        added: to the norm that the gradient is divided by, so that a shorter one than this takes
            a shorter step.

    Returns:
        The next perturbation `(B, T, E)`, outside the graph.
    """
    steps = settings.adv_lr / (lengths(grad, settings.norm) + added).clamp_min(SMALLEST_NORM)
    moved = delta.detach() + steps[:, None, None] * grad
    if settings.max_norm is None:
        return moved
    if settings.norm == "linf":
        return moved.clamp(-settings.max_norm, settings.max_norm)
    length = lengths(moved, "l2").clamp_min(SMALLEST_NORM)
    return moved * (settings.max_norm / length).clamp_max(1.0)[:, None, None]
