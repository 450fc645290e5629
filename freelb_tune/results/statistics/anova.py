"""A mean over seeds and examples, both random: its interval and p value.

Room: results. Arrays in, numbers out. A paired difference has one value per seed and example, and
both vary: other seeds would have given other models, another dev set other examples. The two-way
analysis of variance separates the parts, as for readers and cases in radiology.

Letters used below: S seeds, N examples, J configurations.

    Var(mean) = (seeds' mean square + examples' mean square - residual mean square) / (S N)

Two seeds estimate the seeds' mean square with one degree of freedom, and an interval from that
alone is 40 points wide on RTE. So the dispersion, seeds' mean square over residual mean square, is
steadied by other evidence (`Evidence`).

Reference:
    Hillis, Statistics in Medicine 26, 2007, for the crossed design;
    Satterthwaite, Biometrics Bulletin 2, 1946, for degrees of freedom of a sum of mean squares;
    Smyth, Statistical Applications in Genetics and Molecular Biology 3, 2004, for variances shrunk
    across many comparisons. Deviations: Smyth estimates prior and scatter from the data, ours are
    stated; his prior adds degrees of freedom to the test's, ours adds none, as it is no estimate.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from freelb_tune.results.statistics.prior import (
    MOST_LENT,
    OTHERS_WEIGHT,
    PRIOR_WEIGHT,
    TEST_DISPERSION,
)

__all__ = ["Analysis", "Estimate", "Evidence", "MeanSquares", "analysis", "crossed_estimates"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class MeanSquares:
    """The two-way analysis of one table of seeds and examples.

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
class Analysis:
    """A configuration against its clean arm, over the seeds that both have.

    Attributes:
        difference: of the two arms.
        pair: dispersion of the sum of the two arms.
        arm: dispersion of the configuration's own runs.
    """

    difference: MeanSquares
    pair: float
    arm: float


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


@dataclass(frozen=True)
class Evidence:
    """What a difference's dispersion is estimated from, in degrees of freedom.

    Three sources, independent of one another as long as arms with one seed are: the seeds'
    differences; the sums of the same two arms, which vary as the differences do; and the search,
    that is the other configurations' runs with the stated prior. No source but the first counts
    for more than `OTHERS_WEIGHT`.

    Attributes:
        own: of the differences, S - 1.
        others: of the other configurations' runs, together.
    """

    own: float
    others: float

    @property
    def pair(self) -> float:
        """What the sums count for; a limit, as arms with one seed may move together."""
        return min(self.own, OTHERS_WEIGHT)

    @property
    def search(self) -> float:
        """What the search counts for: all that is known of it, and yet an arm may differ."""
        return 1 / (1 / (PRIOR_WEIGHT + self.others) + 1 / OTHERS_WEIGHT)

    @property
    def total(self) -> float:
        """All sources."""
        return self.own + self.pair + self.search

    @property
    def freedom(self) -> float:
        """Degrees of freedom of the weighted mean; the prior is a constant and adds none."""
        lent = (self.search / (PRIOR_WEIGHT + self.others)) ** 2 * self.others
        return self.total**2 / (self.own + self.pair + lent)

    def dispersion(
        self, own: Floats | float, pair: Floats | float, others: Floats | float
    ) -> Floats | float:
        """The weighted mean of the sources' dispersions.

        The others' is taken as 1, flips alone, if it is less: others may widen an interval, and
        copies of one lucky configuration must not narrow it. What is not of the differences is
        taken as `MOST_LENT` if it is more.
        """
        lent = self.others * np.clip(others, 1.0, MOST_LENT)
        search = (PRIOR_WEIGHT * TEST_DISPERSION + lent) / (PRIOR_WEIGHT + self.others)
        paired = self.pair * np.minimum(pair, MOST_LENT)
        return (self.own * own + paired + self.search * search) / self.total


def analysis(mine: Floats, clean: Floats) -> Analysis:
    """Analyse two arms' values, each `(S, N)`; two seeds and two examples at least."""
    return Analysis(
        difference=_mean_squares(mine - clean),
        pair=_mean_squares(mine + clean).dispersion,
        arm=_mean_squares(mine).dispersion,
    )


def crossed_estimates(analyses: Sequence[Analysis]) -> list[Estimate]:
    """Estimate each configuration's mean difference, its error steadied by the others'.

    Args:
        analyses: one per configuration; the numbers of seeds may differ.

    Returns:
        One estimate per analysis, in order. The order of the analyses changes nothing.
    """
    freedoms = np.array([one.difference.n_seeds - 1.0 for one in analyses])
    arms = np.array([one.arm for one in analyses])
    estimates = []
    for at, one in enumerate(analyses):
        theirs = np.delete(freedoms, at)
        evidence = Evidence(freedoms[at], float(theirs.sum()))
        others = float(theirs @ np.delete(arms, at)) / max(evidence.others, 1.0)
        estimates.append(_estimate(one, evidence, others))
    return estimates


def _mean_squares(table: Floats) -> MeanSquares:
    n_seeds, n_examples = table.shape
    by_seed, by_example = table.mean(axis=1), table.mean(axis=0)
    mean = float(table.mean())
    left = table - by_seed[:, None] - by_example + mean
    residual = float((left**2).sum()) / ((n_seeds - 1) * (n_examples - 1))
    return MeanSquares(
        mean=mean,
        seeds=n_examples * float(by_seed.var(ddof=1)),
        examples=n_seeds * float(by_example.var(ddof=1)),
        residual=max(residual, 1 / n_examples),
        n_seeds=n_seeds,
        n_examples=n_examples,
    )


def _estimate(one: Analysis, evidence: Evidence, others: float) -> Estimate:
    squares = one.difference
    seeds = float(evidence.dispersion(squares.dispersion, one.pair, others)) * squares.residual
    examples = max(squares.examples - squares.residual, 0.0)
    variance = (seeds + examples) / (squares.n_seeds * squares.n_examples)
    scatter = seeds**2 / evidence.freedom + examples**2 / (squares.n_examples - 1)
    return Estimate(squares.mean, float(np.sqrt(variance)), (seeds + examples) ** 2 / scatter)
