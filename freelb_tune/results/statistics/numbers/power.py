"""What a search can show: the chance to see a difference, the smallest one seen, seeds needed.

Room: results. A few numbers in, a few numbers and a sentence out, in milliseconds: `scipy.special`
is the heaviest import. It describes the test of `anova.py`, its preliminary tests and Holm's
adjustment included, where arms are equally steady.

The test's statistic is the difference over an error that has nothing to do with it. So the chance
to see a difference is the normal's, averaged over errors as the residuals of such searches give
them; these are drawn, always the same ones.

Letters used below: S seeds, J configurations.

Reference:
    Card et al., "With Little Power Comes Great Responsibility", EMNLP 2020, arXiv:2010.06595, for
    power of comparisons on GLUE's dev sets and what it depends on.
"""

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from freelb_tune.errors import FreeLBTuneError, counted
from freelb_tune.results.statistics.numbers.spending import ALPHA, share_of
from freelb_tune.results.statistics.numbers.steadiness import (
    ARM_LEVEL,
    CLEAN_LEVEL,
    bounded,
    is_unsteady,
    unsteady_difference,
)

__all__ = ["MOST_SEEDS", "Power", "Trial", "chance_to_see", "luck", "seeds_for", "smallest"]

MOST_SEEDS = 10_000
"""Numbers of seeds above this are not looked for."""

_POWER = 0.8
_DRAWS = 2000  # of residuals, for errors of the stated power below half a point
_FOLLOWED = 8  # guesses by the slope, three as a rule, before a search by halves

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Trial:
    """What a search is going to be, for its power.

    Attributes:
        configurations: J, adversarial configurations compared with the clean arm.
        seeds: S per configuration.
        spread: deviation of a score over seeds, what a seed gives to all arms taken out; a
            fraction.
        look: which look at the results its verdict is.
        overlap: of folds in place of seeds, as `folds.overlap_of` has it; 0 for seeds.
    """

    configurations: int
    seeds: int
    spread: float
    look: int = 1
    overlap: float = 0.0

    @property
    def share(self) -> float:
        """Variance of a mean over the seeds, over that of one."""
        return 1 / self.seeds + self.overlap

    def __post_init__(self) -> None:
        for name, value in (("configurations", self.configurations), ("seeds", self.seeds)):
            if value < 1:
                raise FreeLBTuneError(f"power: {name} must be 1 or more, got {value}")
        if not self.spread > 0:
            raise FreeLBTuneError(f"power: spread over seeds must be above 0, got {self.spread}")


@dataclass(frozen=True)
class Power:
    """What a search can show, for a spread over seeds or for a range of spreads.

    Attributes:
        low: the search with the least spread to be expected.
        high: with the largest; the same as `low` where the spread is measured.
        n_dev: dev examples.
        source: where the spread comes from, in words.
        per_fold: with cross-validation, the seeds of each fold; 0 for none. Then the replicates
            of `low` and `high`, and their spread, are the folds', each the mean of its seeds.
    """

    low: Trial
    high: Trial
    n_dev: int
    source: str
    per_fold: int = 0

    @property
    def smallest(self) -> tuple[float, float] | None:
        """Smallest true difference seen with 80 % power, at both ends; None with one seed."""
        ends = smallest(self.low), smallest(self.high)
        return None if ends[0] is None or ends[1] is None else (ends[0], ends[1])

    @property
    def seeds_for_a_point(self) -> tuple[int | None, int | None]:
        """Seeds per configuration that show 1 point, at both ends; None above 10,000."""
        return seeds_for(self.low, 0.01), seeds_for(self.high, 0.01)

    @property
    def luck(self) -> tuple[float, float]:
        """By how much the best looks better than it is without an effect, at both ends."""
        return luck(self.low), luck(self.high)

    @property
    def sentence(self) -> str:
        """The line that `plan` prints."""
        count, found = self.low.configurations, self.smallest
        if found is None:
            return (
                "Power: none with one seed: it cannot be told from luck. Two seeds or more show "
                "something."
            )
        over, extent, more, each = "seeds", counted(self.low.seeds, "seed"), "", ""
        if self.per_fold:
            each = " in each fold"
            over, extent = "folds", f"{self.low.seeds} folds x {counted(self.per_fold, 'seed')}"
        else:
            ends = self.seeds_for_a_point
            needed = _range(*("more than 10,000" if n is None else f"{n:,}" for n in ends))
            more = f" To show 1 point: {needed} seeds."
        if count > 1:
            best = _range(*(f"{100 * one:.1f}" for one in self.luck))
            more += f" With no effect at all the best would look {best} points better than it is."
        seen = _range(*("more than 100" if one > 1 else f"{100 * one:.1f}" for one in found))
        spread = _range(*(f"{100 * one.spread:.1f}" for one in (self.low, self.high)))
        return (
            "Smallest true difference that this search would show with 80 % power: "
            f"{seen} points ({self.n_dev:,} dev examples{each}, "
            f"{counted(count, 'configuration')}, {extent}, spread over {over} {spread} points: "
            f"{self.source}).{more}"
        )


