"""Linear layers under bf16 autocast at fewer kernels: weights cast once, gradients added in place.

Room: training. Autocast casts every weight in every pass, makes its gradient in bf16, casts that
back and adds it up: eight kernels where two will do. Here the weights are cast once per mini-batch,
and the product that makes a weight's gradient adds to `.grad` in float32 by itself.

Letters: N rows (tokens), I inputs, O outputs.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, partial
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.functional import linear

__all__ = ["CastWeights"]


class CastWeights:
    """The weights of a model's linear layers in bf16."""

    def __init__(self, model: nn.Module) -> None:
        self._layers = [
            part
            for part in model.modules()
            if type(part) is nn.Linear and part.weight.dtype == torch.float32
            if "forward" not in vars(part)  # somebody else's
        ]
        self._own = [
            w for layer in self._layers for w in (layer.weight, layer.bias) if w is not None
        ]
        self._cast = [torch.empty_like(w, dtype=torch.bfloat16) for w in self._own]
        self._by_weight = dict(zip(self._own, self._cast, strict=True))

    @torch.no_grad()
    def refresh(self) -> None:
        """Cast the weights as they stand now."""
        torch._foreach_copy_(self._cast, self._own)

    @contextmanager
    def lent(self) -> Iterator[None]:
        """Let the layers take the cast weights for one pass forward; backward needs it no more."""
        seen = _Inputs()
        for layer in self._layers:
            own = self._by_weight[layer.weight], self._by_weight.get(layer.bias)
            layer.forward = partial(_forward, layer, own, seen)  # type: ignore[method-assign]
        try:
            yield
        finally:
            for layer in self._layers:
                del layer.forward


class _Inputs:
    """The last input that was cast: queries, keys and values are made of the same."""

    def __init__(self) -> None:
        self._last: tuple[Tensor, Tensor] | None = None

    def cast(self, x: Tensor) -> Tensor:
        if self._last is None or self._last[0] is not x:
            self._last = x, x.detach().to(torch.bfloat16)
        return self._last[1]


def _forward(
    layer: nn.Linear, own: tuple[Tensor, Tensor | None], seen: _Inputs, x: Tensor
) -> Tensor:
    if not torch.is_autocast_enabled("cuda") or torch.get_autocast_dtype("cuda") != torch.bfloat16:
        return linear(x, layer.weight, layer.bias)
    apply = cast(Any, _Linear.apply)
    return cast(Tensor, apply(x, layer.weight, layer.bias, seen.cast(x), *own))


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        x16: Tensor,
        weight16: Tensor,
        bias16: Tensor | None,
    ) -> Tensor:
        ctx.save_for_backward(x16, weight16)
        ctx.owners, ctx.dtype = (weight, bias), x.dtype
        with torch.autocast("cuda", enabled=False):
            return linear(x16, weight16, bias16)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x16, weight16 = ctx.saved_tensors
        weight, bias = ctx.owners
        flat = grad.flatten(0, -2)
        below = None
        if ctx.needs_input_grad[0]:
            below = torch.mm(flat, weight16).to(ctx.dtype).view(x16.shape)
        if weight.requires_grad:
            _add_product(_grad_of(weight), flat.t(), x16.flatten(0, -2))
        if bias is not None and bias.requires_grad:
            ones = flat.new_ones(1, len(flat))
            _add_product(_grad_of(bias).unsqueeze(0), ones, flat)
        return below, None, None, None, None, None


def _grad_of(weight: Tensor) -> Tensor:
    if weight.grad is None:
        weight.grad = torch.zeros_like(weight)
    return weight.grad


def _add_product(total: Tensor, a: Tensor, b: Tensor) -> None:
    """Add a x b to a float32 matrix."""
    if _adds_in_float32(total.device):
        torch.addmm(total, a, b, out_dtype=torch.float32, out=total)
    else:
        total.add_(torch.mm(a, b))


@cache
def _adds_in_float32(device: torch.device) -> bool:
    """Whether torch's products of bf16 matrices add to float32 here (torch 2.8, CUDA)."""
    a = torch.ones(16, 16, device=device, dtype=torch.bfloat16)
    total = torch.ones(16, 16, device=device)
    try:
        torch.addmm(total, a, a, out_dtype=torch.float32, out=total)
    except (RuntimeError, TypeError, NotImplementedError):
        return False
    return bool((total == 17).all())
