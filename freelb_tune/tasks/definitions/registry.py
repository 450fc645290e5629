"""Every task by its name: ours, and those that Python code registers.

Room: tasks. Light: nothing heavy loads on import or by `task_metrics`.
"""

from freelb_tune.errors import FreeLBTuneError, unknown_name
from freelb_tune.space.registered import REGISTERED, REGISTRIES, Registered, code_of
from freelb_tune.space.values import digest
from freelb_tune.tasks.definitions.glue_tasks import GLUE
from freelb_tune.tasks.definitions.metrics import (
    ACCURACY,
    MACRO_F1,
    MATTHEWS,
    MICRO_F1,
    PEARSON,
    RMSE,
    SPEARMAN,
    SUBSET_ACCURACY,
    Metric,
)
from freelb_tune.tasks.definitions.task import Task
from freelb_tune.tasks.definitions.toy import TOY_LABELS, TOY_SIZES

__all__ = ["DEFINITIONS", "TASKS", "get_task", "register", "task_metrics"]

_OWN: tuple[Task, ...] = (
    Task(
        name="entailment_toy",
        title="toy entailment (synthetic)",
        columns=("premise", "hypothesis"),
        labels=TOY_LABELS,
        kind="classification",
        metrics=(ACCURACY,),
        sizes=(TOY_SIZES["train"], TOY_SIZES["dev"]),
        is_made_up=True,
    ),
    Task(
        name="classification",
        title="own classification",
        columns=(),
        labels=None,
        kind="classification",
        metrics=(ACCURACY, MACRO_F1, MATTHEWS),
    ),
    Task(
        name="multi_label_classification",
        title="own multi-label classification",
        columns=(),
        labels=None,
        kind="multi_label",
        metrics=(MICRO_F1, MACRO_F1, SUBSET_ACCURACY),
    ),
    Task(
        name="regression",
        title="own regression",
        columns=(),
        labels=None,
        kind="regression",
        metrics=(PEARSON, SPEARMAN, RMSE),
    ),
)

TASKS: dict[str, Task] = {task.name: task for task in (*GLUE, *_OWN)}
"""What `task` may say."""

DEFINITIONS: dict[str, str] = {}
"""What stands for the definition of each registered task in its cells' ids."""

REGISTRIES += [TASKS, DEFINITIONS]


def register(task: Task) -> None:
    """Make a task of your own known under its name.

    Its labels, columns, sets and metrics are a part of its cells' ids, and the code of metrics
    that are not ours.

    Raises:
        FreeLBTuneError: there is a task of that name with another definition, or the task has a
            shape that nothing could read or score.
    """
    wrong = _misshapen(task)
    if wrong:
        raise FreeLBTuneError(f"the task {task.name!r}: {wrong}")
    definition = digest(
        {
            "columns": task.columns,
            "labels": task.labels,
            "kind": task.kind,
            "dev_sets": dict(task.dev_sets),
            "metrics": [(metric.name, metric.better, _code(metric)) for metric in task.metrics],
        }
    )
    if task.name in TASKS and DEFINITIONS.get(task.name) != definition:
        raise FreeLBTuneError(
            f"the task {task.name!r} is there already; choose another name for {task.title!r}"
        )
    _take(task, definition)
    REGISTERED.append(Registered(_take, (task, definition)))


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


def _take(task: Task, definition: str) -> None:
    TASKS[task.name], DEFINITIONS[task.name] = task, definition


def _code(metric: Metric) -> str:
    """A metric's code by name; ours keep theirs, and with it their ids, from version to version."""
    is_ours = metric.compute.__module__.startswith("freelb_tune.")
    return "" if is_ours else code_of(metric.compute)


def _misshapen(task: Task) -> str | None:
    """What keeps a task from being read or scored; None for nothing."""
    if not task.name.isidentifier():
        return "a name is a word of letters, digits and _"
    if len(task.columns) > 2:
        return f"a model reads one text column or a pair, not {len(task.columns)}"
    names = [metric.name for metric in task.metrics]
    if not names or len(set(names)) < len(names):
        return f"metrics are one or more, each with a name of its own, got {names}"
    if task.kind == "regression" and task.labels is not None:
        return "regression has no labels; leave them None"
    if task.labels is not None and len(set(task.labels)) < max(2, len(task.labels)):
        return f"labels are two or more, each once, got {list(task.labels)}"
    if "dev" not in task.dev_sets:
        return f"one of dev_sets is called dev, got {list(task.dev_sets)}"
    if task.glue is not None or task.is_made_up:
        return "glue and is_made_up are for the tasks that come with freelb_tune"
    return None