def chance_to_see(trial: Trial, difference: float) -> float:
    """Chance that one configuration with this true difference is called different.

    It faces the first, strictest step of Holm's method, as the only one with an effect.
    """
    from scipy.special import ndtr

    if trial.seeds < 2:
        return 0.0
    needed = _needed(trial.configurations, trial.seeds, share_of(trial.look))
    effect = abs(difference) / trial.spread / math.sqrt(2 * trial.share)
    return float(np.mean(ndtr(effect - needed) + ndtr(-effect - needed)))


def smallest(trial: Trial) -> float | None:
    """The smallest true difference that is seen with 80 % power; None with one seed."""
    if trial.seeds < 2:
        return None
    low, high = 0.0, trial.spread
    while chance_to_see(trial, high) < _POWER:
        low, high = high, 2 * high
    for _ in range(24):
        middle = (low + high) / 2
        low, high = (low, middle) if chance_to_see(trial, middle) >= _POWER else (middle, high)
    return high


def seeds_for(trial: Trial, difference: float) -> int | None:
    """Seeds per configuration that show this difference with 80 % power; None above 10,000."""
    wanted = NormalDist().inv_cdf(_POWER)
    per_root = max(abs(difference), 1e-9) / trial.spread / math.sqrt(2)  # effect of a seed
    limit = NormalDist().inv_cdf(1 - share_of(trial.look) * ALPHA / 2 / trial.configurations)
    root = (limit + wanted) / per_root  # what it would be if the spread were known
    low, high, tries = 1, MOST_SEEDS + 1, 0  # too few, enough
    while high - low > 1:
        seeds = (low + high) // 2 if tries > _FOLLOWED else math.ceil(min(root, MOST_SEEDS) ** 2)
        seeds, tries = min(max(seeds, low + 1), high - 1), tries + 1
        chance = chance_to_see(replace(trial, seeds=seeds), difference)
        low, high = (low, seeds) if chance >= _POWER else (seeds, high)
        seen = NormalDist().inv_cdf(min(max(chance, 1e-9), 1 - 1e-9))
        root = max(0.0, math.sqrt(seeds) + (wanted - seen) / per_root)
    return high if high <= MOST_SEEDS else None


def luck(trial: Trial) -> float:
    """How far the best of J is expected to be above its true score where none has any effect.

    The expected maximum of J means around one truth, from the normal's order statistics.
    """
    from scipy.special import ndtr

    grid = np.linspace(-8, 8, 2001)
    density = np.exp(-(grid**2) / 2) / math.sqrt(2 * math.pi)
    count = trial.configurations
    best = np.sum(grid * count * density * ndtr(grid) ** (count - 1)) * (grid[1] - grid[0])
    return max(0.0, float(best)) * trial.spread * math.sqrt(trial.share)


def _range(low: str, high: str) -> str:
    return low if low == high else f"{low} to {high}"


@lru_cache(maxsize=256)
def _needed(configurations: int, seeds: int, share: float) -> Floats:
    """Differences that the test calls, over its errors, in true standard errors of a difference.

    Residual sums of squares in units of the errors' variance, with g = S - 1: of the clean arm, of
    the configuration, and of all. An arm's is its deviation from the mean of the others; the
    directions of two arms have a cosine of -1 / J.
    """
    from scipy.special import stdtrit

    g, rng = seeds - 1.0, np.random.default_rng(0)
    level = 1 - share * ALPHA / 2 / configurations
    clean = rng.chisquare(g, _DRAWS)
    if configurations == 1:
        return np.asarray(stdtrit(g, level) * np.sqrt(clean / g))
    cosine, along = -1 / configurations, rng.standard_normal(_DRAWS)
    across = along**2 + (rng.chisquare(g - 1, _DRAWS) if g > 1 else 0.0)
    sine = math.sqrt(1 - cosine**2)
    mine = cosine**2 * clean + 2 * cosine * sine * np.sqrt(clean) * along + sine**2 * across
    total = clean + across
    if configurations > 2:
        total = total + rng.chisquare((configurations - 2) * g, _DRAWS)
    freedom = configurations * g
    variance, free = 2 * total / freedom, np.full(_DRAWS, freedom)
    rest_free, apart = freedom - g, np.ones(_DRAWS, dtype=bool)
    for squares, limit in ((mine, ARM_LEVEL), (clean, CLEAN_LEVEL)):
        own, rest = squares / g, (total - squares) / rest_free
        one = is_unsteady(own, g, rest, rest_free, limit)
        found = unsteady_difference(own[one], g, rest[one], rest_free, configurations)
        variance[one], free[one] = found
        apart &= one
    cross = cosine * clean + sine * np.sqrt(clean) * along
    paired = (clean + mine - 2 * cross) * configurations / (configurations + 1) / g
    variance[apart], free[apart] = bounded(paired[apart], g, rest[apart], rest_free, 2)
    few, which = np.unique(free, return_inverse=True)  # most of them are `freedom`
    return np.asarray(stdtrit(few, level)[which] * np.sqrt(variance / 2))
