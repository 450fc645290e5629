"""A model's scores on rows with labels, each with an interval over these rows.

Room: tasks. Logits and labels in, numbers out; scipy loads on use.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from freelb_tune.tasks.task import Task, compute_metrics

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Score", "score_rows"]

_RESAMPLES = 999


@dataclass(frozen=True)
class Score:
    """One metric.

    Attributes:
        value: on these rows.
        low: lower end of its 95 % interval; nan of a single row.
        high: upper end.
    """

    value: float
    low: float
    high: float


def score_rows(
    task: Task, logits: "NDArray[np.floating[Any]]", labels: "NDArray[np.generic[Any]]"
) -> dict[str, Score]:
    """Every metric of the task, with the percentile interval of 999 bootstrap draws of rows.

    Args:
        task: whose metrics.
        logits: `(N, C)`.
        labels: `(N,)`.
    """
    import numpy as np

    rng, count = np.random.default_rng(0), len(labels)
    drawn = [rng.integers(count, size=count) for _ in range(_RESAMPLES)] if count > 1 else []
    seen = [compute_metrics(task, logits[rows], labels[rows]) for rows in drawn]
    scores = {}
    for name, value in compute_metrics(task, logits, labels).items():
        values = [each[name] for each in seen] or [float("nan")]
        low, high = np.percentile(values, [2.5, 97.5])
        scores[name] = Score(value, float(low), float(high))
    return scores
