"""What each class counts in the loss: what a space says of it, as one number per class.

Room: tasks. Class names and numbers in; scikit-learn loads on use.
"""

from collections.abc import Sequence
from typing import Any

from freelb_tune.errors import FreeLBTuneError, counted
from freelb_tune.space.cells.cell import Cell
from freelb_tune.space.settings.sections import ClassWeights
from freelb_tune.tasks.definitions.registry import get_task

__all__ = ["LOSS_SETTINGS", "check_class_weights", "check_loss", "class_weights"]

_WHERE, _SMOOTHING = LOSS_SETTINGS = ("loss.class_weights", "trainer.label_smoothing_factor")
_NO_CLASS = "has no one class for each example"


def check_loss(cell: Cell, labels: Sequence[str]) -> None:
    """Refuse what a cell's task leaves no room for in its loss; arguments as below.

    Raises:
        FreeLBTuneError: as `check_class_weights`, or labels are smoothed that are no classes.
    """
    if cell.settings.get(_SMOOTHING) and get_task(cell.task).kind != "classification":
        raise FreeLBTuneError(
            f"{_SMOOTHING}: spreads a class's probability, and task {cell.task!r} {_NO_CLASS}; "
            "take it out"
        )
    if cell.loss.class_weights is not None:
        check_class_weights(cell.task, labels, cell.loss.class_weights)


def check_class_weights(task: str, labels: Sequence[str], asked: ClassWeights) -> None:
    """Refuse weights that the task's classes cannot have.

    Args:
        task: its name.
        labels: its classes in order; none where they are not known yet.
        asked: what the space says.

    Raises:
        FreeLBTuneError: the task has no classes, or has others than these.
    """
    kind = get_task(task).kind
    if kind != "classification":
        raise FreeLBTuneError(
            f"{_WHERE}: task {task!r} {_NO_CLASS}, which a weight could be of; take it out"
        )
    if not labels or asked == "balanced":
        return
    known = ", ".join(labels[:20]) + (", ..." if len(labels) > 20 else "")
    if isinstance(asked, list) and len(asked) != len(labels):
        raise FreeLBTuneError(
            f"{_WHERE}: {counted(len(asked), 'weight')} for {counted(len(labels), 'class')}; write "
            f"one for each, in this order: {known}"
        )
    if isinstance(asked, dict) and set(asked) != set(labels):
        absent = [label for label in labels if label not in asked]
        odd = [name for name in asked if name not in labels]
        told = [f"no weight for {', '.join(map(repr, absent[:5]))}"] if absent else []
        told += [f"no class {', '.join(map(repr, odd[:5]))}"] if odd else []
        raise FreeLBTuneError(f"{_WHERE}: {', and '.join(told)}; the classes are {known}")


def class_weights(
    task: str, labels: Sequence[str], asked: ClassWeights, numbers: Any
) -> tuple[float, ...]:
    """The weight of each class, in the labels' order.

    Args:
        task: its name.
        labels: its classes.
        asked: what the space says.
        numbers: the class number of each training example that is used, `(N,)`.

    Raises:
        FreeLBTuneError: as `check_class_weights`, or a class that should be balanced has no
            training example.
    """
    check_class_weights(task, labels, asked)
    if isinstance(asked, list):
        return tuple(asked)
    if isinstance(asked, dict):
        return tuple(asked[label] for label in labels)
    import numpy as np
    from sklearn.utils.class_weight import compute_class_weight

    places = np.arange(len(labels))
    absent = [labels[place] for place in np.setdiff1d(places, numbers)]
    if absent:
        raise FreeLBTuneError(
            f"{_WHERE}: balanced gives no weight to {', '.join(map(repr, absent[:5]))}, of which "
            "the training set has no example; raise data.max_train_examples, or write the weights "
            "as a list"
        )
    found = compute_class_weight("balanced", classes=places, y=np.asarray(numbers))
    return tuple(float(weight) for weight in found)
