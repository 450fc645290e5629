"""Which cell's model is selected, and which others may still be selected later.

Room: search, without Ray. Configurations are ranked as the table ranks them, clean arms among
them, and the first is selected: a single cell that scores higher, of a configuration that does
not, is luck.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from freelb_tune.results.tables.contents.ranking import counts, standing
from freelb_tune.search.driver.board import Arm, Board, Row
from freelb_tune.store import CellState

__all__ = ["Leader", "find_leader", "may_lead"]


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
    rows_of = board.arms.values()
    arms = [_arm(board, rows) for rows in rows_of if clean or rows[0].cell.arm != "clean"]
    first = min(arms, key=lambda arm: arm.standing.order, default=None)
    if first is not None and first.standing.is_complete:
        best = _best(board, first.done)
        chosen = _best(board, _whole(first.done, has_weights))
        passed = best if best is not chosen else None
        return Leader(chosen, board.sign * first.standing.goodness, len(first.done), passed)
    pool = _whole([row for arm in arms for row in arm.done], has_weights)
    return Leader(_best(board, pool), None, 0) if pool else None


def may_lead(board: Board, has_weights: Callable[[str], bool]) -> set[str]:
    """The cells whose weights are worth their room for now.

    They are the best seeds of configurations that are under way: each has seeds to come, and none
    that is lost, so it may be the first in the table once it is complete.
    """
    arms = [_arm(board, rows) for rows in board.arms.values()]
    return {_best(board, _whole(arm.done, has_weights)).cell.id for arm in arms if arm.is_under_way}


def _whole(rows: Sequence[Row], has_weights: Callable[[str], bool]) -> Sequence[Row]:
    """The cells whose weights are there; all of them where none has any."""
    return [row for row in rows if has_weights(row.cell.id)] or rows


def _arm(board: Board, rows: Sequence[Row]) -> Arm:
    """What there is to say of a configuration's cells; worked out again where a state is new.

    Each cell's end asks after every configuration, and one of them has changed.
    """
    states = [row.state for row in rows]
    known = board.known_arms.get(rows[0].cell.config_id)
    if known is None or known.states != states:
        scores = [board.selected(row) if _is_done(row) else None for row in rows]
        done = [row for row, score in zip(rows, scores, strict=True) if score is not None]
        coming = sum(not state.is_over for state in states)
        known = Arm(
            states,
            standing(zip(states, scores, strict=True), board.sign),
            done,
            bool(done and coming) and len(done) + coming == sum(map(counts, states)),
        )
        board.known_arms[rows[0].cell.config_id] = known
    return known


def _is_done(row: Row) -> bool:
    return row.state is CellState.DONE and bool(row.scores)


def _best(board: Board, rows: Sequence[Row]) -> Row:
    return max(rows, key=lambda row: (board.sign * board.selected(row), -row.place))
