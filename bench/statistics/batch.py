"""The tests of freelb_tune.results.statistics.numbers.anova, for many searches at once.

The same arithmetic as the package's, over arrays of searches without a missing seed, so that a
study takes minutes and not hours; tests/test_statistics_anova.py holds the two together.

Letters used below: R searches, J configurations, S seeds, N examples.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit

from freelb_tune.results.statistics.numbers.steadiness import (
    ARM_LEVEL,
    CLEAN_LEVEL,
    bounded,
    is_unsteady,
    unsteady_difference,
)

__all__ = ["Tested", "estimated", "holm", "pooled", "reach_with_examples"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Tested:
    """What the tests say of R searches; every array is `(R, J)`.

    Attributes:
        difference: estimated.
        error: its standard error.
        freedom: degrees of freedom of that.
    """

    difference: Floats
    error: Floats
    freedom: Floats

    @property
    def reach(self) -> Floats:
        """Half the width of the 95 % interval."""
        return np.asarray(stdtrit(self.freedom, 0.975) * self.error)

    @property
    def p(self) -> Floats:
        """Before any adjustment."""
        return np.asarray(2 * stdtr(self.freedom, -abs(self.difference) / self.error))

    @property
    def adjusted(self) -> Floats:
        """Holm's p values."""
        return holm(self.p)

    def holds(self, truth: Floats | float) -> NDArray[np.bool_]:
        """Whether each interval holds the truth."""
        return np.asarray(abs(self.difference - truth) <= self.reach)


def estimated(scores: Floats, least: float = 0.0) -> Tested:
    """Test every configuration of `(R, 1 + J, S)` scores against arm 0, as the package does."""
    plain, own = pooled(scores, least), _own(scores)
    count, seeds = scores.shape[1] - 1, scores.shape[2]
    if count == 1:
        return plain
    g, freedom = seeds - 1.0, count * (seeds - 1.0)
    rest = np.maximum(
        (own.sum(axis=1, keepdims=True) * count / (count + 1) - own) / (freedom - g), least
    )
    mine = np.maximum(own / g, least)
    found = unsteady_difference(mine, g, rest, freedom - g, count)
    levels = np.r_[CLEAN_LEVEL, np.full(count, ARM_LEVEL)]
    apart = is_unsteady(mine, g, rest, freedom - g, levels)
    clean, arms = apart[:, :1], apart[:, 1:]
    variance, free = seeds * plain.error**2, plain.freedom
    for chosen, place in ((arms, slice(1, None)), (clean & ~arms, slice(0, 1))):
        variance = np.where(chosen, found[0][:, place], variance)
        free = np.where(chosen, found[1][:, place], free)
    paired = np.maximum((scores[:, 1:] - scores[:, :1]).var(axis=2, ddof=1), 2 * least)
    both = bounded(paired, g, rest[:, :1], freedom - g, 2)
    variance, free = (
        np.where(arms & clean, new, old) for new, old in zip(both, (variance, free), strict=True)
    )
    return Tested(plain.difference, np.sqrt(variance / seeds), free)


def pooled(scores: Floats, least: float = 0.0) -> Tested:
    """The plain two-way analysis: one residual for all, no arm set apart."""
    count, seeds = scores.shape[1] - 1, scores.shape[2]
    freedom = count * (seeds - 1.0)
    residual = _own(scores).sum(axis=1) * count / (count + 1) / freedom
    difference = (scores[:, 1:] - scores[:, :1]).mean(axis=2)
    error = np.sqrt(2 * np.maximum(residual, max(least, 1e-300)) / seeds)[:, None]
    return Tested(
        difference, np.broadcast_to(error, difference.shape), np.full(difference.shape, freedom)
    )


def reach_with_examples(found: Tested, right: NDArray[np.float32]) -> Floats:
    """Half the width of the intervals for other examples, from `(R, 1 + J, S, N)` right answers."""
    seeds, examples = right.shape[2:]
    paired = right[:, 1:] - right[:, :1]
    by_seed = paired.mean(axis=3, dtype=np.float64)
    by_example = paired.mean(axis=2, dtype=np.float64).var(axis=2, ddof=1)
    left = (paired**2).sum(axis=(2, 3), dtype=np.float64)
    left -= seeds * examples * by_seed.mean(axis=2) ** 2
    left -= examples * (seeds - 1) * by_seed.var(axis=2, ddof=1)
    left -= seeds * (examples - 1) * by_example
    residual = np.maximum(left, 0) / ((seeds - 1) * (examples - 1))
    added = np.maximum(by_example - residual / seeds, 0) / examples
    return np.asarray(np.hypot(found.reach, stdtrit(examples - 1, 0.975) * np.sqrt(added)))


def holm(p: Floats) -> Floats:
    """Holm's adjustment along the last axis."""
    count = p.shape[-1]
    order = p.argsort(axis=-1)
    ranked = np.take_along_axis(p, order, -1) * (count - np.arange(count))
    ranked = np.minimum(np.maximum.accumulate(ranked, axis=-1), 1.0)
    done = np.empty_like(ranked)
    np.put_along_axis(done, order, ranked, -1)
    return done


def _own(scores: Floats) -> Floats:
    """Each arm's squares against the mean of the others, as of one score, `(R, 1 + J)`."""
    left = scores - scores.mean(axis=2, keepdims=True) - scores.mean(axis=1, keepdims=True)
    left += scores.mean(axis=(1, 2), keepdims=True)
    return np.asarray((left**2).sum(axis=2) * scores.shape[1] / (scores.shape[1] - 1))
