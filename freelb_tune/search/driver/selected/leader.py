"""Which cell's model is selected, and which others may still be selected later.

Room: search, without Ray. Configurations are ranked as the table ranks them, clean arms among
them, and the first is selected: a single cell that scores higher, of a configuration that does
not, is luck.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from freelb_tune.results.tables.contents.ranking import Standing, counts, standing
from freelb_tune.search.driver.board import Board, Row
from freelb_tune.store import CellState

__all__ = ["Leader", "find_leader", "may_lead"]

_UNDER_WAY = (CellState.WAITING, CellState.RUNNING)


@dataclass(frozen=True)
class Leader:
    """The selected cell.

    Attributes:
        row: the cell: the best seed of its configuration, among those that have weights.
        mean: its configuration's mean over seeds; None where no configuration is complete, so that
            this is only the best cell that is done.
        seeds: how many seeds that is the mean of.
        passed: a better seed of the same configuration, whose weights are gone; None if there is
            none.
    """

    row: Row
    mean: float | None
    seeds: int
    passed: Row | None = None

    @property
    def is_clean(self) -> bool:
        """Whether it was trained without perturbation."""
        return self.row.cell.arm == "clean"


def find_leader(
    board: Board, has_weights: Callable[[str], bool], *, clean: bool = True
) -> Leader | None:
    """The best seed of the configuration with the best mean, in whatever order cells ended.

    Of equals the first in the plan leads. Where seeds were added to a configuration that had
    fallen behind, its earlier seeds have no weights any more, and the best of the others stands
    for it.

    Args:
        board: states and scores.
        has_weights: whether a cell's weights are still there.
        clean: whether clean arms may lead.

    Returns:
        None before any such cell is done.
    """
    arms = [rows for rows in board.arms.values() if clean or rows[0].cell.arm != "clean"]
    placed = [(_standing(board, rows), rows) for rows in arms]
    first, rows = min(placed, key=lambda pair: pair[0].order, default=(None, []))
    if first is not None and first.is_complete:
        done = _done(rows)
        best, chosen = _best(board, done), _best(board, _whole(done, has_weights))
        passed = best if best is not chosen else None
        return Leader(chosen, board.sign * first.goodness, len(done), passed)
    pool = _whole([row for rows in arms for row in _done(rows)], has_weights)
    return Leader(_best(board, pool), None, 0) if pool else None


def may_lead(board: Board, has_weights: Callable[[str], bool]) -> set[str]:
    """The cells whose weights are worth their room for now.

    They are the best seeds of configurations that are under way: each has seeds to come, and none
    that is lost, so it may be the first in the table once it is complete.
    """
    kept = set()
    for rows in board.arms.values():
        done, coming = _done(rows), [row for row in rows if row.state in _UNDER_WAY]
        if done and coming and len(done) + len(coming) == sum(counts(row.state) for row in rows):
            kept.add(_best(board, _whole(done, has_weights)).cell.id)
    return kept


def _whole(rows: Sequence[Row], has_weights: Callable[[str], bool]) -> Sequence[Row]:
    """The cells whose weights are there; all of them where none has any."""
    return [row for row in rows if has_weights(row.cell.id)] or rows


def _done(rows: Sequence[Row]) -> list[Row]:
    return [row for row in rows if _is_done(row)]


def _is_done(row: Row) -> bool:
    return row.state is CellState.DONE and bool(row.scores)


def _standing(board: Board, rows: Sequence[Row]) -> Standing:
    scores = [board.selected(row) if _is_done(row) else None for row in rows]
    return standing(zip([row.state for row in rows], scores, strict=True), board.sign)


def _best(board: Board, rows: Sequence[Row]) -> Row:
    return max(rows, key=lambda row: (board.sign * board.selected(row), -row.place))
