"""How is a batch perturbed? One small file per method, one contract (`passes.py`)."""

from collections.abc import Callable
from typing import Any

from freelb_tune.adversary.freelb import FreeLB
from freelb_tune.adversary.none import NoAdversary
from freelb_tune.adversary.passes import Adversary, Outcome, Passes, PassResult
from freelb_tune.errors import FreeLBTuneError, unknown_name
from freelb_tune.space.adversary import AdversarySettings

__all__ = ["METHODS", "Adversary", "Outcome", "PassResult", "Passes", "make_adversary"]

METHODS: dict[str, Callable[[Any], Adversary]] = {"none": NoAdversary, "freelb": FreeLB}
"""Every method by name; `space.adversary.ADVERSARIES` has their settings."""


def make_adversary(settings: AdversarySettings) -> Adversary:
    """The adversary that these settings describe.

    Raises:
        FreeLBTuneError: there is no method of that name.
    """
    if settings.method not in METHODS:
        raise FreeLBTuneError(f"adversary.method: {unknown_name(settings.method, METHODS)}")
    return METHODS[settings.method](settings)
