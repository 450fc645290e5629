"""Median stopping over seeds: what is worse than the median of those before it ends.

Room: search, without Ray.

Reference:
    Golovin et al., "Google Vizier", KDD 2017, section 3.2.2. A configuration stops after an epoch
    if the best of its means so far is below the median of the others' running averages. Deviation:
    the others are those that got as far, not those that are complete, of which a search of a few
    epochs has too few too late (Ray Tune's rule has it so, too).
"""

from collections.abc import Sequence
from statistics import fmean, median

from freelb_tune.search.algorithms.frame.stopping import Decision, Stopping
from freelb_tune.space.settings.algorithms import MedianSettings

__all__ = ["Median", "Medians"]


class Medians:
    """Each configuration's means over its seeds, epoch by epoch, and the median of the others'.

    A configuration with a seed missing ranks after every complete one, as it does in tables: it is
    never among the others, and ends where there are enough of them.

    Args:
        epochs: after which configurations are judged.
        least: so many others must have been there, or nothing ends.
        sign: 1.0 where higher values are better, -1.0 where lower ones are.
    """

    def __init__(self, epochs: Sequence[int], least: int, sign: float) -> None:
        self.epochs = epochs
        self._least, self._sign = least, sign
        self._means: dict[str, dict[int, float]] = {}
        self._incomplete: set[tuple[str, int]] = set()

    def applies(self, config_id: str, epoch: int) -> bool:
        """After each of these epochs."""
        return True

    def judge(self, config_id: str, epoch: int, score: float, *, is_complete: bool) -> Decision:
        """Compare its best mean so far with the others' running averages."""
        others = [
            fmean(value for at, value in means.items() if at <= epoch)
            for name, means in self._means.items()
            if name != config_id and epoch in means and (name, epoch) not in self._incomplete
        ]
        if len(others) < self._least:
            return "continue"
        if not is_complete:
            return "stop"
        own = self._means.get(config_id, {})
        best = max([self._sign * score, *(value for at, value in own.items() if at < epoch)])
        return "continue" if best >= median(others) else "stop"

    def enter(self, config_id: str, epoch: int, score: float, *, is_complete: bool) -> None:
        """Remember its mean after this epoch."""
        self._means.setdefault(config_id, {})[epoch] = self._sign * score
        if not is_complete:
            self._incomplete.add((config_id, epoch))


class Median(Stopping):
    """The median of those before it."""

    def make_rule(self, max_epochs: int) -> Medians:
        """From the first epoch at which anything may end, in equal steps."""
        search = self._space.search
        assert isinstance(search, MedianSettings)
        sign = self._ledger.board.sign
        epochs = range(search.grace_epochs, max_epochs, search.every_epochs)
        return Medians(epochs, search.least_others, sign)
