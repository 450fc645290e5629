"""What lies between a BERT layer's products, in fewer kernels: a candidate for the packed path.

    python -m bench.gpu.checks --fused        what must hold, with it
    python -m bench.gpu.speed --variant ours --variant ours_fused

Under autocast a layer of BERT moves about 200 bytes for each token and unit of its width between
the products, attention left out; with `bench.gpu.kernels`, about 130. Bias, dropout, residual and
layer norm are one kernel forward and two backward, and the gradients of these biases, and of
GELU's, come with them (an estimate from the shapes). Dropout is drawn from a seed in both
directions, so no mask is kept. A launched pass still drops units in torch's own way: to be settled
before any of this goes into the package, for the methods and the health check that use both.

Letters: B examples, N packed tokens, W width.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, partial
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.functional import gelu
from transformers.activations import GELUActivation

from bench.gpu.kernels import add_strips, close, close_backward, gelu_backward
from freelb_tune.training.passes.unpadded import linear, recording
from freelb_tune.training.passes.unpadded.linear import CastWeights, Shared

_CLOSING = {"dense": nn.Linear, "LayerNorm": nn.LayerNorm, "dropout": nn.Dropout}
_RISING = {"dense": nn.Linear, "intermediate_act_fn": GELUActivation}


@contextmanager
def fused() -> Iterator[None]:
    """Let recorded passes use these kernels inside the block."""
    own: Any = recording
    own.CastWeights = FusedWeights
    try:
        yield
    finally:
        own.CastWeights = CastWeights


class FusedWeights(CastWeights):
    """Weights cast once, and the ends of attention and of the feed-forward layers fused."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__(model)
        parts = [part for part in model.modules() if "forward" not in vars(part)]
        self._closing: list[Any] = [part for part in parts if _is_made_of(part, _CLOSING)]
        self._rising: list[Any] = [part for part in parts if _is_made_of(part, _RISING)]

    @contextmanager
    def lent(self) -> Iterator[Shared]:
        """See `CastWeights.lent`."""
        with super().lent() as shared:
            device = self._cast[0].device
            seeds = torch.randint(2**31, (len(self._closing) + 1,), device=device)
            for at, part in enumerate(self._closing):
                weight = self._by_weight[part.dense.weight]
                part.forward = partial(_close, part, shared, weight, seeds[at : at + 1])
            for part in self._rising:
                weights = self._by_weight[part.dense.weight], self._by_weight[part.dense.bias]
                part.forward = partial(_rise, part, shared, weights)
            try:
                yield shared
            finally:
                for part in (*self._closing, *self._rising):
                    del part.forward


def _is_made_of(part: nn.Module, kinds: dict[str, type[nn.Module]]) -> bool:
    found = {name: type(child) for name, child in part.named_children()}
    if found != kinds or not all(p.requires_grad for p in part.parameters()):
        return False
    act: Any = getattr(part, "intermediate_act_fn", None)
    return act is None or act.act is gelu  # not its approximation


def _close(
    part: Any, shared: Shared, weight16: Tensor, seed: Tensor, hidden: Tensor, residual: Tensor
) -> Tensor:
    x16, below = shared.cast(hidden)
    apply = cast(Any, linear._Linear.apply)
    product = apply(x16, part.dense.weight, None, weight16, None, below, shared)
    rate = part.dropout.p if part.training else 0.0
    out, out16 = cast(Any, _Close.apply)(product, residual.contiguous(), part, seed, rate)
    below = linear._Below()
    shared._last = out, cast(Any, _Known.apply)(out, out16, below), below
    return out


def _rise(part: Any, shared: Shared, weights: tuple[Tensor, Tensor], hidden: Tensor) -> Tensor:
    x16, below = shared.cast(hidden)
    apply = cast(Any, linear._Linear.apply)
    product = apply(x16, part.dense.weight, None, *weights, below, shared)  # with bias, forward
    return cast(Tensor, cast(Any, _Gelu.apply)(product, part.dense.bias))


