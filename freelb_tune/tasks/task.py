"""What a task is: its columns, labels, metrics and sets, by name.

Room: tasks. Knows no files. Light: nothing heavy loads on import or by `task_metrics`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from freelb_tune.errors import FreeLBTuneError, unknown_name
from freelb_tune.space.cell import digest
from freelb_tune.space.registered import REGISTERED, Registered, code_of
from freelb_tune.tasks.metrics import (
    ACCURACY,
    F1,
    MACRO_F1,
    MATTHEWS,
    PEARSON,
    RMSE,
    SPEARMAN,
    Metric,
)
from freelb_tune.tasks.toy import TOY_LABELS, TOY_SIZES

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = [
    "DEFINITIONS",
    "GLUE",
    "TASKS",
    "Glue",
    "Task",
    "compute_metrics",
    "get_task",
    "register",
    "task_metrics",
]


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
        text: our columns: "text_a", and "text_b" for a pair. An own task (`columns` empty) takes
            a pair too where `data.text` names two columns; `Examples.text` then says so.
        columns: the Hub's names for the same columns, in the same order.
        labels: in the Hub's order, a label's place being its number. None: inferred from the
            training rows (classification), or there are none (regression).
        kind: what the model's head does.
        metrics: the first is the search's default: accuracy, Matthews for CoLA and Pearson for
            STS-B, as the FreeLB authors' scripts select.
        dev_sets: the Hub's split of each evaluation set, by our names; the first is always "dev".
        sizes: examples of the official training and dev set (MNLI: matched); None for own data.
        glue: what GLUE knows of it; None outside GLUE.
        is_made_up: whether its rows are made here, from a grammar.
    """

    name: str
    title: str
    text: tuple[str, ...]
    columns: tuple[str, ...]
    labels: tuple[str, ...] | None
    kind: Literal["classification", "regression"]
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


_PAIR = ("text_a", "text_b")
_SENTENCES = ("sentence1", "sentence2")
_ENTAILMENT = ("entailment", "not_entailment")


def _glue(
    name: str,
    columns: tuple[str, ...],
    labels: tuple[str, ...] | None,
    sizes: tuple[int, int],
    glue: Glue,
    metrics: tuple[Metric, ...] = (ACCURACY,),
    dev_sets: Mapping[str, str] | None = None,
) -> Task:
    return Task(
        name=name,
        title=glue.folder,
        text=_PAIR[: len(columns)],
        columns=columns,
        labels=labels,
        kind="classification" if labels else "regression",
        metrics=metrics,
        dev_sets=dev_sets or {"dev": "validation"},
        sizes=sizes,
        glue=glue,
    )


GLUE: tuple[Task, ...] = (
    _glue(
        "cola",
        ("sentence",),
        ("unacceptable", "acceptable"),
        (8_551, 1_043),
        Glue("CoLA", ("matthews",)),
        (MATTHEWS, ACCURACY),
    ),
    _glue(
        "sst2",
        ("sentence",),
        ("negative", "positive"),
        (67_349, 872),
        Glue("SST-2", advglue={"advglue": "sst2"}),
    ),
    _glue(
        "mrpc",
        _SENTENCES,
        ("not_equivalent", "equivalent"),
        (3_668, 408),
        Glue("MRPC", ("f1", "accuracy")),
        (ACCURACY, F1),
    ),
    _glue(
        "stsb",
        _SENTENCES,
        None,
        (5_749, 1_500),
        Glue("STS-B", ("pearson", "spearman")),
        (PEARSON, SPEARMAN),
    ),
    _glue(
        "qqp",
        ("question1", "question2"),
        ("not_duplicate", "duplicate"),
        (363_846, 40_430),
        Glue("QQP", ("f1", "accuracy"), advglue={"advglue": "qqp"}),
        (ACCURACY, F1),
    ),
    _glue(
        "mnli",
        ("premise", "hypothesis"),
        ("entailment", "neutral", "contradiction"),
        (392_702, 9_815),
        Glue(
            "MNLI",
            ("accuracy", "mismatched.accuracy"),
            marks={"dev": "m", "mismatched": "mm"},
            diagnostic="AX",
            advglue={"advglue": "mnli", "advglue_mismatched": "mnli-mm"},
        ),
        dev_sets={"dev": "validation_matched", "mismatched": "validation_mismatched"},
    ),
    _glue(
        "qnli",
        ("question", "sentence"),
        _ENTAILMENT,
        (104_743, 5_463),
        Glue("QNLI", advglue={"advglue": "qnli"}),
    ),
    _glue("rte", _SENTENCES, _ENTAILMENT, (2_490, 277), Glue("RTE", advglue={"advglue": "rte"})),
    _glue(
        "wnli",
        _SENTENCES,
        ("not_entailment", "entailment"),
        (635, 71),
        Glue("WNLI", is_omitted=True),
    ),
)
"""GLUE's nine, in the order of its own table."""

