"""Every combination, in the file's order or a seeded other one.

Room: search, without Ray.
"""

import random
from functools import cached_property

from freelb_tune.search.algorithms.algorithm import Algorithm
from freelb_tune.space.settings.algorithms import GridSettings

__all__ = ["Grid"]

_Place = tuple[float, bool, float]


class Grid(Algorithm):
    """Runs every cell to its last epoch, in plan order unless the grid is shuffled.

    A configuration's place in a shuffled grid hangs on its name and `order_seed` alone: a search
    that goes on keeps it, and a value more in a grid leaves the others in their order. Its clean
    arm goes before the first that needs it, and its seeds stay together.
    """

    def wanted(self) -> list[str]:
        """See `Algorithm`."""
        waiting = super().wanted()
        if not self._places:
            return waiting
        rows = self._ledger.board.rows
        return sorted(waiting, key=lambda cell_id: self._places[rows[cell_id].cell.config_id])

    @cached_property
    def _places(self) -> dict[str, _Place]:
        """Where each configuration comes; empty for the file's order."""
        search = self._space.search
        if not isinstance(search, GridSettings) or search.order == "listed":
            return {}
        cells = [row.cell for row in self._ledger.board.rows.values()]
        drawn = {
            cell.config_id: random.Random(f"{search.order_seed}/{cell.config_id}").random()
            for cell in cells
        }
        needed: dict[str, float] = {}
        for cell in cells:
            if cell.arm != "clean" and cell.clean_id is not None:
                own = drawn[cell.config_id]
                needed[cell.clean_id] = min(own, needed.get(cell.clean_id, own))
        return {
            cell.config_id: (
                needed.get(cell.config_id, drawn[cell.config_id]),
                cell.arm != "clean",
                drawn[cell.config_id],
            )
            for cell in cells
        }