class _Known(torch.autograd.Function):
    """`linear._Cast` of what is cast already."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, x16: Tensor, below: Any) -> Tensor:
        ctx.set_materialize_grads(False)
        ctx.below, ctx.like = below, (x.shape, x.dtype)
        return x16.view_as(x16)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor | None) -> tuple[Tensor | None, None, None]:
        return *linear._Cast.backward(ctx, grad), None


class _Close(torch.autograd.Function):
    """LayerNorm(residual + dropout(product + bias)), in float32 and bf16; see `kernels.close`."""

    @staticmethod
    def forward(
        ctx: Any, product: Tensor, residual: Tensor, part: Any, seed: Tensor, rate: float
    ) -> tuple[Tensor, Tensor]:
        width = product.shape[-1]
        rows = product.numel() // width
        out16 = torch.empty_like(product)
        out, total = (torch.empty_like(product, dtype=torch.float32) for _ in range(2))
        mean, scale = (total.new_empty(rows) for _ in range(2))
        norm, block = part.LayerNorm, _up_to_power_of_two(width)
        close[(rows,)](
            product, part.dense.bias, residual, norm.weight, norm.bias, seed, out, out16, total,
            mean, scale, width, rate, norm.eps, BLOCK=block,
        )  # fmt: skip
        ctx.save_for_backward(total, mean, scale, seed)
        ctx.part, ctx.rate, ctx.block, ctx.dtype = part, rate, block, residual.dtype
        ctx.mark_non_differentiable(out16)
        ctx.set_materialize_grads(False)  # `out16` would be given zeros
        return out, out16

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor, _: Any) -> tuple[Tensor | None, ...]:
        total, mean, scale, seed = ctx.saved_tensors
        part, rows, width = ctx.part, len(mean), total.shape[-1]
        norm = part.LayerNorm
        by_residual = torch.empty_like(total, dtype=ctx.dtype)
        by_product = torch.empty_like(total, dtype=torch.bfloat16)
        strips = min(rows, 4 * _processors(total.device))
        sums = total.new_empty(strips, 3, width)
        close_backward[(strips,)](
            grad.contiguous(), total, mean, scale, norm.weight, seed, by_residual, by_product,
            sums, rows, width, ctx.rate, -(-rows // strips), BLOCK=ctx.block,
        )  # fmt: skip
        _add(sums, norm.weight, norm.bias, part.dense.bias)
        return by_product, by_residual, None, None, None


class _Gelu(torch.autograd.Function):
    """GELU of a product with its bias; the bias's gradient is made here."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        ctx.bias = bias
        return gelu(x)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        (x,) = ctx.saved_tensors
        width = x.shape[-1]
        rows = x.numel() // width
        below = torch.empty_like(x)
        strips = min(-(-rows // 8), _processors(x.device) // 2)
        sums = x.new_empty(strips, 1, width, dtype=torch.float32)
        gelu_backward[(strips, -(-width // 256))](
            grad.contiguous(), x, below, sums, rows, width, -(-rows // strips), ROWS=8, BLOCK=256
        )
        _add(sums, ctx.bias)
        return below, None


def _add(sums: Tensor, *weights: Tensor) -> None:
    """Add the strips' parts `(S, len(weights), W)` to the weights' gradients."""
    strips, parts, width = sums.shape
    grads = [linear._grad_of(weight) for weight in weights]
    into = (*grads, grads[0], grads[0])[:3]
    add_strips[(-(-width // 32), parts)](sums, *into, strips, width, PARTS=parts, ROWS=64, BLOCK=32)


def _up_to_power_of_two(count: int) -> int:
    return 1 << (count - 1).bit_length()


@cache
def _processors(device: torch.device) -> int:
    if device.type == "cpu":
        return 4
    return int(torch.cuda.get_device_properties(device).multi_processor_count)
