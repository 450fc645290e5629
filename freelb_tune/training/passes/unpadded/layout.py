"""Where the real tokens of a padded batch lie, and the way there and back.

Room: training. All of it stays on the device; only the number of tokens is read once per batch.

Letters: B examples, T tokens of the padded batch, N packed tokens (real, then filler), H width.
"""

from typing import Any, NamedTuple, cast

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

__all__ = ["Layout", "layout_of", "pack", "unpack"]


class Layout(NamedTuple):
    """The packed form of one padded batch.

    Attributes:
        rows: each packed token's place in the flattened padded batch, `(N,)`; B x T for filler.
        starts: each example's first packed token, then the filler's, then N: `(B + 2,)`, int32.
        longest: no example is longer, nor is the filler.
        real: true at a real token, `(B, T)`.
    """

    rows: Tensor
    starts: Tensor
    longest: int
    real: Tensor

    @property
    def shape(self) -> tuple[int, int]:
        """B and T."""
        return self.real.shape[0], self.real.shape[1]


def layout_of(mask: Tensor, tokens: int, longest: int) -> Layout:
    """Lay a batch out without waiting for the device.

    Args:
        mask: not 0 at a real token, `(B, T)`, wherever its padding is.
        tokens: N, at least the real ones.
        longest: at least each example's length, and the filler's.
    """
    real = mask.ne(0)
    flat = real.flatten()
    order = (~flat).to(torch.uint8).argsort(stable=True)[:tokens]  # the real ones come first
    place = torch.arange(tokens, device=mask.device)
    ends = real.sum(1).cumsum(0)
    rows = torch.where(place < ends[-1], order, flat.numel())
    starts = torch.cat([ends.new_zeros(1), ends, ends.new_full((1,), tokens)]).to(torch.int32)
    return Layout(rows, starts, min(longest, tokens), real)


def pack(x: Tensor, layout: Layout) -> Tensor:
    """The packed tokens `(1, N, H)` of `(B, T, H)`; filler copies the last place."""
    return cast(Tensor, _Pack.apply(x, layout.rows))  # type: ignore[no-untyped-call]


def unpack(x: Tensor, layout: Layout) -> Tensor:
    """The padded batch `(B, T, H)` of `(1, N, H)`, zero at padding."""
    return cast(Tensor, _Unpack.apply(x, layout.rows, layout.shape))  # type: ignore[no-untyped-call]


def _gathered(x: Tensor, rows: Tensor) -> Tensor:
    """Rows `(N, H)` of `(B, T, H)`."""
    flat = x.flatten(0, 1)
    return flat.index_select(0, rows.clamp_max(len(flat) - 1))


def _scattered(x: Tensor, rows: Tensor, shape: tuple[int, int]) -> Tensor:
    """`(B, T, H)` of rows `(N, H)`; no row is added to another, so the order does not matter."""
    size = shape[0] * shape[1]
    whole = x.new_zeros(size + 1, x.shape[1])  # the last is for filler
    return whole.index_copy_(0, rows, x)[:size].view(*shape, -1)


class _Pack(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, rows: Tensor) -> Tensor:
        ctx.save_for_backward(rows)
        ctx.shape = x.shape[:2]
        return _gathered(x, rows).unsqueeze(0)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        (rows,) = ctx.saved_tensors
        return _scattered(grad[0], rows, ctx.shape), None


class _Unpack(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, rows: Tensor, shape: tuple[int, int]) -> Tensor:
        ctx.save_for_backward(rows)
        return _scattered(x[0], rows, shape)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        (rows,) = ctx.saved_tensors
        real = (rows < grad.shape[0] * grad.shape[1]).unsqueeze(1)
        return (_gathered(grad, rows) * real).unsqueeze(0), None, None
