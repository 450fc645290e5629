"""Hyperparameter search for adversarial fine-tuning of sequence classifiers.

Importing this package loads nothing heavy: no torch, no Ray, no transformers.

Rooms, in the order in which data flows (a room imports only rooms before it):
`errors`, `space`, `tasks`, `store`, `adversary`, `training`, `results`, `search`, `cli`.
"""

__version__ = "0.1.0"

TRAINING_VERSION = 2
"""Raised by hand whenever the numbers of an unchanged cell change; part of every cell's id."""

__all__ = ["TRAINING_VERSION", "__version__"]
