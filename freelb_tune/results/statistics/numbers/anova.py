"""The error model: arms and seeds in a two-way layout, and Student's t for each difference.

Room: results. Scores in, estimates out. This is the file that decides what is luck.

The model is a textbook's randomised block design. The score of arm a with seed s is

    score = arm's mean + what the seed gives to all arms + error,

as arms with one seed start from the same weights and see the data in the same order. The residual
of that fit, pooled over all arms of the search, is the errors' variance. A configuration's
difference from its clean arm is the mean of the paired differences over the n seeds that both have,
its variance is twice the errors' over n, and it is tested by Student's t.

One thing is added. An arm that is unsteadier than the rest would hide in the pool, so each arm's
variance is compared with the rest of the search by an F test first. An arm that fails it is set
apart: its own variance stands in its differences, with Satterthwaite's degrees of freedom. Two or
three seeds say next to nothing of one arm's variance; there a multiple of the rest's stands in for
it. The clean arm is set apart sooner, as its luck is in every difference.

So is a whole family, a clean arm with its configurations, whose errors are beyond doubt larger than
the other families': a learning rate that is too high for any of its arms says nothing of how steady
another one is. Such a family is a search of its own.

Letters used below: A arms of a family (a clean arm, first, and its configurations), S seeds.

Reference:
    The design: Montgomery, "Design and Analysis of Experiments", the chapter on randomised blocks;
    with missing cells the residual is that of least squares. Arms set apart: `steadiness.py`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from freelb_tune.results.statistics.numbers.steadiness import (
    ARM_LEVEL,
    CLEAN_LEVEL,
    bounded,
    is_unsteady,
    unsteady_difference,
)

__all__ = ["Estimate", "differences", "pooled_spread", "reach_over_examples"]

Floats = NDArray[np.float64]

FAMILY_LEVEL = 0.001
"""Level of the F test that keeps a family from being pooled with the others."""

_NOTHING = 1e-12  # of the squares within arms: what rounding leaves where nothing is


@dataclass(frozen=True)
class Estimate:
    """A mean difference with what is needed to test it.

    Attributes:
        mean: the estimate.
        error: its standard error, above 0.
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

    def p_below(self, bound: float) -> float:
        """One-sided p value against a true difference of `bound` or more."""
        from scipy.special import stdtr

        return float(stdtr(self.freedom, (self.mean - bound) / self.error))

    def p_above(self, bound: float) -> float:
        """One-sided p value against a true difference of `bound` or less."""
        return Estimate(-self.mean, self.error, self.freedom).p_below(-bound)

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """The interval that excludes 0 exactly where `p` is below 1 - level."""
        from scipy.special import stdtrit

        reach = float(stdtrit(self.freedom, (1 + level) / 2)) * self.error
        return self.mean - reach, self.mean + reach


def differences(
    families: Sequence[Floats], least: float = 0.0, overlap: float = 0.0
) -> list[list[Estimate | None]]:
    """Estimate each configuration's difference from its clean arm.

    Args:
        families: per clean arm its scores and its configurations' below them, `(A, S)`; nan where
            a seed has no score. The seeds of one family have nothing to do with another's columns.
        least: what the errors' variance is at least, such as that of a rounded score.
        overlap: of columns that are folds, as `folds.overlap_of` has it; 0 for seeds.

    Returns:
        Per family an estimate for each configuration, in order; None with fewer than two seeds in
        common with the clean arm, or where no error is left to estimate a variance from.
    """
    made: list[list[Estimate | None]] = [[None] * (len(table) - 1) for table in families]
    squares = [_Squares(table) for table in families]
    for alike in _alike(squares, least):
        total = sum(squares[at].total for at in alike)
        freedom = sum(squares[at].freedom for at in alike)
        if freedom == 0:
            continue
        pooled = _Variance(max(total / freedom, least), freedom)
        for at in alike:
            table, own = families[at], squares[at]
            spreads = [own.apart(arm, total, freedom, least) for arm in range(len(table))]
            made[at] = [
                _difference(table, arm, spreads, pooled, least, overlap)
                for arm in range(1, len(table))
            ]
    return made


def pooled_spread(families: Sequence[Floats]) -> tuple[float, float]:
    """Deviation of a score's error over seeds, pooled over arms, and its degrees of freedom.

    Both are 0 where no error is left to estimate it from.
    """
    squares = [_Squares(table) for table in families]
    total, freedom = sum(each.total for each in squares), sum(each.freedom for each in squares)
    return (math.sqrt(total / freedom), freedom) if freedom else (0.0, 0.0)


def reach_over_examples(table: Floats) -> float:
    """Half the width of the 95 % interval of a mean difference that examples alone account for.

    Examples are a second random factor. What they add is the variance over examples of the mean
    difference, beyond what single runs' flips put there; those are in the seeds' part already.

    Args:
        table: paired differences by seed and example, `(S, N)`, two of each at least.

    Reference:
        Two crossed random factors: Hillis, Statistics in Medicine 26, 2007.
    """
    from scipy.special import stdtrit

    seeds, examples = table.shape
    by_example = table.mean(axis=0)
    left = table - table.mean(axis=1, keepdims=True) - by_example + table.mean()
    residual = float((left**2).sum()) / ((seeds - 1) * (examples - 1))
    added = max(float(by_example.var(ddof=1)) - residual / seeds, 0.0) / examples
    return float(stdtrit(examples - 1, 0.975)) * math.sqrt(added)


