"""What Ray's scheduler and searcher ask: the search's algorithm, its sampler and its limits in one.

Room: search, without Ray.
"""

from collections.abc import Callable, Collection, Mapping, Sequence

from freelb_tune.search.algorithms.algorithm import Algorithm, Said
from freelb_tune.search.algorithms.frame.proposals import Proposals
from freelb_tune.search.driver.guards.limits import Limits
from freelb_tune.search.driver.ledger import Ledger
from freelb_tune.search.driver.work import Ready
from freelb_tune.space import Cell
from freelb_tune.store import CellState, End

__all__ = ["Conductor"]

PrepareMore = Callable[[Sequence[Cell]], Mapping[str, Ready]]
"""Reads the data of cells that are proposed while the search runs."""


class Conductor:
    """Hands out an algorithm's cells, has more proposed when all are taken, and ends in time.

    Once a limit on hours is reached no trial begins, and each that runs ends after the epoch that
    it is in: the epoch is kept, its cell waits, and a later run goes on with it. So a search ends
    at most one epoch after its limit.

    Args:
        algorithm: decides which cells run, and how far.
        proposals: what a sampler has proposed, and the next.
        limits: when the search ends all the same.
        ledger: takes everything down.

    Attributes:
        end: the limit that has ended the search, or all that it keeps from running; None if none.
        is_finished: whether no trial is to begin any more, as `next_cell` has found.
    """

    def __init__(
        self, algorithm: Algorithm, proposals: Proposals, limits: Limits, ledger: Ledger
    ) -> None:
        self.end: End | None = None
        self.is_finished = False
        self._algorithm, self._proposals = algorithm, proposals
        self._limits, self._ledger = limits, ledger
        self._held: set[str] = set()
        self._prepare: PrepareMore
        self._expect()

    @property
    def longest(self) -> tuple[Cell, ...]:
        """Cells whose data the proposals need; to be prepared with the others, and not run."""
        return self._proposals.longest if self._proposals.left else ()

    def is_over(self) -> bool:
        """Whether nothing is to be run at all; asked before `prepared`."""
        if self._algorithm.is_over() and not self._proposals.left:
            self._note_samples()
            return True
        return self._is_ended()

    def prepared(self, ready: Mapping[str, Ready], prepare: PrepareMore) -> None:
        """The data is read: from now on trials run.

        Args:
            ready: of the plan's cells as `Algorithm.prepared` asks, and of `longest`.
            prepare: for cells that are proposed.
        """
        self._prepare = prepare
        self._algorithm.prepared(ready)

    def next_cell(self, taken: Collection[str]) -> str | None:
        """The next cell to run; None while others have to end first, or where none is to come.

        Args:
            taken: cells that have a trial.
        """
        while True:
            wanted = self._algorithm.wanted()
            free = next((cell_id for cell_id in wanted if cell_id not in taken), None)
            is_idle = free is None and not self._proposals.left
            if is_idle or self._is_ended():
                self.is_finished = not wanted if is_idle else True
                if is_idle and self.is_finished:
                    self._note_samples()
                return None
            if free is not None:
                return free
            self._propose()

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

    def left(self) -> list[str]:
        """The cells that are not over, though no limit keeps them; asked when no trial runs."""
        self._algorithm.wanted()  # decides by what the last trials brought
        return [] if self.end else self._ledger.board.waiting()

    def _propose(self) -> None:
        """Add a configuration to the plan; none where what was left to propose brought none."""
        cells, board = self._proposals.next_cells(self._ledger), self._ledger.board
        open_ = [cell for cell in cells if not board[cell.id].state.is_over]
        for cell_id, each in (self._prepare(open_) if open_ else {}).items():
            board[cell_id].epochs = each.epochs
        self._algorithm.added(cells)
        self._expect()

    def _expect(self) -> None:
        """Say how much is still to be proposed."""
        self._ledger.board.coming = self._proposals.left * self._proposals.replicates
        self._algorithm.is_growing = self._proposals.left > 0

    def _is_ended(self) -> bool:
        """Whether a limit on hours keeps from running what is left; at first it is written down."""
        if self.end is None:
            self._end(self._limits.reached())
        return self.end is not None

    def _note_samples(self) -> None:
        """Everything is over: where configurations were proposed, their number has ended it."""
        if self.end is None and self._proposals.total:
            self._end(End("samples", self._proposals.total))

    def _end(self, end: End | None) -> None:
        self.end = end
        if end is not None:
            self._ledger.ended(end)
