"""One cell, start to finish: model, data, trainer, dev metrics per epoch, checkpoint.

Importing this room is cheap; torch is loaded when training is asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from freelb_tune.training.inputs.source import find_model, model_fingerprint

if TYPE_CHECKING:
    from freelb_tune.training.cells.run_cell import run_cell
    from freelb_tune.training.preparing.preparation import prepare
    from freelb_tune.training.trainer import AdversarialTrainer

__all__ = [
    "AdversarialTrainer",
    "find_model",
    "model_fingerprint",
    "prepare",
    "run_cell",
]

_HEAVY = {
    "AdversarialTrainer": "trainer",
    "prepare": "preparing.preparation",
    "run_cell": "cells.run_cell",
}
"""Names whose files load torch, which planning can do without."""


def __getattr__(name: str) -> Any:
    if name not in _HEAVY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HEAVY[name]}"), name)
