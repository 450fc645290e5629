"""A model's scores on rows with labels, each with an interval over these rows.

Room: results. Logits and labels in, numbers out; scipy loads on use.

Reference:
    Wilson's score interval: Wilson, Journal of the American Statistical Association 22, 1927.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from freelb_tune.results.statistics.numbers.anova import Estimate
from freelb_tune.results.statistics.numbers.pseudo_values import INFLUENCES, pseudo_values
from freelb_tune.tasks import Metric, Task, compute_metrics

__all__ = ["Score", "score_rows"]

_RESAMPLES = 999


@dataclass(frozen=True)
class Score:
    """One metric.

    Attributes:
        value: on these rows.
        low: lower end of its 95 % interval; nan of a single row, or of rows that do not differ.
        high: upper end.
    """

    value: float
    low: float
    high: float


def score_rows(task: Task, logits: NDArray[Any], labels: NDArray[Any]) -> dict[str, Score]:
    """Every metric of the task, with a 95 % interval over other rows like these.

    Wilson's for a share of rows, else Student's t over pseudo-values, as a verdict has it; for a
    metric of somebody's own, scipy's percentile bootstrap.

    Args:
        task: whose metrics.
        logits: `(N, C)`.
        labels: as `compute_metrics` takes them.
    """
    values = compute_metrics(task, logits, labels)
    found = {}
    for metric in task.metrics:
        low = high = float("nan")
        if len(labels) > 1 and np.isfinite(logits).all():
            low, high = _interval(task, metric, logits, labels)
        found[metric.name] = Score(values[metric.name], low, high)
    return found


def _interval(
    task: Task, metric: Metric, logits: NDArray[Any], labels: NDArray[Any]
) -> tuple[float, float]:
    if metric.name not in INFLUENCES:
        return _bootstrapped(task, metric, logits, labels)
    values = pseudo_values(metric.name, logits, labels)
    if metric.name in ("accuracy", "subset_accuracy"):
        from scipy.stats import binomtest

        share = binomtest(int(values.sum()), len(values)).proportion_ci(0.95, method="wilson")
        return float(share.low), float(share.high)
    error = float(values.std(ddof=1)) / len(values) ** 0.5
    if error == 0:
        return float("nan"), float("nan")
    low, high = Estimate(float(values.mean()), error, len(values) - 1.0).interval()
    return (low, min(high, 1.0)) if metric.better == "higher" else (max(low, 0.0), high)


def _bootstrapped(
    task: Task, metric: Metric, logits: NDArray[Any], labels: NDArray[Any]
) -> tuple[float, float]:
    from scipy.stats import bootstrap

    found = bootstrap(
        (np.arange(len(labels)),),
        lambda rows: compute_metrics(task, logits[rows], labels[rows])[metric.name],
        n_resamples=_RESAMPLES,
        vectorized=False,
        method="percentile",
        random_state=np.random.default_rng(0),
    ).confidence_interval
    return float(found.low), float(found.high)
