"""What predictions add to a comparison of scores: flips, other examples, and one seed's interval.

Room: results. Runs in, numbers out.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from freelb_tune.results.statistics.comparing.arms import Run
from freelb_tune.results.statistics.comparing.comparison import Flips, Interval
from freelb_tune.results.statistics.numbers.anova import Estimate
from freelb_tune.results.statistics.numbers.mcnemar import Discordance
from freelb_tune.results.statistics.numbers.pseudo_values import INFLUENCES, pseudo_values, right

__all__ = ["flips_of", "one_seed_interval", "paired_values"]

Floats = NDArray[np.float64]
Pairs = Sequence[tuple[Run, Run]]


def paired_values(pairs: Pairs, metric: str, sign: float) -> Floats | None:
    """Differences of the pairs' pseudo-values by seed and example, `(S, N)`.

    Returns:
        None where a prediction is missing, the metric has no pseudo-values, or there is one
        example.
    """
    if not pairs or metric not in INFLUENCES:
        return None
    rows = []
    for run, clean in pairs:
        if run.logits is None or run.labels is None or clean.logits is None:
            return None
        if len(run.labels) < 2:  # nothing varies over one example
            return None
        mine = pseudo_values(metric, run.logits, run.labels)
        rows.append(sign * (mine - pseudo_values(metric, clean.logits, run.labels)))
    return np.stack(rows)


def flips_of(pairs: Pairs) -> Flips | None:
    """Examples that only one of a pair gets right, mean per seed; None without labels.

    The folds of a seed together judge every example once.
    """
    gained = lost = 0
    for run, clean in pairs:
        logits, labels, others = run.logits, run.labels, clean.logits
        if logits is None or labels is None or others is None:
            return None
        if logits.ndim < 2 or logits.shape[1] < 2:
            return None
        mine, theirs = right(logits, labels), right(others, labels)
        gained += int((mine & ~theirs).sum())
        lost += int((theirs & ~mine).sum())
    seeds = len({run.seed for run, _ in pairs})
    return Flips(gained / seeds, lost / seeds) if pairs else None


def one_seed_interval(values: Floats, metric: str) -> Interval:
    """The difference of two models with its 95 % interval over examples.

    Exact for a share of examples (McNemar), else Student's t over the examples' pseudo-values.

    Args:
        values: differences by example, `(N,)`, two at least.
        metric: what they are of.
    """
    count = len(values)
    if metric in ("accuracy", "subset_accuracy"):
        counts = Discordance(int((values > 0).sum()), int((values < 0).sum()), count)
        return Interval(counts.difference, *counts.interval())
    error = max(float(values.std(ddof=1)), count**-0.5) / count**0.5  # as if one example flipped
    estimate = Estimate(float(values.mean()), error, count - 1.0)
    return Interval(estimate.mean, *estimate.interval())
