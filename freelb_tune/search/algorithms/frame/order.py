"""The order in which configurations are run: the file's, or a seeded other one.

Room: search, without Ray.
"""

import random
from collections.abc import Mapping

from freelb_tune.search.driver.board import Row
from freelb_tune.space.settings.algorithms import AlgorithmSettings, Ordered

__all__ = ["Order"]

_Place = tuple[float, bool, float]


class Order:
    """Sorts cells by what the search asks for; as they come unless it is to be shuffled.

    A configuration's place in a shuffled grid depends on its name and `order_seed` alone: a search
    that goes on keeps it, and a value more in a grid leaves the others in their order. Its clean
    arm goes before the first that needs it, and its seeds stay together.

    Args:
        search: the algorithm's settings.
        rows: all cells by id; more may come.
    """

    def __init__(self, search: AlgorithmSettings, rows: Mapping[str, Row]) -> None:
        self._rows = rows
        self._seed: int | None = None
        if isinstance(search, Ordered) and search.order == "shuffled":
            self._seed = search.order_seed
        self._places: dict[str, _Place] = {}
        self._placed = 0

    def sort(self, cell_ids: list[str]) -> list[str]:
        """The cells in their order."""
        if self._seed is None:
            return cell_ids
        if self._placed != len(self._rows):
            self._place()
        return sorted(cell_ids, key=lambda name: self._places[self._rows[name].cell.config_id])

    def _place(self) -> None:
        """Give every configuration its place."""
        cells = [row.cell for row in self._rows.values()]
        drawn = {
            cell.config_id: random.Random(f"{self._seed}/{cell.config_id}").random()
            for cell in cells
        }
        needed: dict[str, float] = {}
        for cell in cells:
            if cell.arm != "clean" and cell.clean_id is not None:
                own = drawn[cell.config_id]
                needed[cell.clean_id] = min(own, needed.get(cell.clean_id, own))
        self._places = {
            cell.config_id: (
                needed.get(cell.config_id, drawn[cell.config_id]),
                cell.arm != "clean",
                drawn[cell.config_id],
            )
            for cell in cells
        }
        self._placed = len(cells)
