"""Room: tasks. What is RTE? Columns, labels, metrics, sets, and where its rows come from.

Settings in, examples and scores out. Knows no model, no adversary and no Ray; `datasets`,
scikit-learn and scipy load on use.
"""

from freelb_tune.tasks.definitions.glue_tasks import GLUE
from freelb_tune.tasks.definitions.metrics import Metric
from freelb_tune.tasks.definitions.registry import (
    DEFINITIONS,
    TASKS,
    get_task,
    register,
    task_metrics,
)
from freelb_tune.tasks.definitions.task import Glue, Task, compute_metrics
from freelb_tune.tasks.examples import (
    Look,
    check_data,
    is_local,
    label_names,
    load_examples,
    load_test,
    look_at_data,
)
from freelb_tune.tasks.fingerprint import data_fingerprint
from freelb_tune.tasks.glue_server import SUBMISSION_FILES, submission_lines
from freelb_tune.tasks.reading.labels import fold_label
from freelb_tune.tasks.sizes import data_sizes

__all__ = [
    "DEFINITIONS",
    "GLUE",
    "SUBMISSION_FILES",
    "TASKS",
    "Glue",
    "Look",
    "Metric",
    "Task",
    "check_data",
    "compute_metrics",
    "data_fingerprint",
    "data_sizes",
    "fold_label",
    "get_task",
    "is_local",
    "label_names",
    "load_examples",
    "load_test",
    "look_at_data",
    "register",
    "submission_lines",
    "task_metrics",
]
