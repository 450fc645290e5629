"""ASHA over seeds: after each rung the best 1 in `reduction_factor` configurations go on.

Room: search, without Ray.
"""

from freelb_tune.search.algorithms.frame.rungs import Rungs
from freelb_tune.search.algorithms.frame.stopping import Stopping
from freelb_tune.space.settings.algorithms import ASHASettings

__all__ = ["ASHA"]


class ASHA(Stopping):
    """One bracket of rungs."""

    def make_rule(self, max_epochs: int) -> Rungs:
        """Rungs from the first epoch at which anything may end."""
        search = self._space.search
        assert isinstance(search, ASHASettings)
        sign = self._ledger.board.sign
        return Rungs(search.grace_epochs, search.reduction_factor, max_epochs, sign)
