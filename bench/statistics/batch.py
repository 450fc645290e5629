"""The tests of freelb_tune.results.statistics.contrast for accuracy, for many searches at once.

The same arithmetic as the package's, over arrays of searches, so that a study takes minutes and not
hours; tests/test_statistics_bench.py holds the two together.

Letters used below: R searches, J configurations, S seeds, N examples.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr, betaincinv, stdtr, stdtrit

from freelb_tune.results.statistics.anova import Evidence
from freelb_tune.results.statistics.prior import ONE_SEED_DISPERSION

__all__ = ["Tested", "holm", "tested"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Tested:
    """What the tests say of R searches; every array is `(R, J)`.

    Attributes:
        difference: estimated.
        low: lower end of its 95 % interval.
        high: upper end of it.
        p: before any adjustment.
        p_seeds: what Holm's method reads.
        statistic: Student's t.
        freedom: its degrees of freedom.
    """

    difference: Floats
    low: Floats
    high: Floats
    p: Floats
    p_seeds: Floats
    statistic: Floats
    freedom: Floats

    @property
    def adjusted(self) -> Floats:
        """Holm's p values."""
        return holm(self.p_seeds)


def tested(right: NDArray[np.float32]) -> Tested:
    """Test every configuration of `(R, 1 + J, S, N)` right answers against arm 0."""
    if right.shape[2] == 1:
        return _one_seed(right[:, 1:] - right[:, :1])
    return _crossed(right)


def holm(p: Floats) -> Floats:
    """Holm's adjustment along the last axis."""
    count = p.shape[-1]
    order = p.argsort(axis=-1)
    ranked = np.take_along_axis(p, order, -1) * (count - np.arange(count))
    ranked = np.minimum(np.maximum.accumulate(ranked, axis=-1), 1.0)
    done = np.empty_like(ranked)
    np.put_along_axis(done, order, ranked, -1)
    return done


def _crossed(right: NDArray[np.float32]) -> Tested:
    configurations, seeds, examples = right.shape[1] - 1, *right.shape[2:]
    by_seed = right.mean(axis=3, dtype=np.float64)
    by_example = right.mean(axis=2, dtype=np.float64)
    both_right = np.matmul(right[:, 1:, :, None], right[:, :1, :, :, None])[..., 0, 0].sum(axis=2)
    squares = by_seed.sum(axis=2) * examples  # of 0 and 1: their sum
    mine, clean = squares[:, 1:], squares[:, :1]
    mean, from_seeds, from_examples, residual = _mean_squares(
        by_seed[:, 1:] - by_seed[:, :1],
        by_example[:, 1:] - by_example[:, :1],
        mine + clean - 2 * both_right,
    )
    _, pair, _, pair_residual = _mean_squares(
        by_seed[:, 1:] + by_seed[:, :1],
        by_example[:, 1:] + by_example[:, :1],
        mine + clean + 2 * both_right,
    )
    _, arm, _, arm_residual = _mean_squares(by_seed[:, 1:], by_example[:, 1:], mine)
    evidence = Evidence(seeds - 1.0, (configurations - 1) * (seeds - 1.0))
    arm = arm / arm_residual
    others = (arm.sum(axis=1, keepdims=True) - arm) / max(configurations - 1, 1)
    used = evidence.dispersion(from_seeds / residual, pair / pair_residual, others)
    by_seeds, by_examples = used * residual, np.maximum(from_examples - residual, 0)
    both = by_seeds + by_examples
    error = np.sqrt(both / (seeds * examples))
    freedom = both**2 / (by_seeds**2 / evidence.freedom + by_examples**2 / (examples - 1))
    reach = stdtrit(freedom, 0.975) * error
    p = 2 * stdtr(freedom, -abs(mean) / error)
    return Tested(mean, mean - reach, mean + reach, p, p, mean / error, freedom)


def _mean_squares(
    by_seed: Floats, by_example: Floats, squares: Floats
) -> tuple[Floats, Floats, Floats, Floats]:
    """Mean, then the seeds', the examples' and the residual mean squares, each `(R, J)`.

    Args:
        by_seed: means over examples, `(R, J, S)`.
        by_example: means over seeds, `(R, J, N)`.
        squares: sum of all squares, `(R, J)`.
    """
    seeds, examples = by_seed.shape[2], by_example.shape[2]
    mean = by_seed.mean(axis=2)
    from_seeds = examples * by_seed.var(axis=2, ddof=1)
    from_examples = seeds * by_example.var(axis=2, ddof=1)
    left = squares - seeds * examples * mean**2
    left -= (seeds - 1) * from_seeds + (examples - 1) * from_examples
    residual = np.maximum(left / ((seeds - 1) * (examples - 1)), 1 / examples)
    return mean, from_seeds, from_examples, residual


def _one_seed(differences: NDArray[np.float32]) -> Tested:
    from scipy.special import ndtr, ndtri

    examples = differences.shape[3]
    gained = (differences[:, :, 0] > 0).sum(axis=2)
    lost = (differences[:, :, 0] < 0).sum(axis=2)
    total, least = gained + lost, np.minimum(gained, lost)
    p = np.where(total > 0, np.minimum(2 * bdtr(least, np.maximum(total, 1), 0.5), 1.0), 1.0)
    low = np.where(gained > 0, betaincinv(np.maximum(gained, 1), lost + 1, 0.025), 0.0)
    high = np.where(lost > 0, betaincinv(gained + 1, np.maximum(lost, 1), 0.975), 1.0)
    none = 1 - 0.025 ** (1 / examples)
    low = np.where(total > 0, (2 * low - 1) * total / examples, -none)
    high = np.where(total > 0, (2 * high - 1) * total / examples, none)
    z = ndtri(np.maximum(p, 1e-300) / 2) / ONE_SEED_DISPERSION**0.5
    wider = np.minimum(2 * ndtr(z), 1.0)
    many = np.full_like(p, 1e6)
    mean = (gained - lost) / examples
    return Tested(mean, low, high, p, wider, -z * np.sign(mean), many)
