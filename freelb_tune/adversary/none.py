"""The clean arm: no perturbation."""

from freelb_tune.adversary.passes import Outcome, Passes
from freelb_tune.space.settings.adversaries import NoneSettings

__all__ = ["NoAdversary"]


class NoAdversary:
    """One clean pass per batch. Cost: 1 pass."""

    def __init__(self, settings: NoneSettings) -> None:
        self.settings = settings

    def __call__(self, passes: Passes) -> Outcome:
        result = passes.run(None)
        return Outcome(result.losses, result.losses, delta=None, passes=1)
