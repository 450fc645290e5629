"""How a promise is held: a false claim, or numbers too far apart, is an AssertionError.

Room: training.
"""

from collections.abc import Callable

from torch import Tensor, nn

from freelb_tune.space.settings.adversaries import AdversarySettings
from freelb_tune.training.probing.tryout import Tried, gradients, try_out

__all__ = ["CLOSE", "Grads", "Promise", "claim", "close", "close_all", "delta_of", "one_step"]

CLOSE = 1e-5
"""Largest gap, as a share of the largest value, between numbers that should be equal."""

Grads = dict[str, Tensor]
Promise = Callable[[AdversarySettings, nn.Module], None]


def claim(kept: bool, sentence: str) -> None:
    """Say the sentence where it is not kept."""
    if not kept:
        raise AssertionError(sentence)


def close(got: Tensor, want: Tensor, what: str, size: float | None = None) -> None:
    """Hold two tensors to each other, by the largest value or by `size`."""
    size = max(want.abs().max().item(), 1e-12) if size is None else size
    gap = (got - want).abs().max().item()
    claim(gap <= CLOSE * size, f"{what} differs by {gap:.3g} where values are up to {size:.3g}")


def close_all(got: Grads, want: Grads, what: str) -> None:
    """Hold all gradients to each other, by the largest value of them all."""
    size = max(value.abs().max().item() for value in want.values())
    for name, value in want.items():
        close(got[name], value, f"{what} the gradient of {name}", size)


def delta_of(tried: Tried) -> Tensor:
    """The perturbation that it ended with, `(B, T, E)`."""
    delta = tried.outcome.delta
    if delta is None:
        raise AssertionError("it perturbs nothing")
    return delta


def one_step(
    settings: AdversarySettings,
    model: nn.Module,
    batch: dict[str, Tensor],
    *,
    step: int = 0,
    largest: int | None = None,
    padding_free: bool = False,
) -> tuple[Tried, Grads]:
    """Put one mini-batch through; what was done, and each weight's gradient."""
    model.zero_grad()
    tried = try_out(settings, model, batch, step=step, largest=largest, padding_free=padding_free)
    return tried, gradients(model)
