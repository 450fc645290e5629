"""Hyperband over seeds: several brackets of rungs, which differ in how soon they end anything.

Room: search, without Ray. A configuration belongs to one bracket and is compared inside it alone.

Reference:
    Li et al., "Hyperband", JMLR 2018, arXiv:1603.06560, Algorithm 1, for the brackets and how many
    configurations each gets. Deviation: a bracket's rungs decide as configurations arrive, as
    ASHA's do (arXiv:1810.05934), so that no worker waits for the whole of a bracket.
"""

import random
from collections.abc import Sequence
from math import ceil

from freelb_tune.search.algorithms.frame.rungs import Rungs
from freelb_tune.search.algorithms.frame.stopping import Decision, Stopping
from freelb_tune.space.settings.algorithms import HyperbandSettings

__all__ = ["Brackets", "Hyperband"]


class Brackets:
    """Rungs for each bracket: the first has them all, each further one lacks one more of the first.

    Which bracket a configuration is in is drawn by its name, so that neither the order of the plan
    nor what is added to it later moves one. Hyperband's shares are the chances.

    Args:
        grace_epochs: the first rung of the first bracket.
        reduction_factor: from one rung to the next; one in this many goes on.
        max_epochs: the full budget; rungs are before it. The last bracket has none.
        sign: 1.0 where higher values are better, -1.0 where lower ones are.
        draw_seed: decides the draws.
    """

    def __init__(
        self, grace_epochs: int, reduction_factor: int, max_epochs: int, sign: float, draw_seed: int
    ) -> None:
        whole = Rungs(grace_epochs, reduction_factor, max_epochs, sign)
        self.epochs: Sequence[int] = whole.epochs
        starts = [*self.epochs, max_epochs]
        self._brackets = [Rungs(s, reduction_factor, max_epochs, sign) for s in starts]
        most = len(self._brackets)
        self._shares = [
            ceil(most / (rungs + 1) * reduction_factor**rungs) for rungs in reversed(range(most))
        ]
        self._draw_seed = draw_seed
        self._drawn: dict[str, Rungs] = {}

    def of(self, config_id: str) -> Rungs:
        """The rungs of a configuration's bracket."""
        if config_id not in self._drawn:
            chance = random.Random(f"{self._draw_seed}/{config_id}")
            self._drawn[config_id] = chance.choices(self._brackets, self._shares)[0]
        return self._drawn[config_id]

    def applies(self, config_id: str, epoch: int) -> bool:
        """Whether its bracket has a rung there."""
        return epoch in self.of(config_id).epochs

    def judge(self, config_id: str, epoch: int, score: float, *, is_complete: bool) -> Decision:
        """As its bracket's rung says."""
        return self.of(config_id).judge(config_id, epoch, score, is_complete=is_complete)

    def enter(self, config_id: str, epoch: int, score: float, *, is_complete: bool) -> None:
        """Count it at its bracket's rung."""
        self.of(config_id).enter(config_id, epoch, score, is_complete=is_complete)


class Hyperband(Stopping):
    """Rungs in several brackets."""

    def make_rule(self, max_epochs: int) -> Brackets:
        """As many brackets as rungs, and one without any."""
        search = self._space.search
        assert isinstance(search, HyperbandSettings)
        factor, sign = search.reduction_factor, self._ledger.board.sign
        return Brackets(search.grace_epochs, factor, max_epochs, sign, search.draw_seed)
