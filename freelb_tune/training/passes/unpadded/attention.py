"""Attention within each example of a packed batch, for models that look theirs up by name.

Room: training. transformers' registry lends a model an attention function; this one gives packed
tokens to the kernel for sequences of varying length that comes with torch, dropout included. The
public `torch.nn.attention.varlen` has none, so the operator beneath it is called.

Letters: A heads, N packed tokens, D width of a head.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from freelb_tune.errors import FreeLBTuneError
from freelb_tune.training.passes.unpadded.layout import Layout, pack, unpack

__all__ = ["packed_attention"]

NAME = "freelb_tune_packed"
_UNKNOWN = ("sliding_window", "softcap", "s_aux", "position_bias")
_lent: list[Layout] = []  # by `packed_attention`, for as long as it is open


@contextmanager
def packed_attention(config: Any, layout: Layout) -> Iterator[None]:
    """Let a model whose attention would be torch's own take this one inside the block.

    Raises:
        FreeLBTuneError: the model's attention is not torch's own.
    """
    if getattr(config, "_attn_implementation", None) != "sdpa":
        raise FreeLBTuneError("its attention is not torch's own (sdpa)")
    _lent.append(layout)
    config._attn_implementation = NAME
    try:
        yield
    finally:
        config._attn_implementation = "sdpa"
        _lent.pop()


def _attend(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    **others: Any,
) -> tuple[Tensor, None]:
    """`(1, A, N, D)` to `(1, N, A, D)`.

    Raises:
        FreeLBTuneError: the model asks for more than attention within each example.
    """
    more = [name for name in _UNKNOWN if others.get(name) is not None]
    if attention_mask is not None or more or key.shape != query.shape or len(query) != 1:
        raise FreeLBTuneError("its attention is more than that of each token to its example's")
    q, k, v = (part.squeeze(0).transpose(0, 1) for part in (query, key, value))  # (N, A, D)
    causal = bool(others.get("is_causal", getattr(module, "is_causal", False)))
    return _within(q, k, v, _lent[-1], dropout, causal, scaling).unsqueeze(0), None


def _within(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    layout: Layout,
    dropout: float,
    causal: bool,
    scale: float | None,
) -> Tensor:
    """`(N, A, D)` to `(N, A, D)`."""
    if not _has_kernel(q):
        return _padded(q, k, v, layout, dropout, causal, scale)
    starts, longest = layout.starts, layout.longest
    out: Tensor = torch.ops.aten._flash_attention_forward(
        q, k, v, starts, starts, longest, longest, dropout, causal, False, scale=scale
    )[0]
    return out


def _has_kernel(q: Tensor) -> bool:
    """Whether torch's flash attention takes such heads on such a device.

    Its other kernel for varying lengths, which knows float32, drops other units backward than
    forward (torch 2.13, `mem_eff_attention`).
    """
    half = q.dtype in (torch.float16, torch.bfloat16)
    fits = q.shape[2] % 8 == 0 and q.shape[2] <= 256
    return q.is_cuda and half and fits and torch.cuda.get_device_capability(q.device)[0] >= 8


def _padded(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    layout: Layout,
    dropout: float,
    causal: bool,
    scale: float | None,
) -> Tensor:
    """The same on the padded batch: what lies around it still runs on real tokens alone."""
    tokens, heads, own = q.shape
    examples, width = layout.shape
    wide_q, wide_k, wide_v = (
        unpack(part.reshape(1, tokens, -1), layout)
        .view(examples, width, heads, own)
        .transpose(1, 2)
        for part in (q, k, v)
    )  # (B, A, T, D)
    seen = layout.real[:, None, None, :]
    if causal:
        seen = seen & torch.ones(width, width, dtype=torch.bool, device=q.device).tril()
    out = scaled_dot_product_attention(
        wide_q, wide_k, wide_v, attn_mask=seen, dropout_p=dropout, scale=scale
    )
    return pack(out.transpose(1, 2).flatten(2), layout).view(tokens, heads, own)


def _no_mask(*_: Any, **__: Any) -> None:
    """Padding is gone: nothing is masked."""


ALL_ATTENTION_FUNCTIONS.register(NAME, _attend)
ALL_MASK_ATTENTION_FUNCTIONS.register(NAME, _no_mask)
