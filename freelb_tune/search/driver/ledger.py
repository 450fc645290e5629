"""The one place where the driver writes what happens to cells: the store first, then the board.

Room: search, without Ray. The order is always the same: the journal, the files that follow from it,
the reader. `repair` does what a killed run has left undone after it wrote the journal.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from freelb_tune.search.driver.board import Board
from freelb_tune.search.driver.listener import Guard, Listener
from freelb_tune.search.driver.selected.best import BestModel, drop_checkpoint
from freelb_tune.search.driver.selected.leader import Leader
from freelb_tune.search.driver.work import Ready
from freelb_tune.space import Cell
from freelb_tune.store import (
    EPOCHS,
    CellResult,
    CellState,
    End,
    Journal,
    cell_folder,
    seal_of,
    set_log_aside,
    utc_now,
)

__all__ = ["Ledger", "Outputs"]

_OUTPUT_SECONDS = 2.0  # tables are rewritten at most this often
_OUTPUT_SHARE = 25.0  # and never take more than a 25th of the driver's time


class Outputs:
    """Rewrites tables as results arrive, but not so often that it would slow the search.

    Args:
        write: rewrites every output of the results folder.
    """

    def __init__(self, write: Callable[[], None]) -> None:
        self._write = write
        self._due = 0.0
        self._stale = False

    def touch(self) -> None:
        """Something changed: rewrite now, or at a later `flush`."""
        self._stale = True
        self.flush()

    def flush(self, *, now: bool = False) -> None:
        """Rewrite if something changed: when the last time is long enough ago, or `now`."""
        start = time.monotonic()
        if not (self._stale and (now or start >= self._due)):
            return
        self._write()
        took = time.monotonic() - start
        self._stale = False
        self._due = start + max(_OUTPUT_SECONDS, _OUTPUT_SHARE * took)


class Ledger:
    """Takes down what happens to the cells of one run.

    Args:
        journal: open; the run holds the folder.
        board: every cell of the plan with what is known of it.
        best: the keeper of `best/`.
        outputs: the tables.
        guard: the reader.
        known: what the folder knew of cells when it was opened, by id; those of earlier plans too.
    """

    def __init__(
        self,
        journal: Journal,
        board: Board,
        best: BestModel,
        outputs: Outputs,
        guard: Guard,
        known: Mapping[str, CellResult] | None = None,
    ) -> None:
        self.board = board
        self.ran = 0
        self._journal = journal
        self.folder: Path = journal.folder
        self._best = best
        self._outputs = outputs
        self._guard = guard
        self._known = known or {}

    def repair(self) -> None:
        """Do what a killed run may have left undone for the cells that are over."""
        for row in self.board.rows.values():
            if row.state.is_over and row.state is not CellState.FAILED:
                drop_checkpoint(self.folder, row.cell.id)
        self._best.settle(self.board)

    @property
    def leader(self) -> Leader | None:
        """The cell in `best/`; None before one is done."""
        return self._best.leader

    def wants_model(self, cell_id: str) -> bool:
        """Whether a cell's weights would be kept if it were done now."""
        return self._best.wants(self.board, cell_id)

    def write_outputs(self) -> None:
        """Rewrite the tables now, if something changed."""
        self._outputs.flush(now=True)

    @contextmanager
    def also_told(self, listener: Listener) -> Iterator[None]:
        """Have one more listener told of cells while this is open."""
        self._guard.add(listener, self.board)
        try:
            yield
        finally:
            self._guard.drop(listener)

    def say(self, text: str) -> None:
        """Tell the reader one line."""
        self._guard.said(text)

    def prepared(self, ready: Mapping[str, Ready]) -> None:
        """Data was read and tokenised: keep what its tables say of it."""
        facts = {}
        for cell_id, each in ready.items():
            cell = self.board[cell_id].cell
            if each.lengths is not None:
                fact = (cell.data_fingerprint, cell.weights, each.lengths)
                facts[fact[0], fact[1], each.lengths.max_length] = fact
        self._journal.append_all(
            ("prepared", {"data": data, "weights": weights, "lengths": lengths.to_json()})
            for data, weights, lengths in facts.values()
        )

    def started(self, cell_id: str) -> None:
        """A worker has taken the cell up."""
        self._journal.append("started", cell_id=cell_id, at=utc_now())
        self.board.start_clock()
        self._set(cell_id, CellState.RUNNING)

    def begins_again(self, cell_id: str, why: str) -> None:
        """The cell has lost what it had, and is trained from its first epoch on."""
        self._journal.append("again", cell_id=cell_id, why=why)
        self.say(f"{self.board.label[cell_id]}: {why}; it is trained again")

    def add_epoch(self, cell_id: str, epoch: int, score: float) -> None:
        """The cell finished an epoch; its own log has it already."""
        if self.board.add_epoch(cell_id, epoch, score):
            self._tell(cell_id)

    def decided(self, entry: Mapping[str, Any]) -> None:
        """A configuration was decided on; this is on disk when it takes effect."""
        self._journal.append("decided", **entry)

    def proposed(self, entry: Mapping[str, Any], cells: Sequence[Cell]) -> None:
        """A sampler proposed a configuration; this is on disk before anything follows from it.

        Args:
            entry: the proposal.
            cells: what it adds to the plan; an earlier plan may have known some.
        """
        self._journal.append("proposed", **entry)
        fresh = [cell for cell in cells if cell.id not in self._known]
        self._journal.append_all(("planned", {"cell": cell.to_json()}) for cell in fresh)
        self.board.add(cells)
        for cell in cells:
            if (result := self._known.get(cell.id)) is not None:
                self._recall(result)

    def _recall(self, result: CellResult) -> None:
        """Put on the board what an earlier plan left of a cell that is wanted again."""
        row = self.board[result.cell.id]
        row.learn(result)
        if result.damage is not None:
            set_log_aside(result.folder / EPOCHS)
        if row.state in (CellState.DROPPED, CellState.SPARED):
            self.retried(row.cell.id)

    def waits(self, cell_id: str) -> None:
        """The cell's trial has ended before the cell: another one goes on with it."""
        epoch = self.board[cell_id].epochs_done
        self._journal.append("waits", cell_id=cell_id, epoch=epoch, at=utc_now())
        self._set(cell_id, CellState.WAITING)

    def ended(self, end: End) -> None:
        """A limit of the search is reached: from here on nothing begins."""
        self._journal.append("ended", by=end.by, limit=end.limit)
        if end.by != "samples":
            self.say(f"search.{end.by} {end.limit:g} is reached: trials end after this epoch")

    def raced(self, entry: Mapping[str, Any]) -> None:
        """A round of a race was decided; this is on disk when it takes effect.

        Args:
            entry: the decision; "dropped" and "spared" have the cells that will never run, with
                the reason.
        """
        self._journal.append("decided", **entry)
        for state in (CellState.DROPPED, CellState.SPARED):
            for cell_id, why in entry[state.value].items():
                self.board[cell_id].message = why
                self._set(cell_id, state)
        self._best.settle(self.board)
        self._outputs.touch()

    def finished(self, cell_id: str, state: CellState) -> None:
        """The cell is done, or was stopped early."""
        seal = seal_of(cell_folder(self.folder, cell_id) / EPOCHS)
        self._journal.append(
            "finished", cell_id=cell_id, state=state.value, **asdict(seal), at=utc_now()
        )
        drop_checkpoint(self.folder, cell_id)
        self._close_cell(cell_id, state)

    def failed(
        self, cell_id: str, state: CellState, message: str, *, keep_checkpoint: bool = False
    ) -> None:
        """The cell failed or diverged.

        Args:
            cell_id: the cell.
            state: which of the two.
            message: why, in one line.
            keep_checkpoint: its worker died and training itself was sound: a retry can go on.
        """
        self._journal.append(
            "failed", cell_id=cell_id, state=state.value, message=message, at=utc_now()
        )
        if not keep_checkpoint:
            drop_checkpoint(self.folder, cell_id)
        self.board[cell_id].message = message
        self._close_cell(cell_id, state)

    def retried(self, cell_id: str) -> None:
        """The cell's worker died, or it failed in an earlier run: it is to run again."""
        self._journal.append("retried", cell_id=cell_id)
        self.board[cell_id].message = None
        self._set(cell_id, CellState.WAITING)

    def tick(self) -> None:
        """Nothing happened."""
        self._outputs.flush()
        self._guard.tick()

    def _close_cell(self, cell_id: str, state: CellState) -> None:
        """What follows from a cell's end: the leader, the weights, the tables."""
        self._set(cell_id, state, tell=False)
        self.ran += 1
        self._best.settle(self.board, cell_id)
        self._outputs.touch()
        self._tell(cell_id)

    def _set(self, cell_id: str, state: CellState, *, tell: bool = True) -> None:
        self.board[cell_id].state = state
        if tell:
            self._tell(cell_id)

    def _tell(self, cell_id: str) -> None:
        self._guard.changed(cell_id)
