"""An algorithm of your own: every configuration gets its first seed before any gets its second.

    freelb-tune --space quickstart --plugin examples/own_algorithm.py search.algorithm=turns

A search that is looked at half-way then shows every configuration once, where a grid shows half of
them whole. It ends in the same table as the grid, as it runs the same cells.
"""

from typing import Literal

import freelb_tune as ft
from freelb_tune.search.algorithms.algorithm import Algorithm


class TurnsSettings(ft.AlgorithmSettings):
    """Every cell, in the order of the seeds."""

    algorithm: Literal["turns"] = "turns"


class Turns(Algorithm):
    """Says in which order cells may run; all else it leaves as it is."""

    def wanted(self) -> list[str]:
        """The cells that may run, best first: asked whenever there is room for one."""
        rows = self._ledger.board.rows
        return sorted(super().wanted(), key=lambda cell_id: rows[cell_id].cell.seed)


ft.register(TurnsSettings, Turns)
