"""AdvGLUE's dev file: the same tasks under textual attacks, as a further evaluation set.

Room: tasks. The path of `dev_ann.json` in, `Rows` out. One JSON object, a list of rows per set;
columns are named as on the Hub and labels numbered in its order.

Reference:
    Wang et al., "Adversarial GLUE", NeurIPS 2021 Datasets and Benchmarks, arXiv:2111.02840.
"""

import json
from pathlib import Path

from freelb_tune.errors import FreeLBTuneError
from freelb_tune.tasks.definitions.glue_tasks import GLUE
from freelb_tune.tasks.definitions.task import Task
from freelb_tune.tasks.reading.delimited import read_text
from freelb_tune.tasks.reading.labels import label_number
from freelb_tune.tasks.reading.rows import Reading, Rows, collect
from freelb_tune.tasks.reading.table import Table

__all__ = ["read_advglue"]


def read_advglue(
    task: Task, path: Path, name: str = "advglue", place: str = "data.advglue"
) -> dict[str, Rows]:
    """The task's sets of AdvGLUE.

    Args:
        task: whose sets.
        path: `dev_ann.json`.
        name: of the first set; MNLI's second is `NAME_mismatched`.
        place: the setting that names the file.

    Raises:
        FreeLBTuneError: AdvGLUE lacks the task, or the file is not AdvGLUE's.
    """
    if not task.glue or not task.glue.advglue or task.labels is None:
        known = ", ".join(each.name for each in GLUE if each.glue and each.glue.advglue)
        raise FreeLBTuneError(f"{place}: AdvGLUE has no task {task.name!r}; it has {known}")
    try:
        content = json.loads(read_text(path))
    except json.JSONDecodeError as err:
        raise FreeLBTuneError(f"{path}: line {err.lineno}: not JSON: {err.msg}") from err
    found = {}
    for own, key in task.glue.advglue.items():
        rows = content.get(key) if isinstance(content, dict) else None
        if not isinstance(rows, list) or not rows or not isinstance(rows[0], dict):
            raise FreeLBTuneError(
                f"{path}: no list of rows under {key!r}; expected AdvGLUE's dev_ann.json"
            )
        table = Table(f"{path}, {key}", tuple(rows[0]), enumerate(rows, start=1), unit="row")
        table.require((*task.columns, "label"), "expected AdvGLUE's dev_ann.json")
        reading = Reading(task.columns, "label", label_number(task.labels, numbers=True))
        found[name + own.removeprefix("advglue")] = collect(table, reading)
    return found
