"""The selected models, and what a finished cell leaves behind.

Room: search, without Ray. While a cell runs it keeps `checkpoint/` (to go on from) and `model/`
(its best epoch's weights). A finished cell keeps its weights while it is selected, or may be later:
it is the best seed so far of a configuration that has seeds to come.
"""

import os
import shlex
import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from freelb_tune.errors import FreeLBTuneError
from freelb_tune.search.driver.board import Board, Row
from freelb_tune.search.driver.selected.leader import Leader, find_leader, may_lead
from freelb_tune.search.driver.selected.shelf import Shelf
from freelb_tune.store import EPOCHS, CellState, cell_folder
from freelb_tune.store.cells.pulse import PULSE

__all__ = ["BEST", "BEST_ADVERSARIAL", "BestModel", "drop_checkpoint", "start_over"]

BEST, BEST_ADVERSARIAL = "best", "best_adversarial"

_UNFINISHED = ("checkpoint", "model.tmp", "trainer")


class BestModel:
    """Keeps the leader's model in `best/`, whatever the order in which cells finish.

    Where a clean arm leads, `best_adversarial/` has the model of the best configuration that
    perturbs.

    Args:
        folder: the results folder.
        command: the command line that asked for the search.
        room: GiB that the models and checkpoints of all cells may take; None for any.

    Attributes:
        leader: the cell in `best/`; None before one is done.
    """

    def __init__(self, folder: Path, command: Sequence[str], room: float | None = None) -> None:
        self.leader: Leader | None = None
        self._folder, self._room = folder, room
        asked = shlex.join(command) or f"freelb-tune --space {folder / 'space.yaml'}"
        self._best = Shelf(folder, BEST, asked)
        self._adversarial = Shelf(folder, BEST_ADVERSARIAL, asked)
        self._let_go: set[str] = set()

    def settle(self, board: Board, ended: str | None = None) -> None:
        """Publish the leader, and drop the weights of cells that are over and cannot lead.

        Args:
            board: states and scores.
            ended: the cell that has just ended, maybe not for the first time.

        Raises:
            FreeLBTuneError: the disk refuses.
        """
        self._let_go.discard(ended or "")
        try:
            selected = self._publish(board)
            kept = may_lead(board, self._has_weights) | selected
            for cell_id in board.rows.keys() - kept - self._let_go:
                self._let_go_of(board[cell_id])
            if self._room is not None:
                self._make_room(board, selected, self._room * 2**30)
        except OSError as err:
            raise FreeLBTuneError(
                f"{self._folder / BEST}: the selected model cannot be put here "
                f"({err.strerror or err}); make room or change permissions, and run the same "
                "command again"
            ) from err

    def wants(self, board: Board, cell_id: str) -> bool:
        """Whether a cell's weights, which are elsewhere, would be kept if it were done now."""

        def has(each: str) -> bool:
            return each == cell_id or self._has_weights(each)

        row = board[cell_id]
        before, row.state = row.state, CellState.DONE
        try:
            leaders = (find_leader(board, has, clean=clean) for clean in (True, False))
            selected = {leader.row.cell.id for leader in leaders if leader is not None}
            return cell_id in may_lead(board, has) | selected
        finally:
            row.state = before

    def _publish(self, board: Board) -> set[str]:
        """Put the leaders where they belong; gives their cells' ids."""
        first = find_leader(board, self._has_weights)
        other = lost = None
        if first is not None and first.is_clean:
            other = find_leader(board, self._has_weights, clean=False)
        gone = first and first.is_clean and not self._has_weights(first.row.cell.id)
        if gone and other and self._has_weights(other.row.cell.id):
            lost, first = first, other  # version 0.1.0 let go of clean arms' weights
        self.leader = first
        if first is None:
            return set()
        beside = other if first.is_clean and other is not None else None
        self._best.publish(first, board, beside=beside, lost=lost)
        if beside is None:
            self._adversarial.clear()
            return {first.row.cell.id}
        self._adversarial.publish(beside, board, beside=first)
        return {first.row.cell.id, beside.row.cell.id}

    def _let_go_of(self, row: Row) -> None:
        """Delete a cell's weights unless it runs, or could go on from a checkpoint."""
        cell_id = row.cell.id
        if row.state.is_over:
            home = cell_folder(self._folder, cell_id)
            if not (row.state is CellState.FAILED and (home / "checkpoint").exists()):
                shutil.rmtree(home / "model", ignore_errors=True)
                self._let_go.add(cell_id)

    def _make_room(self, board: Board, selected: set[str], room: float) -> None:
        """Delete weights until the rest fits into the room.

        Models of finished cells that may still lead go first, then checkpoints of failed cells; of
        each kind, those that ended first.
        """
        homes = {cell_id: cell_folder(self._folder, cell_id) for cell_id in board.rows}
        sizes = {cell_id: _size(home) for cell_id, home in homes.items()}
        over = [row for row in board.rows.values() if row.state.is_over and sizes[row.cell.id]]
        spare = [row for row in over if row.cell.id not in selected]
        spare.sort(key=lambda row: (row.state is CellState.FAILED, _ended(homes[row.cell.id])))
        for row in spare:
            if sum(sizes.values()) <= room:
                return
            drop_checkpoint(self._folder, row.cell.id)
            shutil.rmtree(homes[row.cell.id] / "model", ignore_errors=True)
            sizes[row.cell.id] = 0

    def _has_weights(self, cell_id: str) -> bool:
        model = cell_folder(self._folder, cell_id) / "model"
        shelves = (self._best, self._adversarial)
        return model.is_dir() or any(shelf.holds == cell_id and shelf.is_whole for shelf in shelves)


def _size(home: Path) -> int:
    """Bytes of a cell's model and checkpoints; a file that goes meanwhile counts for none."""
    total = 0
    for folder in (*home.glob("model*"), *home.glob("checkpoint*")):
        for path in folder.iterdir() if folder.is_dir() else ():
            with suppress(FileNotFoundError):
                total += path.stat().st_size
    return total


def _ended(home: Path) -> int:
    """When a cell's last epoch was written, in nanoseconds; 0 where none was."""
    try:
        return (home / EPOCHS).stat().st_mtime_ns
    except OSError:
        return 0


def drop_checkpoint(folder: Path, cell_id: str) -> None:
    """Delete what only an unfinished cell needs, and what a kill left half-written."""
    home = cell_folder(folder, cell_id)
    for name in os.listdir(home) if home.is_dir() else ():  # a search that goes on asks thousands
        if name in _UNFINISHED or name.startswith("checkpoint."):
            shutil.rmtree(home / name, ignore_errors=True)
        elif name in (".lock", PULSE):
            (home / name).unlink(missing_ok=True)


def start_over(folder: Path, cell_id: str) -> None:
    """Delete what an earlier try of a cell has written, for the cell to begin again."""
    shutil.rmtree(cell_folder(folder, cell_id), ignore_errors=True)
