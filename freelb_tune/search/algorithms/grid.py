"""Every combination, in the file's order or a seeded other one.

Room: search, without Ray.
"""

from freelb_tune.search.algorithms.algorithm import Algorithm
from freelb_tune.search.algorithms.frame.order import Order
from freelb_tune.search.driver.ledger import Ledger
from freelb_tune.space import Space

__all__ = ["Grid"]


class Grid(Algorithm):
    """Runs every cell to its last epoch, in plan order unless the grid is shuffled."""

    def __init__(self, space: Space, ledger: Ledger) -> None:
        super().__init__(space, ledger)
        self._order = Order(space.search, ledger.board.rows)

    def wanted(self) -> list[str]:
        """See `Algorithm`."""
        return self._order.sort(super().wanted())