_OWN: tuple[Task, ...] = (
    Task(
        "entailment_toy",
        "toy entailment (synthetic)",
        _PAIR,
        ("premise", "hypothesis"),
        TOY_LABELS,
        "classification",
        (ACCURACY,),
        sizes=(TOY_SIZES["train"], TOY_SIZES["dev"]),
        is_made_up=True,
    ),
    Task(
        "classification",
        "own classification",
        ("text_a",),
        (),
        None,
        "classification",
        (ACCURACY, MACRO_F1, MATTHEWS),
    ),
    Task(
        "regression",
        "own regression",
        ("text_a",),
        (),
        None,
        "regression",
        (PEARSON, SPEARMAN, RMSE),
    ),
)

TASKS: dict[str, Task] = {task.name: task for task in (*GLUE, *_OWN)}
"""Every task by its name: what `task` may say."""


DEFINITIONS: dict[str, str] = {}
"""What stands for the definition of each registered task in its cells' ids."""


def register(task: Task) -> None:
    """Make a task of your own known under its name.

    Its labels, columns and metrics, and the code of its metrics, are a part of its cells' ids.

    Raises:
        FreeLBTuneError: there is a task of that name, with another definition.
    """
    facts = repr(replace(task, metrics=()))
    said = [(metric.name, metric.better, code_of(metric.compute)) for metric in task.metrics]
    definition = digest({"task": facts, "metrics": said})
    if task.name in TASKS and DEFINITIONS.get(task.name) != definition:
        raise FreeLBTuneError(
            f"the task {task.name!r} is there already; choose another name for {task.title!r}"
        )
    _take(task, definition)
    REGISTERED.append(Registered(_take, (task, definition)))


def _take(task: Task, definition: str) -> None:
    TASKS[task.name], DEFINITIONS[task.name] = task, definition


def get_task(name: str) -> Task:
    """The task of that name.

    Raises:
        FreeLBTuneError: there is none; says which there are and the likeliest one meant.
    """
    if name not in TASKS:
        raise FreeLBTuneError(f"task: {unknown_name(name, TASKS)}")
    return TASKS[name]


def task_metrics() -> dict[str, list[str]]:
    """Every task's metric names; the first is the search's default."""
    return {name: [metric.name for metric in task.metrics] for name, task in TASKS.items()}


def compute_metrics(
    task: Task, logits: "NDArray[np.floating[Any]]", labels: "NDArray[np.generic[Any]]"
) -> dict[str, float]:
    """Every metric of the task, as a fraction, by name.

    Args:
        task: whose metrics.
        logits: the head's output, `(N, C)`; `(N, 1)` or `(N,)` for regression.
        labels: class numbers or real values, `(N,)`.

    Returns:
        Metrics by name. All nan where any logit is not finite: an argmax over nan would be class
        0 and look like a score. A correlation with a constant is 0.
    """
    import numpy as np

    scores = np.asarray(logits, dtype=np.float64)
    truth = np.asarray(labels)
    if not np.isfinite(scores).all():
        return {metric.name: float("nan") for metric in task.metrics}
    if task.kind == "regression":
        predictions = scores.reshape(len(scores))
        truth = truth.astype(np.float64)
    else:
        predictions = scores.argmax(axis=-1)
    return {metric.name: metric.compute(predictions, truth) for metric in task.metrics}
