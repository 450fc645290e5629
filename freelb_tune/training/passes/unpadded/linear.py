"""Linear layers under bf16 autocast at fewer kernels: weights cast once, gradients added in place.

Room: training. Autocast casts every weight in every pass, makes its gradient in bf16, casts that
back and adds it up: eight kernels where two will do. Here the weights are cast once per mini-batch,
and the product that makes a weight's gradient adds to `.grad` in float32 by itself. So do the
products that make the gradient by an input that several layers share.

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

__all__ = ["CastWeights", "Shared"]


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
    def lent(self) -> Iterator["Shared"]:
        """Let the layers take the cast weights for one pass forward; backward needs it no more."""
        shared = Shared()
        for layer in self._layers:
            own = self._by_weight[layer.weight], self._by_weight.get(layer.bias)
            layer.forward = partial(_forward, layer, own, shared)  # type: ignore[method-assign]
        try:
            yield shared
        finally:
            shared.forget()
            for layer in self._layers:
                del layer.forward


class Shared:
    """What the layers share in one pass."""

    def __init__(self) -> None:
        self._last: tuple[Tensor, Tensor, _Below] | None = None
        self._ones: Tensor | None = None

    def forget(self) -> None:
        """Let go of the last input: what the layers keep would otherwise keep itself."""
        self._last = None

    def ones(self, like: Tensor) -> Tensor:
        """`(1, N)`: their product with `(N, O)` adds up its rows."""
        if self._ones is None or self._ones.shape[1] != len(like):
            self._ones = like.new_ones(1, len(like))
        return self._ones

    def cast(self, x: Tensor) -> tuple[Tensor, "_Below | None"]:
        """An input in bf16, and where its layers add up the gradient by it; None where as is.

        The last one is remembered: queries, keys and values are made of the same.
        """
        if x.dtype == torch.bfloat16:
            return x, None
        if self._last is None or self._last[0] is not x:
            below = _Below()
            self._last = x, cast(Any, _Cast.apply)(x, below), below
        return self._last[1:]


class _Below:
    """The gradient by one input of several layers, in float32."""

    def __init__(self) -> None:
        self._total: Tensor | None = None

    def add(self, a: Tensor, b: Tensor) -> None:
        """Add a x b."""
        if self._total is None:
            self._total = _product(a, b)
        else:
            _add_product(self._total, a, b)

    def take(self) -> Tensor | None:
        """What was added, and begin again."""
        total, self._total = self._total, None
        return total


class _Cast(torch.autograd.Function):
    """Its layers give no gradient to what it returns: they add theirs up in `below`."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, below: _Below) -> Tensor:
        ctx.set_materialize_grads(False)
        ctx.below, ctx.like = below, (x.shape, x.dtype)
        return x.to(torch.bfloat16)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor | None) -> tuple[Tensor | None, None]:
        shape, dtype = ctx.like
        total = ctx.below.take()
        return None if total is None else total.to(dtype).view(shape), None


def _forward(
    layer: nn.Linear, own: tuple[Tensor, Tensor | None], shared: Shared, x: Tensor
) -> Tensor:
    kind = x.device.type
    if not torch.is_autocast_enabled(kind) or torch.get_autocast_dtype(kind) != torch.bfloat16:
        return linear(x, layer.weight, layer.bias)
    x16, below = shared.cast(x)
    apply = cast(Any, _Linear.apply)
    return cast(Tensor, apply(x16, layer.weight, layer.bias, *own, below, shared))


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x16: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        weight16: Tensor,
        bias16: Tensor | None,
        below: _Below | None,
        shared: Shared,
    ) -> Tensor:
        ctx.save_for_backward(x16, weight16)
        ctx.owners, ctx.below, ctx.shared = (weight, bias), below, shared
        with torch.autocast(x16.device.type, enabled=False):
            return linear(x16, weight16, bias16)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x16, weight16 = ctx.saved_tensors
        weight, bias = ctx.owners
        flat = grad.flatten(0, -2)
        by_x = None
        if ctx.needs_input_grad[0] and ctx.below is not None:
            ctx.below.add(flat, weight16)
        elif ctx.needs_input_grad[0]:
            by_x = torch.mm(flat, weight16).view(x16.shape)
        if weight.requires_grad:
            _add_product(_grad_of(weight), flat.t(), x16.flatten(0, -2))
        if bias is not None and bias.requires_grad:
            _add_product(_grad_of(bias).unsqueeze(0), ctx.shared.ones(flat), flat)
        return by_x, *(None,) * 6


def _grad_of(weight: Tensor) -> Tensor:
    if weight.grad is None:
        weight.grad = torch.zeros_like(weight)
    return weight.grad


def _product(a: Tensor, b: Tensor) -> Tensor:
    """The float32 matrix a x b."""
    if _adds_in_float32(a.device):
        return torch.mm(a, b, out_dtype=torch.float32)
    return torch.mm(a, b).float()


def _add_product(total: Tensor, a: Tensor, b: Tensor) -> None:
    """Add a x b to a float32 matrix."""
    if _adds_in_float32(total.device):
        torch.addmm(total, a, b, out_dtype=torch.float32, out=total)
    else:
        total.add_(torch.mm(a, b))


@cache
def _adds_in_float32(device: torch.device) -> bool:
    """Whether torch's products of bf16 matrices are float32 here (torch 2.8, CUDA)."""
    a = torch.ones(16, 16, device=device, dtype=torch.bfloat16)
    try:
        total = torch.mm(a, a, out_dtype=torch.float32)
        torch.addmm(total, a, a, out_dtype=torch.float32, out=total)
    except (RuntimeError, TypeError, NotImplementedError):
        return False
    return bool((total == 32).all())
