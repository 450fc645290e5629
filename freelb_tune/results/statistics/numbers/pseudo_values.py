"""A metric on a dev set, and what each example adds to it.

Room: results. Predictions and labels in; the score and one number per example out. Accuracy is a
mean over examples and its spread over examples is plain; F1, the correlations and Matthews are
not, and their influence values stand in for the per-example scores: score + influence is an
example's pseudo-value, the mean of all pseudo-values is the score, and the variance of that mean
is the metric's variance over examples (the infinitesimal jackknife).

With several labels an example's predictions and labels are rows, 0 or 1 for each label.

Letters used below: N examples, C classes or labels.

Reference:
    Efron & Tibshirani, "An Introduction to the Bootstrap", 1993, the chapters on the jackknife and
    on influence functions. Pseudo-values as the per-case unit of a crossed design of readers and
    cases: Dorfman, Berbaum & Metz, Investigative Radiology 27, 1992.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from freelb_tune.errors import FreeLBTuneError, unknown_name

__all__ = ["INFLUENCES", "predicted", "pseudo_values", "right"]

Floats = NDArray[np.float64]


def pseudo_values(metric: str, logits: NDArray[Any], labels: NDArray[Any]) -> Floats:
    """Give each example its share of a metric: their mean is the metric itself.

    Args:
        metric: one of `INFLUENCES`.
        logits: `(N, C)`; or `(N, 1)` or `(N,)` for a regression.
        labels: class numbers or real targets, `(N,)`; 0 or 1 for each of several labels, `(N, C)`.

    Returns:
        `(N,)`, fractions. Where the metric is not defined (constant predictions under a
        correlation) all are 0, as the score is reported there.

    Raises:
        FreeLBTuneError: the metric has no influence function here, the shapes do not match, or a
            prediction is not finite.
    """
    if metric not in INFLUENCES:
        raise FreeLBTuneError(f"metric for a comparison: {unknown_name(metric, INFLUENCES)}")
    fits = labels.shape in (logits.shape[:1], logits.shape)
    known = {*_OF_ROWS, "macro_f1"} if labels.ndim > 1 else INFLUENCES.keys() - _OF_ROWS
    if not fits or len(labels) < 2 or metric not in known:
        raise FreeLBTuneError(
            f"predictions of shape {logits.shape} do not fit labels of shape {labels.shape} under "
            f"{metric}; a comparison needs what the metric scores, of two examples at least"
        )
    if not np.isfinite(logits).all():
        raise FreeLBTuneError("predictions are not all finite numbers; train this cell again")
    return INFLUENCES[metric](predicted(logits, labels), labels.astype(np.float64))


def predicted(logits: NDArray[Any], labels: NDArray[Any]) -> Floats:
    """What is predicted, of the labels' shape: class numbers, values, or 0 and 1."""
    if labels.ndim > 1:
        return np.asarray(logits > 0, dtype=np.float64)
    table = logits.reshape(len(labels), -1).astype(np.float64)
    column = table[:, 0] if table.shape[1] == 1 else table.argmax(axis=1)
    return np.asarray(column, dtype=np.float64)


def right(logits: NDArray[Any], labels: NDArray[Any]) -> NDArray[np.bool_]:
    """Which examples are right, with several labels in all of them, `(N,)`."""
    same = np.asarray(predicted(logits, labels) == labels)
    return np.asarray(same if same.ndim == 1 else same.all(axis=1))


def _accuracy(predicted: Floats, labels: Floats) -> Floats:
    return np.asarray(predicted == labels, dtype=np.float64)


def _f1(predicted: Floats, labels: Floats) -> Floats:
    return _class_f1(predicted, labels, 1)


def _macro_f1(predicted: Floats, labels: Floats) -> Floats:
    if labels.ndim > 1:
        columns = zip(predicted.T, labels.T, strict=True)
        return np.asarray(np.mean([_class_f1(p, one, 1) for p, one in columns], axis=0))
    classes = np.union1d(predicted, labels)
    return np.asarray(np.mean([_class_f1(predicted, labels, one) for one in classes], axis=0))


