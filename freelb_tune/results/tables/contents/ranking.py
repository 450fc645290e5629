"""The one rule by which configurations are ranked: for tables, for `best/`, for GLUE's table.

Room: results. States and scores in, no numpy: a running search asks after every cell.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean

from freelb_tune.store import CellState

__all__ = ["SAME", "Standing", "counts", "is_complete", "places", "standing"]

_DONE, _SPARED = CellState.DONE, CellState.SPARED  # asked after for every cell

SAME = 1e-12
"""Means that differ by less are equal: those of the same scores may differ in their last bit."""


@dataclass(frozen=True)
class Standing:
    """What settles a configuration's place.

    Attributes:
        is_complete: whether every seed that counts was trained to the end; a configuration that
            lacks one ranks after every complete one, as the seeds that are left may be lucky.
        goodness: the mean over the finished seeds, more is better; minus infinity without any.
    """

    is_complete: bool
    goodness: float

    @property
    def order(self) -> tuple[bool, bool, float]:
        """Sorts the best first; equal ones stay as they were, which is plan order."""
        return not self.is_complete, self.goodness == -math.inf, -self.goodness


def standing(seeds: Iterable[tuple[CellState, float | None]], sign: float) -> Standing:
    """Where a configuration stands.

    Args:
        seeds: the state of each, and its score at the epoch that counts; None for none.
        sign: 1 where higher scores are better, -1 where lower ones are.
    """
    known = list(seeds)
    scores = [score for state, score in known if state is _DONE and score is not None]
    goodness = sign * fmean(scores) if scores else -math.inf
    return Standing(is_complete(state for state, _ in known), goodness)


def is_complete(states: Iterable[CellState]) -> bool:
    """Whether all seeds that count were trained to the end; without one that counts, no."""
    counted = [state for state in states if counts(state)]
    return bool(counted) and all(state is _DONE for state in counted)


def counts(state: CellState) -> bool:
    """Whether a seed has to be done for its configuration to be complete: not where a race was
    over before it."""
    return state is not _SPARED


def places(ranked: Sequence[Standing]) -> list[int | None]:
    """The place of each, 1 for the first; equal ones share it, an incomplete one has none."""
    found: list[int | None] = []
    place, before = 0, math.inf
    for count, each in enumerate(ranked, start=1):
        if each.goodness < before - SAME:
            place, before = count, each.goodness
        found.append(place if each.is_complete else None)
    return found
