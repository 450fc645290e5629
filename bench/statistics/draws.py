"""Scores of made-up searches without an effect, under every condition that a verdict has to stand.

A score is a count of right answers among N dev examples, so it is rounded to 1 / N. Its deviation
over seeds is given as a dispersion: its variance in units of the part that comes from single
examples flipping, where two runs disagree on 15 % of them.

Letters used below: R searches, J configurations (arm 0 is clean), S seeds.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["COLLAPSED", "CONDITIONS", "Condition", "scores"]

Floats = NDArray[np.float64]

_DISCORDANCE = 0.15


@dataclass(frozen=True)
class Condition:
    """What the runs of a search are like.

    Attributes:
        dispersion: of the arms' scores.
        n_dev: N.
        shared: correlation of two arms' scores with one seed.
        tails: degrees of freedom of the seeds' draws, Student's t; None for the normal.
        clean: variance of the clean arm in units of the others'.
        arm: variance of the first configuration in units of the others'.
        collapse: share of runs that end with one answer for every example.
    """

    dispersion: float = 4.0
    n_dev: int = 277
    shared: float = 0.0
    tails: float | None = None
    clean: float = 1.0
    arm: float = 1.0
    collapse: float = 0.0

    @property
    def deviation(self) -> float:
        """Of a score over seeds."""
        return float((self.dispersion * _DISCORDANCE / 2 / self.n_dev) ** 0.5)


CONDITIONS = {
    "steady, dispersion 1": Condition(1.0),
    "steady, dispersion 4": Condition(4.0),
    "steady, dispersion 20, 71 examples": Condition(20.0, 71),
    "steady, dispersion 100, 10,000 examples": Condition(100.0, 10_000),
    "correlated by seed, 0.5": Condition(20.0, 1500, shared=0.5),
    "correlated by seed, 0.95": Condition(20.0, 1500, shared=0.95),
    "heavy tails (t, 3)": Condition(tails=3.0),
    "one configuration, variance x 5": Condition(arm=5.0),
    "the clean arm, variance x 5": Condition(clean=5.0),
    "5 % of runs collapse": Condition(collapse=0.05),
    "20 % of runs collapse": Condition(collapse=0.2),
}

COLLAPSED = 0.54
"""A collapsed run scores at most this."""

_ACCURACY, _CONSTANT = 0.8, 0.53


def scores(
    condition: Condition, searches: int, arms: int, seeds: int, rng: np.random.Generator
) -> Floats:
    """Draw scores `(R, 1 + J, S)` without any effect; `arms` is 1 + J."""
    shape = (searches, arms, seeds)

    def drawn(of: tuple[int, ...]) -> Floats:
        if condition.tails is None:
            return rng.standard_normal(of)
        return (
            rng.standard_t(condition.tails, of) / (condition.tails / (condition.tails - 2)) ** 0.5
        )

    own, common = drawn(shape), drawn((searches, 1, seeds))
    own *= (1 - condition.shared) ** 0.5
    own[:, 0] *= condition.clean**0.5
    if arms > 1:
        own[:, 1] *= condition.arm**0.5
    made = _ACCURACY + condition.deviation * (own + condition.shared**0.5 * common)
    if condition.collapse:
        made = np.where(rng.random(shape) < condition.collapse, _CONSTANT, made)
    return np.asarray(np.round(made * condition.n_dev) / condition.n_dev)
