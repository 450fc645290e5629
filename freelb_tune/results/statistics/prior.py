"""What is assumed of the seeds' spread before, or beside, what a search measures itself.

Room: results. Two or three seeds cannot measure a spread, so a comparison leans on a stated prior
as well, and a power calculation has nothing else. All of it is in this file.

The unit is the dispersion: the variance of a score over seeds divided by the part of it that comes
from single examples flipping independently. It is 1 where seeds do nothing but flip examples and
has no unit, so it fits every dev set and metric.

Source of the numbers: two RTE runs of one configuration disagree on 10 to 20 % of the 277
examples, so flips alone give a deviation of 1.6 points; the measured one is 1.5 to 2.4 points (ten
runs in issue 11 of github.com/zhuchen03/FreeLB give 2.4): dispersions of 0.9 to 2.1. Weights were
set by simulation, so that intervals hold what they say over that range (docs/statistics.md).
"""

import math

__all__ = [
    "DISPERSIONS",
    "MOST_LENT",
    "ONE_SEED_DISPERSION",
    "OTHERS_WEIGHT",
    "PRIOR_DISPERSION",
    "PRIOR_WEIGHT",
    "TEST_DISPERSION",
    "prior_discordance",
    "prior_seed_sd",
]

DISPERSIONS = (0.9, 2.1)
"""The measured range. Below 1 is chance: nothing is steadier than independent flips."""

PRIOR_DISPERSION = 1.5
"""Middle of the range: a deviation of 2.0 points on RTE. What is planned with."""

TEST_DISPERSION = 1.75
"""What an interval starts from: above the middle, so that the upper end is covered too."""

PRIOR_WEIGHT = 4.0
"""What the prior counts for among a search's arms, in degrees of freedom: as five seeds of one."""

OTHERS_WEIGHT = 4.0
"""What evidence other than a difference's own seeds may count for at most, in degrees of freedom:
enough to steady a guess, too little to hide one configuration that is less stable than the rest."""

MOST_LENT = 6.0
"""Highest dispersion that evidence other than a difference's own seeds may show, three times the
upper end: a run that collapsed to chance says 50 and nothing of how steady another one is."""

ONE_SEED_DISPERSION = 2.0
"""Upper end of the range, taken as known where there is one seed and nothing can be measured."""

_SCALES = {"accuracy": 1.0, "f1": 0.8, "matthews": 2.2, "pearson": 0.35, "spearman": 0.35}
# deviation of the metric over that of accuracy; rough: published spreads on CoLA, MRPC and STS-B


def prior_discordance(n_dev: int) -> float:
    """Share of dev examples on which two runs of one configuration disagree, if not measured.

    15 % up to RTE's 277 examples, 5 % from 6,400 on (MNLI), between them falling by a power: tasks
    with large dev sets have large training sets too, and steadier models.
    """
    return min(0.15, max(0.05, 0.15 * math.pow(277 / n_dev, 0.35)))


def prior_seed_sd(n_dev: int, metric: str = "accuracy") -> float:
    """Deviation of one configuration's score over seeds, if not measured, as a fraction.

    2.0 points of accuracy on RTE's 277 examples, 0.2 on MNLI's 9,815. Metrics that we do not know
    are taken as accuracy.
    """
    flips = prior_discordance(n_dev) / 2 / n_dev
    return _SCALES.get(metric, 1.0) * math.sqrt(PRIOR_DISPERSION * flips)
