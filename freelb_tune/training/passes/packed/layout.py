"""Where each real token of a padded batch lies when the padding is left out.

Room: training. An attention mask in, row numbers out. Knows no models.

Letters: B examples, T tokens of the padded batch, N real tokens of all examples together.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple

import torch
from torch import Tensor

from freelb_tune.errors import FreeLBTuneError

__all__ = ["Layout", "Run", "layout_of"]


class Run(NamedTuple):
    """Neighbouring examples of equal length: packed rows [start, start + examples x length)."""

    start: int
    examples: int
    length: int


@dataclass(frozen=True)
class Layout:
    """The packed order: example after example, the shortest first, each with its tokens in order.

    Examples of equal length lie side by side, so that attention can take several at once.

    Attributes:
        shape: (B, T) of the padded batch.
        rows: each packed token's place in the flattened padded batch, `(N,)`.
        real: True for a real token, `(B, T)`.
        first: packed row of each example's first token, in the batch's order, `(B,)`.
        runs: each length that occurs, with the examples that have it, from the first row on.
    """

    shape: tuple[int, int]
    rows: Tensor
    real: Tensor
    first: Tensor
    runs: tuple[Run, ...]

    @property
    def tokens(self) -> int:
        """N, the number of real tokens."""
        return self.rows.numel()

    def pick(self, padded: Tensor) -> Tensor:
        """The real tokens of `(B, T, ...)`, as `(N, ...)`."""
        return padded.flatten(0, 1).index_select(0, self.rows)

    def pad(self, packed: Tensor) -> Tensor:
        """Put `(N, H)` back as `(B, T, H)`, zero at padding."""
        flat = packed.new_zeros(self.shape[0] * self.shape[1], packed.shape[1])
        return flat.index_copy(0, self.rows, packed).view(*self.shape, -1)


def layout_of(inputs: Mapping[str, Tensor]) -> Layout:
    """Read the layout from `attention_mask`; without one, every token is real.

    Raises:
        FreeLBTuneError: an example's first token is padding. The classifier reads the state at
            the first place, so padding on the left cannot be left out.
    """
    ids = inputs["input_ids"]
    mask = inputs.get("attention_mask")
    real = torch.ones_like(ids, dtype=torch.bool) if mask is None else mask != 0
    if real.shape != ids.shape:
        raise FreeLBTuneError(
            f"attention_mask has the shape {tuple(real.shape)}, input_ids {tuple(ids.shape)}; "
            "the padding-free path needs one mask entry per token, or run.padding_free: false"
        )
    if not bool(real[:, 0].all()):
        raise FreeLBTuneError(
            "an example starts with padding, and the padding-free path needs it on the right; "
            "set the tokenizer's padding_side to 'right', or run.padding_free: false"
        )
    lengths, order = real.sum(1).sort(stable=True)
    first = torch.empty_like(order).index_copy_(0, order, lengths.cumsum(0) - lengths)
    example, place = real[order].nonzero(as_tuple=True)
    rows = order[example] * ids.shape[1] + place
    return Layout((ids.shape[0], ids.shape[1]), rows, real, first, _runs(lengths.tolist()))


def _runs(lengths: list[int]) -> tuple[Run, ...]:
    runs, start = [], 0
    for length, group in groupby(lengths):
        examples = len(list(group))
        runs.append(Run(start, examples, length))
        start += examples * length
    return tuple(runs)
