"""Searches with several clean arms, one of whose families may be unsteadier than the rest.

A family that is beyond doubt unsteadier is no longer pooled with the others; *all pooled* is what
they would get if it were. Nothing differs, so whatever is called different is wrong.
"""

from collections.abc import Iterator
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray

from bench.statistics.studies import share
from freelb_tune.results.statistics.comparing.contrast import holm
from freelb_tune.results.statistics.numbers import anova
from freelb_tune.results.statistics.numbers.spending import ALPHA, share_of

__all__ = ["unsteady_families"]

_GRIDS = ((2, 2, 2), (3, 2, 3), (3, 2, 5), (8, 2, 3), (6, 3, 2), (4, 5, 3))  # families, arms, seeds
_RATIOS = (1, 5, 400)  # the last family's variance, in units of the others'


def unsteady_families(searches: int, rng: np.random.Generator) -> Iterator[list[str]]:
    """A row per grid, law of the errors and ratio of variances."""
    for families, arms, seeds in _GRIDS:
        for tails, law in ((None, "normal"), (3.0, "heavy tails (t, 3)")):
            for ratio in _RATIOS:
                drawn = [
                    [_family(arms, seeds, tails, rng) for _ in range(families)]
                    for _ in range(searches)
                ]
                for tables in drawn:
                    tables[-1] *= ratio**0.5
                now = _counted(drawn)
                with patch.object(anova, "FAMILY_LEVEL", 0.0):
                    pooled = _counted(drawn)
                grid = f"{families} x {arms - 1} x {seeds}"
                yield [grid, law, str(ratio), *now, *pooled]


def _family(
    arms: int, seeds: int, tails: float | None, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Scores of a clean arm and its configurations, `(A, S)`."""
    size = (arms, seeds)
    errors = rng.standard_normal(size) if tails is None else rng.standard_t(tails, size)
    return errors + 2 * rng.standard_normal(seeds)


def _counted(drawn: list[list[NDArray[np.float64]]]) -> list[str]:
    """Searches that call anything different, the first family's coverage, its intervals' width."""
    called, held, widths = 0, 0, []
    for tables in drawn:
        found = anova.differences(tables)
        every = [each for row in found for each in row if each is not None]
        called += min(holm([each.p for each in every])) <= ALPHA * share_of(1)
        first = found[0][0]
        assert first is not None
        low, high = first.interval()
        held += low <= 0 <= high
        widths.append(high - low)
    count = len(drawn)
    return [share(called, count), share(held, count), f"{np.mean(widths):.1f}"]
