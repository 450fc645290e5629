"""Triton kernels for what lies between a BERT layer's products; `bench.gpu.fused` tries them.

Each has its torch counterpart in the tests. TRITON_INTERPRET=1 runs them on a CPU.

Letters: N tokens, W width of a row, S strips of rows.
"""

import triton
import triton.language as tl


@triton.jit
def close(  # type: ignore[no-untyped-def]
    product, bias, residual, gamma, beta, seed, out, out16, total, mean, scale,
    width, rate, eps, BLOCK: tl.constexpr,
):  # fmt: skip
    """LayerNorm(residual + dropout(product + bias)) of one row, in float32 and in bf16.

    The sum is kept for backward, and so are its mean and the inverse of its standard deviation.
    """
    row = tl.program_id(0)
    at = tl.arange(0, BLOCK)
    real = at < width
    place = row * width + at
    x = tl.load(product + place, mask=real, other=0.0).to(tl.float32)
    x += tl.load(bias + at, mask=real, other=0.0)
    kept = tl.rand(tl.load(seed), place) >= rate
    x = tl.where(kept, x / (1 - rate), 0.0)
    x += tl.load(residual + place, mask=real, other=0.0)
    tl.store(total + place, x, mask=real)
    m = tl.sum(x, 0) / width
    off = tl.where(real, x - m, 0.0)
    r = tl.math.rsqrt(tl.sum(off * off, 0) / width + eps)
    tl.store(mean + row, m)
    tl.store(scale + row, r)
    y = off * r * tl.load(gamma + at, mask=real, other=0.0)
    y += tl.load(beta + at, mask=real, other=0.0)
    tl.store(out + place, y, mask=real)
    tl.store(out16 + place, y, mask=real)


@triton.jit
def close_backward(  # type: ignore[no-untyped-def]
    grad, total, mean, scale, gamma, seed, by_residual, by_product, sums,
    rows, width, rate, each, BLOCK: tl.constexpr,
):  # fmt: skip
    """The gradients of `close` for one strip of `each` rows.

    `sums` `(S, 3, W)` gets the strip's parts of the gradients by gamma, beta and bias.
    """
    strip = tl.program_id(0)
    at = tl.arange(0, BLOCK)
    real = at < width
    g = tl.load(gamma + at, mask=real, other=0.0)
    drawn = tl.load(seed)
    by_gamma = tl.zeros((BLOCK,), tl.float32)
    by_beta = tl.zeros((BLOCK,), tl.float32)
    by_bias = tl.zeros((BLOCK,), tl.float32)
    for row in range(strip * each, tl.minimum((strip + 1) * each, rows)):
        place = row * width + at
        above = tl.load(grad + place, mask=real, other=0.0)
        r = tl.load(scale + row)
        x = (tl.load(total + place, mask=real, other=0.0) - tl.load(mean + row)) * r
        x = tl.where(real, x, 0.0)
        by_gamma += above * x
        by_beta += above
        above *= g
        along = tl.sum(above * x, 0) / width
        d = (above - tl.sum(above, 0) / width - x * along) * r
        tl.store(by_residual + place, d, mask=real)
        kept = tl.rand(drawn, place) >= rate
        d = tl.where(kept & real, d / (1 - rate), 0.0)
        tl.store(by_product + place, d, mask=real)
        by_bias += d
    own = sums + strip * 3 * width + at
    tl.store(own, by_gamma, mask=real)
    tl.store(own + width, by_beta, mask=real)
    tl.store(own + 2 * width, by_bias, mask=real)


@triton.jit
def gelu_backward(  # type: ignore[no-untyped-def]
    grad, x, below, sums, rows, width, each, ROWS: tl.constexpr, BLOCK: tl.constexpr
):
    """The gradient by a GELU's input, and each strip's part of its sum over rows, `(S, W)`."""
    strip = tl.program_id(0)
    at = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    real = at < width
    total = tl.zeros((BLOCK,), tl.float32)
    last = tl.minimum((strip + 1) * each, rows)
    for first in range(strip * each, last, ROWS):
        row = first + tl.arange(0, ROWS)
        both = (row < last)[:, None] & real[None, :]
        place = row[:, None] * width + at[None, :]
        v = tl.load(x + place, mask=both, other=0.0).to(tl.float32)
        slope = 0.5 * (1 + tl.math.erf(v * 0.7071067811865476))
        slope += v * tl.exp(-0.5 * v * v) * 0.3989422804014327
        d = tl.load(grad + place, mask=both, other=0.0).to(tl.float32) * slope
        tl.store(below + place, d, mask=both)
        total += tl.sum(d, 0)
    tl.store(sums + strip * width + at, total, mask=real)


@triton.jit
def add_strips(  # type: ignore[no-untyped-def]
    sums, first, second, third, strips, width, PARTS: tl.constexpr,
    ROWS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Add the strips' parts `(S, PARTS, W)` to one total for each part."""
    part = tl.program_id(1)
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    real = at < width
    total = tl.zeros((BLOCK,), tl.float32)
    for begun in range(0, strips, ROWS):
        strip = begun + tl.arange(0, ROWS)
        both = (strip < strips)[:, None] & real[None, :]
        place = (strip * PARTS + part)[:, None] * width + at[None, :]
        total += tl.sum(tl.load(sums + place, mask=both, other=0.0), 0)
    if part == 0:
        into = first + at
    elif part == 1:
        into = second + at
    else:
        into = third + at
    tl.store(into, tl.load(into, mask=real, other=0.0) + total, mask=real)
