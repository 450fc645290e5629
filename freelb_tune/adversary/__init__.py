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
    from freelb_tune.adversary.methods import make_adversary
    from freelb_tune.adversary.passes import Adversary, Outcome, Passes
    from freelb_tune.adversary.scale import absolute, embedding_norm

__all__ = [
    "Adversary",
    "Outcome",
    "Passes",
    "absolute",
    "embedding_norm",
    "load_entry_points",
    "load_plugins",
    "loaded_plugins",
    "make_adversary",
    "register",
]

_HOME_OF = {
    "make_adversary": "methods",
    **dict.fromkeys(("Adversary", "Outcome", "Passes"), "passes"),
    **dict.fromkeys(("absolute", "embedding_norm"), "scale"),
}


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)
