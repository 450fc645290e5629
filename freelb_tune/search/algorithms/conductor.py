"""What Ray's scheduler and searcher ask: the search's algorithm, inside the search's limits.

Room: search, without Ray.
"""

from collections.abc import Collection, Mapping

from freelb_tune.search.algorithms.algorithm import Algorithm, Said
from freelb_tune.search.driver.ledger import Ledger
from freelb_tune.search.driver.limits import Limits
from freelb_tune.search.driver.work import Ready
from freelb_tune.store import CellState, End

__all__ = ["Conductor"]


class Conductor:
    """Hands out an algorithm's cells while the search has time.

    Once a limit is reached no trial begins, and each that runs ends after the epoch that it is in:
    the epoch is kept, its cell waits, and a later run goes on with it. So a search ends at most one
    epoch after its limit.

    Args:
        algorithm: decides which cells run, and how far.
        limits: when the search ends all the same.
        ledger: is told of an end.

    Attributes:
        end: the limit that has kept something from running; None where none has.
        is_finished: whether no trial is to begin any more, as `next_cell` has found.
    """

    def __init__(self, algorithm: Algorithm, limits: Limits, ledger: Ledger) -> None:
        self.end: End | None = None
        self.is_finished = False
        self._algorithm, self._limits, self._ledger = algorithm, limits, ledger
        self._held: set[str] = set()

    def is_over(self) -> bool:
        """Whether nothing is to be run at all; asked before `prepared`."""
        return self._algorithm.is_over() or self._is_ended()

    def prepared(self, ready: Mapping[str, Ready]) -> None:
        """The data is read: from now on trials run."""
        self._algorithm.prepared(ready)

    def next_cell(self, taken: Collection[str]) -> str | None:
        """The next cell to run; None while others have to end first, or where none is to come.

        Args:
            taken: cells that have a trial.
        """
        wanted = self._algorithm.wanted()
        free = next((cell_id for cell_id in wanted if cell_id not in taken), None)
        self.is_finished = self._is_ended() if free else not wanted
        return None if self.is_finished else free

    def left(self) -> list[str]:
        """The cells that are not over, though no limit keeps them; asked when no trial runs."""
        self._algorithm.wanted()  # decides by what the last trials brought
        return [] if self.end else self._ledger.board.waiting()

    def reached(self, cell_id: str, epoch: int, score: float) -> Said:
        """What follows an epoch."""
        said = self._algorithm.reached(cell_id, epoch, score)
        self._limits.note(cell_id)
        is_last = epoch == self._ledger.board[cell_id].epochs
        if said == "continue" and not is_last and self._is_ended():
            self._held.add(cell_id)
            return "wait"
        return said

    def end_of(self, cell_id: str) -> CellState:
        """What a cell is whose trial ended before its training did."""
        if cell_id in self._held:
            return CellState.WAITING
        return self._algorithm.end_of(cell_id)

    def _is_ended(self) -> bool:
        """Whether a limit is reached, where something is left to run; the first time it is said."""
        if self.end is None:
            self.end = self._limits.reached()
            if self.end is not None:
                self._ledger.ended(self.end)
        return self.end is not None