@dataclass(frozen=True)
class _Variance:
    """A variance of the errors and its degrees of freedom."""

    value: float
    freedom: float


@dataclass(frozen=True)
class _Apart:
    """An arm that is unsteadier than the rest.

    Attributes:
        own: its own variance, against the mean of the others.
        rest: that of the rest of the search.
        others: how many arms that mean is of.
    """

    own: _Variance
    rest: _Variance
    others: float

    def difference(self) -> _Variance:
        """Of this arm against one of the rest."""
        own, rest = self.own, self.rest
        found = unsteady_difference(own.value, own.freedom, rest.value, rest.freedom, self.others)
        return _Variance(float(found[0]), float(found[1]))


class _Squares:
    """The residual of a family's two-way fit, and what each arm adds to it.

    Arms are swept out first; what is left is a system of S equations for the seeds.
    """

    def __init__(self, table: Floats) -> None:
        self._there = ~np.isnan(table)
        there = self._there.astype(np.float64)
        counts = there.sum(axis=1)
        each = np.maximum(counts, 1)[:, None]
        centred = np.where(self._there, table - np.nansum(table, axis=1, keepdims=True) / each, 0)
        eye = np.eye(table.shape[1])
        shared = there[:, :, None] * there[:, None, :] / each[:, :, None]
        self._systems = there[:, :, None] * eye - shared
        self._sides, self._within = centred, (centred**2).sum(axis=1)
        self._free = np.maximum(counts - 1, 0)
        self._whole = (
            self._systems.sum(axis=0),
            self._sides.sum(axis=0),
            float(self._within.sum()),
            float(self._free.sum()),
        )
        self.total, self.freedom = _residual(*self._whole)

    def apart(self, arm: int, total: float, freedom: float, least: float) -> _Apart | None:
        """An arm's own variance, if an F test says that it is above the rest of the search's.

        Args:
            arm: its row; the clean arm's is 0.
            total: the whole search's residual sum of squares.
            freedom: its degrees of freedom.
            least: what a variance is at least.
        """
        system, side, within, free = self._whole
        without, free_without = _residual(
            system - self._systems[arm],
            side - self._sides[arm],
            within - float(self._within[arm]),
            free - float(self._free[arm]),
        )
        own, own_freedom = self.total - without, self.freedom - free_without
        rest, rest_freedom = total - own, freedom - own_freedom
        if own_freedom <= 0 or rest_freedom <= 0:
            return None
        mine = _Variance(max(own / own_freedom, least), own_freedom)
        others = _Variance(max(rest / rest_freedom, least), rest_freedom)
        level = ARM_LEVEL if arm else CLEAN_LEVEL
        if not is_unsteady(mine.value, own_freedom, others.value, rest_freedom, level):
            return None
        beside = self._there.sum(axis=0)[self._there[arm]] - 1
        return _Apart(mine, others, 1 / float(np.mean(1 / beside[beside > 0])))


def _alike(squares: Sequence[_Squares], least: float) -> list[list[int]]:
    """Which families are pooled: those that are not beyond doubt unsteadier, and each other alone.

    The unsteadiest is compared with the rest first, then the next one with what is left.
    """
    pooled = list(range(len(squares)))
    alone: list[list[int]] = []
    known = [at for at in pooled if squares[at].freedom > 0]
    while len(known) > 1:
        worst = max(known, key=lambda at: squares[at].total / squares[at].freedom)
        rest = [squares[at] for at in known if at != worst]
        own, free = squares[worst], sum(each.freedom for each in rest)
        variance = max(sum(each.total for each in rest) / free, least)
        mine = max(own.total / own.freedom, least)
        if not is_unsteady(mine, own.freedom, variance, free, FAMILY_LEVEL):
            break
        known.remove(worst)
        pooled.remove(worst)
        alone.append([worst])
    return [pooled, *alone]


def _residual(system: Floats, side: Floats, within: float, free: float) -> tuple[float, float]:
    """What the seeds' equations leave of the squares within arms, and of their freedom."""
    left = within - float(side @ np.linalg.pinv(system, hermitian=True) @ side)
    freedom = free - int(np.linalg.matrix_rank(system, hermitian=True))
    return (left if left > _NOTHING * within else 0.0), freedom


def _difference(
    table: Floats,
    arm: int,
    spreads: Sequence[_Apart | None],
    pooled: _Variance,
    least: float,
    overlap: float,
) -> Estimate | None:
    """One configuration against row 0."""
    paired = table[arm] - table[0]
    paired = paired[~np.isnan(paired)]
    count = len(paired)
    if count < 2:
        return None
    mine, clean = spreads[arm], spreads[0]
    variance = _Variance(2 * pooled.value, pooled.freedom)
    if mine and clean:
        own, rest = max(float(paired.var(ddof=1)), 2 * least), clean.rest
        found = bounded(own, count - 1.0, rest.value, rest.freedom, 2)
        variance = _Variance(float(found[0]), float(found[1]))
    elif apart := mine or clean:
        variance = apart.difference()
    if variance.value <= 0:
        return None
    error = math.sqrt(variance.value * (1 / count + overlap))
    return Estimate(float(paired.mean()), error, variance.freedom)
