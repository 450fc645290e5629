"""The numbers a prediction is judged by, each with its direction.

Room: tasks. Predictions and labels in, one float out. scikit-learn and scipy load on first use.

Letters used below: N examples, C classes or labels.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Numbers = NDArray[Any]

__all__ = [
    "ACCURACY",
    "F1",
    "MACRO_F1",
    "MATTHEWS",
    "MICRO_F1",
    "PEARSON",
    "RMSE",
    "SPEARMAN",
    "SUBSET_ACCURACY",
    "Metric",
]


@dataclass(frozen=True)
class Metric:
    """A number to search for, with its direction, so that nothing else has to carry one.

    Attributes:
        name: as in tables and under `search.metric`.
        compute: from predictions and labels, both `(N,)`: class numbers, or real values for
            regression; both `(N, C)` with several labels, 0 or 1 for each. Fractions, never
            percent. Of N = 0 it is nan.
        better: the direction.
        meaning: one line for the reader.
    """

    name: str
    compute: Callable[["Numbers", "Numbers"], float]
    better: Literal["higher", "lower"] = "higher"
    meaning: str = field(default="", compare=False)


def _accuracy(predictions: "Numbers", labels: "Numbers") -> float:
    return float((predictions == labels).mean()) if len(labels) else float("nan")


def _f1(average: str) -> Callable[["Numbers", "Numbers"], float]:
    def compute(predictions: "Numbers", labels: "Numbers") -> float:
        from sklearn.metrics import f1_score

        return float(f1_score(labels, predictions, average=average, zero_division=0.0))

    return compute


def _subset_accuracy(predictions: "Numbers", labels: "Numbers") -> float:
    return float((predictions == labels).all(axis=1).mean()) if len(labels) else float("nan")


def _matthews(predictions: "Numbers", labels: "Numbers") -> float:
    from sklearn.metrics import matthews_corrcoef

    return float(matthews_corrcoef(labels, predictions))


def _correlation(kind: str) -> Callable[["Numbers", "Numbers"], float]:
    def compute(predictions: "Numbers", labels: "Numbers") -> float:
        from scipy import stats

        if (predictions == predictions[0]).all() or (labels == labels[0]).all():
            return 0.0  # undefined; a constant is associated with nothing, as Matthews has it
        return float(getattr(stats, kind)(predictions, labels).statistic)

    return compute


def _rmse(predictions: "Numbers", labels: "Numbers") -> float:
    return float(((predictions - labels) ** 2).mean() ** 0.5)


ACCURACY = Metric("accuracy", _accuracy, meaning="the share of examples with the right class")
F1 = Metric(
    "f1",
    _f1("binary"),
    meaning="of the positive class (number 1), as MRPC and QQP are scored; 0 without any",
)
MACRO_F1 = Metric(
    "macro_f1",
    _f1("macro"),
    meaning="the mean of F1 over the classes that occur; over all of several labels, where one "
    "that neither occurs nor is predicted has 0",
)
MICRO_F1 = Metric(
    "micro_f1",
    _f1("micro"),
    meaning="F1 of all decisions of all examples together, with several labels",
)
SUBSET_ACCURACY = Metric(
    "subset_accuracy", _subset_accuracy, meaning="the share of examples with every label right"
)
MATTHEWS = Metric(
    "matthews",
    _matthews,
    meaning="Matthews' correlation of answers and classes, from -1 to 1; 0 for always one answer",
)
PEARSON = Metric(
    "pearson",
    _correlation("pearsonr"),
    meaning="linear correlation of answers and values, from -1 to 1; 0 for always one answer",
)
SPEARMAN = Metric(
    "spearman", _correlation("spearmanr"), meaning="the same of their ranks: is the order right?"
)
RMSE = Metric(
    "rmse", _rmse, better="lower", meaning="root of the mean squared error, in the values' own unit"
)
