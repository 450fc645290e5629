"""Predictions in the form that the GLUE server reads.

Room: tasks. A task and its test predictions in, lines of text out.
"""

from collections.abc import Sequence

from freelb_tune.errors import FreeLBTuneError
from freelb_tune.tasks.definitions.glue_tasks import GLUE
from freelb_tune.tasks.definitions.task import Task
from freelb_tune.tasks.sources.glue_folder import LAYOUTS

__all__ = ["SUBMISSION_FILES", "submission_lines"]


def _further(task: Task) -> tuple[str, ...]:
    return (task.glue.diagnostic,) if task.glue and task.glue.diagnostic else ()


SUBMISSION_FILES: dict[str, tuple[str, ...]] = {
    task.name: tuple(f"{name}.tsv" for name in (*LAYOUTS[task.name].test, *_further(task)))
    for task in GLUE
}
"""Each task's files in the submission's zip; their stems are the sets of `load_test`."""

_STSB_RANGE = (0.0, 5.0)


def submission_lines(
    task: Task, predictions: Sequence[float], index: Sequence[int] | None = None
) -> list[str]:
    """The lines of one file, header first, without line ends.

    Args:
        task: one of GLUE's.
        predictions: class numbers in the order of `task.labels`, or real values (STS-B), which
            are cut to its range, 0 to 5.
        index: the test rows' own numbers; None counts from 0.

    Raises:
        FreeLBTuneError: the task is not GLUE's.
    """
    if task.name not in SUBMISSION_FILES:
        raise FreeLBTuneError(
            f"task {task.name!r} has no GLUE submission; {', '.join(SUBMISSION_FILES)} have"
        )
    numbers = range(len(predictions)) if index is None else index
    pairs = zip(numbers, predictions, strict=True)
    return ["index\tprediction", *(f"{number}\t{_written(task, value)}" for number, value in pairs)]


def _written(task: Task, value: float) -> str:
    if task.labels is None:
        low, high = _STSB_RANGE
        return f"{min(max(float(value), low), high):.3f}"
    return LAYOUTS[task.name].labels[int(value)]  # as the files of the task write them
