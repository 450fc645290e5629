"""Arms that are unsteadier than the rest: found by an F test, and what their differences vary by.

Room: results. Variances with their degrees of freedom in and out, numbers or arrays of them: the
test, the statement of its power and the studies of it use the same three functions.

A variance is of one score's error; a difference's is of two scores with one seed.

Reference:
    Tests of variances before pooling: Bancroft, Biometrics 20, 1964. Degrees of freedom of a sum of
    variances: Satterthwaite, Biometrics Bulletin 2, 1946. The three constants were chosen by
    simulation: where one arm has five times the others' variance at most 5 % of searches without
    an effect call anything different, and 8 % with two or three seeds (docs/statistics.md).
"""

from typing import Any

import numpy as np

__all__ = ["ARM_LEVEL", "CLEAN_LEVEL", "UNSTEADY", "bounded", "is_unsteady", "unsteady_difference"]

ARM_LEVEL = 0.05
"""Level of the F test that sets a configuration apart."""

CLEAN_LEVEL = 0.25
"""Level for a clean arm, whose luck is in every difference: Bancroft's for a variance that all else
rests on."""

UNSTEADY = 5.0
"""The variance of an arm set apart, in units of the rest's. Its own seeds replace this number once
there are enough of them, or once they show more."""

Numbers = Any  # a float, or an array of floats


def is_unsteady(
    own: Numbers, own_freedom: Numbers, rest: Numbers, rest_freedom: Numbers, level: float
) -> Numbers:
    """Whether an arm's variance is above the rest's by an F test at this level."""
    from scipy.special import fdtrc

    return fdtrc(own_freedom, rest_freedom, own / np.maximum(rest, 1e-300)) <= level


def unsteady_difference(
    own: Numbers, own_freedom: Numbers, rest: Numbers, rest_freedom: Numbers, others: Numbers
) -> tuple[Numbers, Numbers]:
    """Variance of a difference between an arm set apart and one of the rest; degrees of freedom.

    The difference is the arm against the mean of the others, plus that mean against the other arm;
    the two are independent, and Satterthwaite has the degrees of freedom of their sum.

    Args:
        own: variance of the arm against the mean of the others, as of one score.
        own_freedom: its degrees of freedom.
        rest: variance of the others.
        rest_freedom: its degrees of freedom.
        others: how many arms that mean is of.
    """
    first, second = own * (1 + 1 / others), rest * (1 - 1 / others)
    both = first + second
    scatter = first**2 / own_freedom + second**2 / rest_freedom
    return bounded(both, both**2 / np.maximum(scatter, 1e-300), rest, rest_freedom, 1)


def bounded(
    variance: Numbers, freedom: Numbers, rest: Numbers, rest_freedom: Numbers, unsteady: int
) -> tuple[Numbers, Numbers]:
    """A difference's variance as estimated, or a multiple of the rest's: what reaches less far.

    One that is estimated above that multiple stays as it is estimated.

    Args:
        variance: of a difference between two arms.
        freedom: its degrees of freedom.
        rest: variance of the arms that are steady.
        rest_freedom: its degrees of freedom.
        unsteady: how many of the two arms are set apart.
    """
    from scipy.special import stdtrit

    taken = rest * (UNSTEADY * unsteady + 2 - unsteady)
    own, other = stdtrit(freedom, 0.975) ** 2, stdtrit(rest_freedom, 0.975) ** 2
    is_own = (own * variance <= other * taken) | (variance > taken)
    return np.where(is_own, variance, taken), np.where(is_own, freedom, rest_freedom)
