"""What an algorithm of a search answers: which cells may run, what follows an epoch, who is left.

Room: search, without Ray. `Algorithm` answers for random search and is the base of every
other, which overrides what it does differently. Its settings are a class in
`space/settings/algorithms.py`; `registry` joins the two.
"""

from collections.abc import Mapping, Sequence
from typing import Literal

from freelb_tune.search.driver.ledger import Ledger
from freelb_tune.search.driver.work import Ready
from freelb_tune.space import Cell, Space
from freelb_tune.store import CellState

__all__ = ["Algorithm", "Said"]

Said = Literal["continue", "stop", "wait"]
"""What follows an epoch: the trial goes on, its cell is stopped, or its cell is to wait."""


class Algorithm:
    """Runs every cell to its last epoch, in plan order.

    Each run of a search makes its own `Algorithm`, and so does a run that goes on with an earlier
    one. A decision is in the journal before it takes effect, and later runs read it from there. So
    neither a killed driver nor the order in which cells end changes a decision.

    Args:
        space: what the user asked for; `search` are this algorithm's own settings.
        ledger: takes decisions down; its board knows every cell's state and scores.

    Attributes:
        left_out: cells that it has decided never to run.
        is_growing: whether further configurations are to be proposed.
    """

    def __init__(self, space: Space, ledger: Ledger) -> None:
        self.left_out: set[str] = set()
        self.is_growing = False
        self._space, self._ledger = space, ledger

    def prepared(self, ready: Mapping[str, Ready]) -> None:
        """The data is read: from now on trials run. Called once.

        Args:
            ready: of the cells that are not over; of an algorithm that ends cells early, of all,
                and of some that train as long as any that may be proposed.
        """

    def added(self, cells: Sequence[Cell]) -> None:
        """These cells were proposed and are on the board; only of algorithms that sample."""

    def is_over(self) -> bool:
        """Whether nothing is to be run at all; the one question that comes before `prepared`."""
        return not self._ledger.board.waiting()

    def wanted(self) -> list[str]:
        """The cells that may run and are not over, those that run among them, best first.

        Empty once nothing is to be run any more.
        """
        return self._ledger.board.waiting()

    def reached(self, cell_id: str, epoch: int, score: float) -> Said:
        """A cell has finished an epoch, or tells again of one that it finished before.

        Returns:
            What follows. Where its trial does not go on, `end_of` says what becomes of the cell.
        """
        self._ledger.add_epoch(cell_id, epoch, score)
        return "continue"

    def end_of(self, cell_id: str) -> CellState:
        """What a cell is whose trial ended before its training did."""
        return CellState.STOPPED
