"""What Ray is told of a cell's trial: its configuration and its name.

Room: search. Driver's side.
"""

from collections.abc import Mapping
from typing import Any

from freelb_tune.search.driver.board import Board
from freelb_tune.search.driver.work import Ready
from freelb_tune.search.ray_tune.workers.trial import LATE, Job, Late, trial_config
from freelb_tune.space.cells.naming import trial_namer

__all__ = ["Configs"]


class Configs:
    """Of every cell on the board, of those too that are proposed while trials run.

    Args:
        job: what has travelled to the workers, the cells known at the start among it. Any other
            travels in its trial's configuration.
        board: every cell.
        ready: what is prepared, by cell id; grows with the board.
    """

    def __init__(self, job: Job, board: Board, ready: Mapping[str, Ready]) -> None:
        self.job = job
        self._board, self._ready = board, ready
        self._name, self._named = trial_namer(()), 0

    def config(self, cell_id: str) -> dict[str, Any]:
        """A trial's configuration; `cell` is the cell's id."""
        cell = self._board[cell_id].cell
        if cell_id in self.job.cells:
            return trial_config(cell)
        return {**trial_config(cell), LATE: Late(cell, self._ready[cell_id])}

    def __getstate__(self) -> dict[str, Any]:
        """Nothing: Ray pickles what names a trial with each, and never calls what it reads back."""
        return {}

    def name(self, cell_id: str) -> str:
        """A trial's name, which says what tells its cell from the others there are now."""
        if len(self._board.rows) != self._named:
            self._named = len(self._board.rows)
            self._name = trial_namer([row.cell for row in self._board.rows.values()])
        return self._name(self._board[cell_id].cell)
