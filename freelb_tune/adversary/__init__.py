"""How is a batch perturbed? One small file per method, one contract (`passes.py`).

Importing this room is cheap; torch is loaded when a method or a tensor type is asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from freelb_tune.adversary.plugins import (
    load_entry_points,
    load_plugins,
    loaded_plugins,
    register,
)

if TYPE_CHECKING:
    from freelb_tune.adversary.methods import METHODS, make_adversary
    from freelb_tune.adversary.passes import Adversary, Outcome, Passes, PassResult
    from freelb_tune.adversary.scale import absolute, embedding_norm

__all__ = [
    "METHODS",
    "Adversary",
    "Outcome",
    "PassResult",
    "Passes",
    "absolute",
    "embedding_norm",
    "load_entry_points",
    "load_plugins",
    "loaded_plugins",
    "make_adversary",
    "register",
]

_HOMES = {
    "methods": ("METHODS", "make_adversary"),
    "passes": ("Adversary", "Outcome", "PassResult", "Passes"),
    "scale": ("absolute", "embedding_norm"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)
