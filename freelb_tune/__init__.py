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
    from freelb_tune.adversary.passes import Outcome as Outcome
    from freelb_tune.adversary.passes import Passes as Passes
    from freelb_tune.api.best import Best as Best
    from freelb_tune.api.merging import merge as merge
    from freelb_tune.api.plans import Plan as Plan
    from freelb_tune.api.plans import plan as plan
    from freelb_tune.api.registering import register as register
    from freelb_tune.api.results import Results as Results
    from freelb_tune.api.results import open_results as open_results
    from freelb_tune.api.searching import search as search
    from freelb_tune.api.spaces import Space as Space
    from freelb_tune.api.spaces import load_space as load_space
    from freelb_tune.errors import FreeLBTuneError as FreeLBTuneError
    from freelb_tune.search.ray_tune.trainable import trainable as trainable
    from freelb_tune.space.settings.adversaries import *  # noqa: F403
    from freelb_tune.space.settings.algorithms import *  # noqa: F403
    from freelb_tune.tasks import Metric as Metric
    from freelb_tune.tasks import Task as Task
    from freelb_tune.training.trainer import AdversarialTrainer as AdversarialTrainer

__version__ = "0.2.0"

TRAINING_VERSION = 2
"""Raised by hand whenever the numbers of an unchanged cell change; part of every cell's id."""

_HOMES = {
    "adversary.passes": ("Outcome", "Passes"),
    "api.best": ("Best",),
    "api.merging": ("merge",),
    "api.plans": ("Plan", "plan"),
    "api.registering": ("register",),
    "api.results": ("Results", "open_results"),
    "api.searching": ("search",),
    "api.spaces": ("Space", "load_space"),
    "errors": ("FreeLBTuneError",),
    "search.ray_tune.trainable": ("trainable",),
    "space.settings.adversaries": ("Perturbing",),
    "tasks": ("Metric", "Task"),
    "training.trainer": ("AdversarialTrainer",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}
_SETTINGS = ("space.settings.adversaries", "space.settings.algorithms")
"""Where the names in `Settings` are: one that is added there is in the door by itself."""


def __getattr__(name: str) -> Any:
    if name == "__all__":
        value: Any = ["TRAINING_VERSION", "__version__", *_HOME_OF, *_settings()]
    elif name in _HOME_OF:
        value = getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)
    elif name.endswith("Settings") and name in (known := _settings()):
        value = known[name]
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def _settings() -> dict[str, Any]:
    """Every settings class by its name."""
    modules = [import_module(f"{__name__}.{home}") for home in _SETTINGS]
    names = [(module, name) for module in modules for name in module.__all__]
    return {name: getattr(module, name) for module, name in names if name.endswith("Settings")}


def __dir__() -> list[str]:
    return sorted({*globals(), *__getattr__("__all__")})


class _Door(ModuleType):
    """This package: `search` is the function, also once the room of that name is imported."""

    def __setattr__(self, name: str, value: object) -> None:
        if name == "search" and isinstance(value, ModuleType):
            return  # the import system would put the room here; imports find it without
        super().__setattr__(name, value)

    def __reduce__(self) -> tuple[Any, ...]:
        return import_module, (self.__name__,)  # as of any module, for Ray's workers


sys.modules[__name__].__class__ = _Door
