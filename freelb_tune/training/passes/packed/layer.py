"""One post-norm encoder layer on packed tokens, forward and backward written out.

Room: training. Reads the weights of a BERT, RoBERTa or ELECTRA layer when called, and adds their
gradients straight to `.grad`, by one product each.

Letters: N packed tokens, H hidden width, F feed-forward width.
"""

from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from freelb_tune.training.passes.packed.attention import attend, attend_backward
from freelb_tune.training.passes.packed.layout import Run
from freelb_tune.training.passes.packed.masks import LayerMasks

__all__ = ["full_layer"]


def _linear(dense: nn.Linear, x: Tensor) -> Tensor:
    return torch.addmm(dense.bias.to(x.dtype), x, dense.weight.to(x.dtype).t())


def _add(parameter: Tensor, grad: Tensor) -> None:
    if parameter.grad is None:
        parameter.grad = grad.to(parameter.dtype)
    else:
        parameter.grad += grad


def _add_linear(dense: nn.Linear, x: Tensor, grad: Tensor) -> None:
    """Add the gradients of `dense`, which took `x` `(N, in)`, given its output's `(N, out)`."""
    weight = dense.weight
    if weight.requires_grad:
        if weight.grad is None:
            weight.grad = torch.mm(grad.t(), x).to(weight.dtype)
        elif weight.grad.dtype == x.dtype:
            weight.grad.addmm_(grad.t(), x)
        else:
            weight.grad += torch.mm(grad.t(), x)
    if dense.bias.requires_grad:
        _add(dense.bias, grad.sum(0))


def _residual_norm(
    norm: nn.LayerNorm, x: Tensor, branch: Tensor, mask: Tensor | None
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """LayerNorm of `x` and the dropped-out `branch`; then their sum, its mean and rstd."""
    total = branch.add_(x) if mask is None else torch.addcmul(x, branch, mask, out=branch)
    weight, bias = norm.weight.to(x.dtype), norm.bias.to(x.dtype)
    out, mean, rstd = torch.native_layer_norm(total, norm.normalized_shape, weight, bias, norm.eps)
    return out, total, mean, rstd


def _norm_backward(
    norm: nn.LayerNorm, grad: Tensor, total: Tensor, mean: Tensor, rstd: Tensor
) -> Tensor:
    """Take the gradient through a LayerNorm and add its parameters' gradients."""
    weight, bias = norm.weight.to(grad.dtype), norm.bias.to(grad.dtype)
    wanted = [True, norm.weight.requires_grad, norm.bias.requires_grad]
    below, g_weight, g_bias = torch.ops.aten.native_layer_norm_backward(
        grad, total, norm.normalized_shape, mean, rstd, weight, bias, wanted
    )
    if g_weight is not None and wanted[1]:
        _add(norm.weight, g_weight)
    if g_bias is not None and wanted[2]:
        _add(norm.bias, g_bias)
    return cast(Tensor, below)


class _FullLayer(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, layer: Any, blocks: tuple[Run, ...], masks: LayerMasks, *_: Tensor
    ) -> Tensor:
        own, projection = layer.attention.self, layer.attention.output
        parts = (own.query, own.key, own.value)
        weight = torch.cat([part.weight for part in parts]).to(x.dtype)  # (3H, H)
        bias = torch.cat([part.bias for part in parts]).to(x.dtype)
        qkv = torch.addmm(bias, x, weight.t())
        context, p = attend(qkv, own.num_attention_heads, blocks, masks.attention)
        y, s1, mean1, rstd1 = _residual_norm(
            projection.LayerNorm, x, _linear(projection.dense, context), masks.projection
        )
        up = _linear(layer.intermediate.dense, y)
        active = layer.intermediate.intermediate_act_fn(up)
        out, s2, mean2, rstd2 = _residual_norm(
            layer.output.LayerNorm, y, _linear(layer.output.dense, active), masks.output
        )
        ctx.layer, ctx.blocks, ctx.masks = layer, blocks, masks
        ctx.save_for_backward(
            x, weight, qkv, context, s1, mean1, rstd1, y, up, active, s2, mean2, rstd2, *p
        )
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        layer, masks = ctx.layer, ctx.masks
        x, weight, qkv, context, s1, mean1, rstd1, y, up, active, s2, mean2, rstd2, *p = (
            ctx.saved_tensors
        )
        own, projection = layer.attention.self, layer.attention.output
        g2 = _norm_backward(layer.output.LayerNorm, grad.contiguous(), s2, mean2, rstd2)
        g = g2 if masks.output is None else g2 * masks.output
        _add_linear(layer.output.dense, active, g)
        g = _activation_backward(layer, torch.mm(g, layer.output.dense.weight.to(g.dtype)), up)
        _add_linear(layer.intermediate.dense, y, g)
        g2.addmm_(g, layer.intermediate.dense.weight.to(g.dtype))
        g1 = _norm_backward(projection.LayerNorm, g2, s1, mean1, rstd1)
        g = g1 if masks.projection is None else g1 * masks.projection
        _add_linear(projection.dense, context, g)
        g = torch.mm(g, projection.dense.weight.to(g.dtype))
        g = attend_backward(g, qkv, own.num_attention_heads, ctx.blocks, masks.attention, p)
        for part, own_grad in zip((own.query, own.key, own.value), g.chunk(3, dim=1), strict=True):
            _add_linear(part, x, own_grad)
        below = g1.addmm_(g, weight) if ctx.needs_input_grad[0] else None
        return (below, None, None, None, *(None for _ in ctx.needs_input_grad[4:]))


def _activation_backward(layer: Any, grad: Tensor, up: Tensor) -> Tensor:
    if isinstance(layer.intermediate.intermediate_act_fn, nn.ReLU):
        return grad.mul_(up > 0)
    below: Tensor = torch.ops.aten.gelu_backward.grad_input(grad, up, grad_input=grad)
    return below


def full_layer(layer: Any, x: Tensor, blocks: tuple[Run, ...], masks: LayerMasks) -> Tensor:
    """Run one layer on every token, `(N, H)` to `(N, H)`.

    Args:
        layer: a BERT-like layer of transformers.
        x: the layer's input, `(N, H)`.
        blocks: what `split_runs` made of the batch's layout.
        masks: the layer's dropout masks.

    Returns:
        The layer's output. In `backward()` the parameters' gradients are added to `.grad`.
    """
    # The parameters go in so that autograd knows of them; their gradients do not come out.
    apply = cast(Callable[..., Tensor], _FullLayer.apply)
    return apply(x, layer, blocks, masks, *layer.parameters())
