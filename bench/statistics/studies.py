"""Simulated searches: no effect, other examples, power. Each study yields rows for one table.

Every rate has two standard errors of simulation beside it.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from bench.statistics.batch import estimated, pooled, reach_with_examples
from bench.statistics.draws import COLLAPSED, CONDITIONS, Condition, scores
from bench.statistics.generator import Truth, correct
from freelb_tune.results.statistics.comparing.collapse import tested_with_collapses
from freelb_tune.results.statistics.comparing.contrast import holm
from freelb_tune.results.statistics.numbers.power import Trial, chance_to_see, smallest
from freelb_tune.results.statistics.numbers.spending import ALPHA, share_of

__all__ = [
    "GRIDS",
    "SEEDS",
    "no_effect",
    "other_examples",
    "powers",
    "seed_sd",
    "share",
    "simulated",
]

LEVEL = ALPHA * share_of(1)
"""What a first look spends."""

GRIDS = (1, 4, 8, 32)
SEEDS = (2, 3, 5, 10)
_ROOM = 500_000  # numbers per batch: what a processor's cache holds is soonest done
_DEALT = (
    10  # of so many searches with collapsed runs one is dealt out: each takes a tenth of a second
)


def share(hits: float, count: int) -> str:
    """A rate in percent with two standard errors."""
    rate = hits / count
    error = 2 * (max(rate * (1 - rate), 1 / count) / count) ** 0.5
    return f"{100 * rate:.1f} ± {100 * error:.1f}"


def seed_sd(n_dev: int, dispersion: float, discordance: float = 0.15) -> float:
    """Deviation of true accuracy over seeds that makes up a dispersion; 0 for one below 1."""
    return float(np.sqrt(max(dispersion - 1, 0.0) * discordance / 2 / n_dev))


def no_effect(searches: int, rng: np.random.Generator) -> Iterator[list[str]]:
    """How often a search without any effect calls anything different, and what intervals hold."""
    for name, condition in CONDITIONS.items():
        for seeds in SEEDS:
            row = [name, str(seeds)]
            for grid in GRIDS:
                called, held, plain, count = simulated(condition, searches, grid, seeds, rng)
                row += [share(called, count), share(held, count), share(plain, searches)]
            yield row


def simulated(
    condition: Condition, searches: int, grid: int, seeds: int, rng: np.random.Generator
) -> tuple[float, float, float, int]:
    """Searches that call something, intervals of the first that hold 0, the plain t's calls."""
    least = 1 / (12 * condition.n_dev**2)
    drawn = scores(condition, searches, grid + 1, seeds, rng)
    found = estimated(drawn, least)
    calls = (found.adjusted <= LEVEL).any(axis=1)
    plain = (pooled(drawn, least).adjusted <= LEVEL).any(axis=1)
    held = found.holds(0.0)[:, 0]
    if condition.collapse:
        calls, held = np.array([_struck(one, least) for one in drawn[: searches // _DEALT]]).T
    return float(calls.sum()), float(held.sum()), float(plain.sum()), len(calls)


def _struck(drawn: NDArray[np.float64], least: float) -> tuple[bool, bool]:
    """Whether a search with collapsed runs calls anything, and its first interval holds 0."""
    (found,) = tested_with_collapses([drawn], [drawn <= COLLAPSED], least, (), 0.0)
    p = holm([1.0 if one.estimate is None else one.estimate.p for one in found])
    calls = any(max(a, one.p_dealt) <= LEVEL for a, one in zip(p, found, strict=True))
    first = found[0].estimate
    low, high = (0.0, 0.0) if first is None else first.interval()
    return calls, low <= 0 <= high


def other_examples(searches: int, rng: np.random.Generator) -> Iterator[list[str]]:
    """How often intervals hold the truth: over seeds, and for other examples, too."""
    for n_dev in (71, 277, 1500):
        for dispersion in (1.0, 1.5, 4.0, 20.0):
            for change in (0.0, 1.0):
                row = [str(n_dev), f"{dispersion}", "yes" if change else "no"]
                for seeds, grid in ((2, 1), (3, 8), (5, 8)):
                    truth = Truth(
                        n_dev, seeds, grid, seed_sd(n_dev, dispersion), example_change=change
                    )
                    held, width = _wider(truth, searches, rng)
                    row.append(f"{share(held, searches)} (± {100 * width:.1f})")
                yield row


def _wider(truth: Truth, searches: int, rng: np.random.Generator) -> tuple[float, float]:
    held, width, left = 0.0, 0.0, searches
    each = max(1, _ROOM // (truth.n_dev * truth.seeds * (truth.configurations + 1)))
    while left > 0:
        right = correct(truth, min(each, left), rng)
        by_seed = right.mean(axis=3, dtype=np.float64)
        found = estimated(by_seed, 1 / (12 * truth.n_dev**2))
        reach = reach_with_examples(found, right)[:, 0]
        held += float((abs(found.difference[:, 0]) <= reach).sum())
        width += float(reach.sum())
        left -= len(right)
    return held, width / searches


def powers(searches: int, rng: np.random.Generator) -> Iterator[list[str]]:
    """Stated against simulated power, at the smallest difference and at two thirds of it."""
    condition = Condition(1.5)
    for seeds in (2, 3, 5, 8):
        for grid in GRIDS:
            plan = Trial(grid, seeds, condition.deviation)
            effect = smallest(plan)
            assert effect is not None
            row = [str(seeds), str(grid), f"{100 * effect:.1f}"]
            for size in (effect, effect * 2 / 3):
                drawn = scores(replace(condition, n_dev=277), searches, grid + 1, seeds, rng)
                drawn[:, 1] += size
                seen = (estimated(drawn).adjusted[:, 0] <= LEVEL).sum()
                row += [f"{100 * chance_to_see(plan, size):.1f}", share(float(seen), searches)]
                if size == effect:
                    plain = (pooled(drawn).adjusted[:, 0] <= LEVEL).sum()
                    row.append(share(float(plain), searches))
            yield row
