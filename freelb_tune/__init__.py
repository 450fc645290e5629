"""Hyperparameter search for adversarial fine-tuning of sequence classifiers.

    import freelb_tune as ft

    space = ft.load_space("quickstart")
    ft.plan(space)                          # cells, power and cost; nothing runs
    results = ft.search(space)              # runs, or goes on; results go to results/NAME
    results.ranking                         # a pandas DataFrame
    results.best.pipeline()                 # the selected model

Importing this package loads nothing heavy: no torch, no Ray, no pandas. Each name below loads what
it needs when it is first used.

Rooms, in the order in which data flows (a room imports only rooms before it): `errors`, `space`,
`tasks`, `store`, `adversary`, `training`, `results`, `search`, `api`, `importing`, `cli`.
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from freelb_tune.adversary.passes import Outcome, Passes
    from freelb_tune.api.best import Best
    from freelb_tune.api.plans import Plan, plan
    from freelb_tune.api.registering import register
    from freelb_tune.api.results import Results, open_results
    from freelb_tune.api.searching import search
    from freelb_tune.api.spaces import Space, load_space
    from freelb_tune.errors import FreeLBTuneError
    from freelb_tune.space.adversary_settings import (
        AdversarySettings,
        FGMSettings,
        FreeATSettings,
        FreeLBSettings,
        NoiseSettings,
        NoneSettings,
        Perturbing,
        PGDSettings,
        R3FSettings,
        RepeatSettings,
        SMARTSettings,
        VATSettings,
    )
    from freelb_tune.space.algorithms import (
        AlgorithmSettings,
        ASHASettings,
        GridSettings,
        HyperbandSettings,
        MedianSettings,
        RaceSettings,
        RandomSettings,
    )
    from freelb_tune.tasks import Metric, Task
    from freelb_tune.training.trainer import AdversarialTrainer

__version__ = "0.2.0"

TRAINING_VERSION = 2
"""Raised by hand whenever the numbers of an unchanged cell change; part of every cell's id."""

_HOMES = {
    "adversary.passes": ("Outcome", "Passes"),
    "api.best": ("Best",),
    "api.plans": ("Plan", "plan"),
    "api.registering": ("register",),
    "api.results": ("Results", "open_results"),
    "api.searching": ("search",),
    "api.spaces": ("Space", "load_space"),
    "errors": ("FreeLBTuneError",),
    "space.adversary_settings": (
        *("AdversarySettings", "FGMSettings", "FreeATSettings", "FreeLBSettings", "NoiseSettings"),
        *("NoneSettings", "PGDSettings", "Perturbing", "R3FSettings", "RepeatSettings"),
        *("SMARTSettings", "VATSettings"),
    ),
    "space.algorithms": (
        *("ASHASettings", "AlgorithmSettings", "GridSettings", "HyperbandSettings"),
        *("MedianSettings", "RaceSettings", "RandomSettings"),
    ),
    "tasks": ("Metric", "Task"),
    "training.trainer": ("AdversarialTrainer",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "TRAINING_VERSION",
    "__version__",
    "AdversarialTrainer",
    "AdversarySettings",
    "AlgorithmSettings",
    "ASHASettings",
    "Best",
    "FGMSettings",
    "FreeATSettings",
    "FreeLBSettings",
    "FreeLBTuneError",
    "GridSettings",
    "HyperbandSettings",
    "MedianSettings",
    "Metric",
    "NoiseSettings",
    "NoneSettings",
    "Outcome",
    "Passes",
    "Perturbing",
    "PGDSettings",
    "Plan",
    "R3FSettings",
    "RaceSettings",
    "RandomSettings",
    "RepeatSettings",
    "Results",
    "SMARTSettings",
    "Space",
    "Task",
    "VATSettings",
    "load_space",
    "open_results",
    "plan",
    "register",
    "search",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


class _Door(ModuleType):
    """This package: `search` is the function, also once the room of that name is imported."""

    def __setattr__(self, name: str, value: object) -> None:
        if name == "search" and isinstance(value, ModuleType):
            return  # the import system would put the room here; imports find it without
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Door
