"""A mean over seeds and examples, both random: its interval and p value.

Room: results. Arrays in, numbers out. A paired difference has one value per seed and example, and
both vary: other seeds would have given other models, another dev set other examples. The two-way
analysis of variance separates the parts, as for readers and cases in radiology.

Letters used below: S seeds, N examples, J configurations.

    Var(mean) = (seeds' mean square + examples' mean square - residual mean square) / (S N)

Two seeds estimate the seeds' mean square with one degree of freedom, and an interval from that
alone is 40 points wide on RTE. So the dispersion, seeds' mean square over residual mean square, is
shrunk toward the stated prior and the other configurations of the search (`prior.py`).

Reference:
    Hillis, Statistics in Medicine 26, 2007, for the crossed design and its degrees of freedom;
    Satterthwaite, Biometrics Bulletin 2, 1946, for degrees of freedom of a sum of mean squares;
    Smyth, Statistical Applications in Genetics and Molecular Biology 3, 2004, for variances shrunk
    across many comparisons. Deviation: Smyth estimates the prior from the data, and ours is stated.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from freelb_tune.results.prior import OTHERS_WEIGHT, PRIOR_DISPERSION, PRIOR_WEIGHT

__all__ = [
    "Estimate",
    "MeanSquares",
    "crossed_estimates",
    "mean_squares",
    "others_freedom",
    "others_weight",
]

_SHARED = 0.25
# squared correlation of two configurations' dispersions: they share the clean arm, and with it
# half of the variance of their differences


@dataclass(frozen=True)
class MeanSquares:
    """The two-way analysis of one configuration's paired differences.

    Attributes:
        mean: over all seeds and examples.
        seeds: N times the variance of the seeds' means.
        examples: S times the variance of the examples' means.
        residual: what is left, one number per seed and example; never below 1 / N, as if at
            least one example per seed had flipped.
        n_seeds: S, at least 2.
        n_examples: N.
    """

    mean: float
    seeds: float
    examples: float
    residual: float
    n_seeds: int
    n_examples: int

    @property
    def dispersion(self) -> float:
        """The seeds' mean square over the residual one: 1 where seeds only flip examples."""
        return self.seeds / self.residual


@dataclass(frozen=True)
class Estimate:
    """A mean with what is needed to test it.

    Attributes:
        mean: the estimate.
        error: its standard error.
        freedom: degrees of freedom of that error.
    """

    mean: float
    error: float
    freedom: float

    @property
    def p(self) -> float:
        """Two-sided p value of Student's t."""
        from scipy.special import stdtr

        return min(1.0, float(2 * stdtr(self.freedom, -abs(self.mean) / self.error)))

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """The interval that excludes 0 exactly where `p` is below 1 - level."""
        from scipy.special import stdtrit

        reach = float(stdtrit(self.freedom, (1 + level) / 2)) * self.error
        return self.mean - reach, self.mean + reach


def mean_squares(differences: NDArray[np.float64]) -> MeanSquares:
    """Analyse paired differences of shape `(S, N)`; two seeds and two examples at least."""
    n_seeds, n_examples = differences.shape
    by_seed, by_example = differences.mean(axis=1), differences.mean(axis=0)
    mean = float(differences.mean())
    left = differences - by_seed[:, None] - by_example + mean
    residual = float((left**2).sum()) / ((n_seeds - 1) * (n_examples - 1))
    return MeanSquares(
        mean=mean,
        seeds=n_examples * float(by_seed.var(ddof=1)),
        examples=n_seeds * float(by_example.var(ddof=1)),
        residual=max(residual, 1 / n_examples),
        n_seeds=n_seeds,
        n_examples=n_examples,
    )


def others_freedom(own: float, others: int) -> float:
    """Degrees of freedom of J - 1 configurations' mean dispersion, each with `own` of its own."""
    return own * others / (1 + (others - 1) * _SHARED) if others else 0.0


def others_weight(own: float, others: int) -> float:
    """What the others may count for: their degrees of freedom, up to a limit."""
    return min(OTHERS_WEIGHT, others_freedom(own, others))


def crossed_estimates(analyses: Sequence[MeanSquares]) -> list[Estimate]:
    """Estimate each configuration's mean difference, its error steadied by the others'.

    Args:
        analyses: one per configuration; the numbers of seeds may differ.

    Returns:
        One estimate per analysis, in order. The order of the analyses changes nothing.
    """
    return [
        _estimate(one, [other for at, other in enumerate(analyses) if at != here])
        for here, one in enumerate(analyses)
    ]


def _estimate(one: MeanSquares, others: Sequence[MeanSquares]) -> Estimate:
    own = one.n_seeds - 1.0
    total, weight = PRIOR_WEIGHT * PRIOR_DISPERSION + own * one.dispersion, PRIOR_WEIGHT + own
    if others:
        theirs = np.array([other.n_seeds - 1.0 for other in others])
        lent = others_weight(float(theirs.mean()), len(others))
        dispersions = np.array([other.dispersion for other in others])
        # at least 1, which is flips alone: others may widen an interval, and copies of one lucky
        # configuration must not narrow it
        total += lent * max(1.0, float((theirs * dispersions).sum() / theirs.sum()))
        weight += lent
    seeds = total / weight * one.residual
    examples = max(one.examples - one.residual, 0.0)
    variance = (seeds + examples) / (one.n_seeds * one.n_examples)
    freedom = (seeds + examples) ** 2 / (seeds**2 / weight + examples**2 / (one.n_examples - 1))
    return Estimate(one.mean, float(np.sqrt(variance)), float(freedom))