def _class_f1(predicted: Floats, labels: Floats, positive: float) -> Floats:
    hits = 1.0 * ((predicted == positive) & (labels == positive))
    return _f1_of(hits, 1.0 * (predicted == positive) + (labels == positive))


def _micro_f1(predicted: Floats, labels: Floats) -> Floats:
    return _f1_of((predicted * labels).sum(axis=1), (predicted + labels).sum(axis=1))


def _subset_accuracy(predicted: Floats, labels: Floats) -> Floats:
    return np.asarray((predicted == labels).all(axis=1), dtype=np.float64)


def _f1_of(hits: Floats, bottom: Floats) -> Floats:
    # F = 2 tp / (2 tp + fp + fn): a ratio of means, whose influence is (top - F bottom) / mean
    top = 2.0 * hits
    if bottom.sum() == 0:
        return np.zeros_like(bottom)
    score = top.mean() / bottom.mean()
    return np.asarray(score + (top - score * bottom) / bottom.mean())


def _matthews(predicted: Floats, labels: Floats) -> Floats:
    # Gorodkin's R_K: the correlation of the two tables of indicators, any number of classes
    classes = np.union1d(predicted, labels)
    score, influence = _correlation(
        (predicted[:, None] == classes).astype(np.float64),
        (labels[:, None] == classes).astype(np.float64),
    )
    return score + influence


def _pearson(predicted: Floats, labels: Floats) -> Floats:
    score, influence = _correlation(predicted[:, None], labels[:, None])
    return score + influence


def _rmse(predicted: Floats, labels: Floats) -> Floats:
    squares = (predicted - labels) ** 2
    score = np.sqrt(squares.mean())
    if score == 0:
        return np.zeros_like(labels)
    return np.asarray(score + (squares - squares.mean()) / (2 * score))


def _spearman(predicted: Floats, labels: Floats) -> Floats:
    ranks_p, ranks_l = _grades(predicted), _grades(labels)
    score, influence = _correlation(ranks_p[:, None], ranks_l[:, None])
    if ranks_p.std() == 0 or ranks_l.std() == 0:
        return score + influence
    # an example's weight also moves the others' ranks
    moved = _moved(predicted, ranks_p, ranks_l, score) + _moved(labels, ranks_l, ranks_p, score)
    return score + influence + moved


def _correlation(x: Floats, y: Floats) -> tuple[float, Floats]:
    """Correlation of two tables `(N, K)`, summed over columns, and its influence values `(N,)`."""
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    xy, xx, yy = (x * y).sum(axis=1), (x * x).sum(axis=1), (y * y).sum(axis=1)
    scale = np.sqrt(xx.mean() * yy.mean())
    if scale <= 1e-300:
        return 0.0, np.zeros(len(x))
    score = xy.mean() / scale
    return float(score), xy / scale - score / 2 * (xx / xx.mean() + yy / yy.mean())


def _grades(values: Floats) -> Floats:
    """Mid-ranks as fractions of N, ties halved."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    upto = np.cumsum(counts)
    return np.asarray((upto - counts / 2)[place] / len(values))


def _moved(values: Floats, grades: Floats, other: Floats, score: float) -> Floats:
    """How the correlation moves when one example's weight shifts all ranks of `values`."""
    scale = grades.std() * other.std()
    toward = (other - other.mean()) / scale - score * (grades - grades.mean()) / grades.var()
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    sums = np.bincount(place, weights=toward, minlength=len(counts))
    above = sums.sum() - np.cumsum(sums) + sums / 2  # the examples at or above each value
    share = above[place] / len(values)
    return np.asarray(share - np.mean(grades * toward))


INFLUENCES: dict[str, Callable[[Floats, Floats], Floats]] = {
    "accuracy": _accuracy,
    "f1": _f1,
    "macro_f1": _macro_f1,
    "matthews": _matthews,
    "micro_f1": _micro_f1,
    "pearson": _pearson,
    "rmse": _rmse,
    "spearman": _spearman,
    "subset_accuracy": _subset_accuracy,
}
"""The metrics that can be compared over examples, each with its pseudo-values."""

_OF_ROWS = {"micro_f1", "subset_accuracy"}
