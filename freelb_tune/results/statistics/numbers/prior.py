"""What spread over seeds a plan assumes before anything was measured: a range, for `plan` alone.

Room: results. No verdict reads this file: what a search has shown rests on its own runs.

The unit is the dispersion: the variance of a score over seeds divided by the part of it that comes
from single examples flipping independently. It is 1 where seeds do nothing but flip examples and
has no unit, so it fits every dev set and metric.

Source of the numbers: two RTE runs of one configuration disagree on 10 to 20 % of the 277
examples, so flips alone give a deviation of 1.6 points. Ten published runs of one model have 2.4
(issue 11 of github.com/zhuchen03/FreeLB), a dispersion of 2.1; a small encoder after two epochs of
500 sentences had 40, and 600 sentence pairs 0.96.
"""

import math

__all__ = ["DISPERSIONS", "prior_discordance", "prior_spreads"]

DISPERSIONS = (1.0, 40.0)
"""From seeds that only flip examples to short training on few examples, as measured."""

_SCALES = {"accuracy": 1.0, "f1": 0.8, "matthews": 2.2, "pearson": 0.35, "spearman": 0.35}
# deviation of the metric over that of accuracy; rough: published spreads on CoLA, MRPC and STS-B


def prior_discordance(n_dev: int) -> float:
    """Share of dev examples on which two runs of one configuration disagree, if not measured.

    15 % up to RTE's 277 examples, 5 % from 6,400 on (MNLI), between them falling by a power: tasks
    with large dev sets have large training sets too, and steadier models.
    """
    return min(0.15, max(0.05, 0.15 * math.pow(277 / n_dev, 0.35)))


def prior_spreads(n_dev: int, metric: str = "accuracy") -> tuple[float, float]:
    """Least and largest deviation of a score over seeds to be expected, as fractions.

    1.6 to 10 points of accuracy on RTE's 277 examples. Metrics that we do not know are taken as
    accuracy.
    """
    flips = prior_discordance(n_dev) / 2 / n_dev
    low, high = (_SCALES.get(metric, 1.0) * math.sqrt(one * flips) for one in DISPERSIONS)
    return low, high
