"""A checkpoint's own head: whose classes its rows stand for, and what becomes of them.

Room: training. Reads config.json's content and the data's label names; no torch, no transformers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from freelb_tune.tasks import fold_label

__all__ = ["Head", "find_head", "has_head"]

_CLASSIFIER = "ForSequenceClassification"


@dataclass(frozen=True)
class Head:
    """What becomes of a checkpoint's head.

    Attributes:
        order: the checkpoint's row for each of the data's classes; None where a new head is drawn.
        fits: whether it has as many rows as the data has classes.
        told: what becomes of it, in a sentence for the user.
    """

    order: tuple[int, ...] | None
    fits: bool
    told: str

    @property
    def is_as_loaded(self) -> bool:
        """Whether loading by size alone, as transformers does, gives the same."""
        return not self.fits or self.order == tuple(range(len(self.order or ())))


def has_head(config: Mapping[str, Any]) -> bool:
    """Whether a checkpoint may hold a classifier's head; a config that names no class may."""
    kinds = config.get("architectures")
    return not kinds or any(str(kind).endswith(_CLASSIFIER) for kind in kinds)


def find_head(config: Mapping[str, Any], labels: Sequence[str], model: str) -> Head | None:
    """Compare the classes of a checkpoint's head with the data's, by their names.

    Names match as `fold_label` has it: `ENTAILMENT` is `entailment`.

    Args:
        config: of the checkpoint, as its config.json has it.
        labels: the data's classes in order; none for regression.
        model: the model's name, for the sentence.

    Returns:
        None where there is no head, or no class.
    """
    if not labels or not has_head(config):
        return None
    own = _classes(config)
    if len(own) != len(labels):
        told = f"{model} has a head for {len(own)} classes, and the data has {len(labels)}"
        return Head(None, fits=False, told=f"{told}: a new head is drawn")
    places = {fold_label(name): place for place, name in enumerate(own)}
    wanted = [fold_label(label) for label in labels]
    if set(wanted) != places.keys() or len(places) != len(own):
        told = f"the classes of {model}'s head ({_listed(own)}) are not the data's"
        told += f" ({_listed(labels)}): a new head is drawn"
        return Head(None, fits=True, told=told)
    order = tuple(places[label] for label in wanted)
    told = f"the head of {model} is kept"
    if order != tuple(range(len(order))):
        told += f", its rows put from the order {_listed(own)} into the data's, {_listed(labels)}"
    return Head(order, fits=True, told=told)


def _classes(config: Mapping[str, Any]) -> list[str]:
    named = config.get("id2label")
    if isinstance(named, Mapping) and named:
        return [str(named[place]) for place in sorted(named, key=int)]
    return [f"LABEL_{place}" for place in range(int(config.get("num_labels") or 2))]


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:10]) + (", ..." if len(names) > 10 else "")
