"""What a task is: its columns, labels, metrics and sets.

Room: tasks. Knows no files; numpy loads on use.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from freelb_tune.errors import FreeLBTuneError, unknown_name
from freelb_tune.tasks.definitions.metrics import Metric

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Glue", "Kind", "Task", "compute_metrics", "predictions_of"]

Kind = Literal["classification", "multi_label", "regression"]


@dataclass(frozen=True)
class Glue:
    """What GLUE knows of one of its tasks besides its rows.

    Attributes:
        folder: its folder in GLUE's original layout.
        reported: the metrics of GLUE's own table in its order, by the names under which epochs
            keep them: those of a further set are prefixed, as in `mismatched.accuracy`.
        marks: how that table tells the evaluation sets apart, by our names of them; empty where
            there is one.
        diagnostic: a further test set, without labels, that this task's model predicts, by the
            name of its submission; None for none.
        is_omitted: whether papers leave the task out of GLUE's average.
        advglue: keys of AdvGLUE's sets of the task, by our names of them; empty for none.
    """

    folder: str
    reported: tuple[str, ...] = ("accuracy",)
    marks: Mapping[str, str] = field(default_factory=dict)
    diagnostic: str | None = None
    is_omitted: bool = False
    advglue: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Task:
    """One task, wherever its rows come from.

    Attributes:
        name: as written in the search space.
        title: as written in papers and table headings.
        columns: the text columns of its rows, two for a pair, by the Hub's names. Empty for own
            data, where `data.text` names one or two.
        labels: in the Hub's order, a label's place being its number. None: inferred from the
            training rows (classification), or there are none (regression).
        kind: what the model's head does; with multi_label each label is yes or no.
        metrics: the first is the search's default: accuracy, Matthews for CoLA and Pearson for
            STS-B, as the FreeLB authors' scripts select.
        dev_sets: the Hub's split of each evaluation set, by our names; the first is always "dev".
        sizes: examples of the official training and dev set (MNLI: matched); None for own data.
        glue: what GLUE knows of it; None outside GLUE.
        is_made_up: whether its rows are made here, from a grammar.
    """

    name: str
    title: str
    columns: tuple[str, ...]
    labels: tuple[str, ...] | None
    kind: Kind
    metrics: tuple[Metric, ...]
    dev_sets: Mapping[str, str] = field(default_factory=lambda: {"dev": "validation"})
    sizes: tuple[int, int] | None = None
    glue: Glue | None = None
    is_made_up: bool = False

    def metric(self, name: str | None = None) -> Metric:
        """The metric of that name; where none is named the first, by which a search ranks.

        Raises:
            FreeLBTuneError: the task has none of that name.
        """
        known = {metric.name: metric for metric in self.metrics}
        if name is not None and name not in known:
            raise FreeLBTuneError(f"search.metric of task {self.name}: {unknown_name(name, known)}")
        return self.metrics[0] if name is None else known[name]

    @property
    def folder(self) -> str | None:
        """Its folder in GLUE's original layout; None outside GLUE."""
        return self.glue.folder if self.glue else None

    @property
    def hub(self) -> str | None:
        """The configuration's name in the Hub's `nyu-mll/glue`; None outside GLUE."""
        return self.name if self.glue else None


def compute_metrics(
    task: Task, logits: "NDArray[np.floating[Any]]", labels: "NDArray[np.generic[Any]]"
) -> dict[str, float]:
    """Every metric of the task, as a fraction, by name.

    Args:
        task: whose metrics.
        logits: the head's output, `(N, C)`; `(N, 1)` or `(N,)` for regression.
        labels: class numbers or real values, `(N,)`; with several labels 0 or 1, `(N, C)`.

    Returns:
        Metrics by name. All nan where any logit is not finite: an argmax over nan would be class
        0 and look like a score. A correlation with a constant is 0.
    """
    import numpy as np

    scores = np.asarray(logits, dtype=np.float64)
    truth = np.asarray(labels)
    if not np.isfinite(scores).all():
        return {metric.name: float("nan") for metric in task.metrics}
    if task.kind != "classification":  # as the data set has them: float32
        truth = truth.astype(np.float64 if task.kind == "regression" else np.int64)
    predictions = predictions_of(task.kind, scores)
    return {metric.name: metric.compute(predictions, truth) for metric in task.metrics}


def predictions_of(kind: Kind, logits: "NDArray[np.floating[Any]]") -> "NDArray[Any]":
    """What a head's output says.

    Returns:
        Class numbers or real values, `(N,)`; with several labels 1, `(N, C)`, for each whose
        probability is above one half.
    """
    if kind == "multi_label":
        return (logits > 0).astype("int64")
    return logits.argmax(axis=-1) if kind == "classification" else logits.reshape(len(logits))
