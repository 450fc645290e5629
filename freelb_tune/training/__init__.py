"""One cell, start to finish: model, data, trainer, dev metrics per epoch, checkpoint.

Importing this room is cheap; torch is loaded when `AdversarialTrainer` or `run_cell` is asked for.
"""

from typing import Any

from freelb_tune.training.prepare import Prepared, epochs_of, prepare
from freelb_tune.training.source import find_model, model_fingerprint

__all__ = [
    "AdversarialTrainer",
    "Prepared",
    "epochs_of",
    "find_model",
    "model_fingerprint",
    "prepare",
    "run_cell",
]


def __getattr__(name: str) -> Any:
    if name == "AdversarialTrainer":
        from freelb_tune.training.trainer import AdversarialTrainer

        return AdversarialTrainer
    if name == "run_cell":
        from freelb_tune.training.cell import run_cell

        return run_cell
    raise AttributeError(name)
