"""What both displays say of a search and its cells, in a few words each.

Room: search, without Ray.
"""

from freelb_tune.search.driver.board import Board, Row
from freelb_tune.search.driver.selected.leader import find_leader
from freelb_tune.store import CellState

__all__ = ["count_lines", "counts_of", "duration", "end_of", "progress", "time_left"]


def progress(board: Board) -> str:
    """`[3/12]`: cells over, of all."""
    return f"[{len(board.rows) - len(board.waiting())}/{len(board.rows) + board.coming}]"


def end_of(board: Board, row: Row) -> str:
    """How a cell ended, in words."""
    if row.message:
        return f"{row.state.value}: {row.message}"
    best = row.best_epoch(board.sign)
    if best is None:
        return row.state.value
    top = f"best {board.measure.name} {board.measure.show(best[1])} (epoch {best[0]})"
    return f"{row.state.value} after epoch {row.epochs_done}, {top}"


def counts_of(board: Board) -> str:
    """`12 cells: 3 done, 1 failed, 2 running, 6 not begun; best accuracy 72.92 (adv_lr 0.05)`."""
    return "; ".join(count_lines(board))


def count_lines(board: Board) -> list[str]:
    """How many cells are where, and what leads, a line each."""
    counts = board.counts()
    begun = sum(row.state is CellState.WAITING and bool(row.scores) for row in board.rows.values())
    said = {state.value: counts[state] for state in CellState if state is not CellState.WAITING}
    # those at a rung, and those of an earlier run, have epochs and wait for their turn
    said = {"not begun": counts[CellState.WAITING] - begun, "waiting to go on": begun, **said}
    parts = [f"{count} {word}" for word, count in said.items() if count]
    parts += [f"{board.coming} to be proposed"] if board.coming else []
    total = len(board.rows) + board.coming
    text = f"{total} cell{'s' * (total != 1)}: {', '.join(parts)}"
    leader, name, show = find_leader(board, lambda _: True), board.measure.name, board.measure.show
    if leader is not None and leader.mean is not None:
        word = "seeds" if leader.row.cell.fold is None else "cells"
        over = f", the mean over {leader.seeds} {word}" if leader.seeds > 1 else ""
        config = _configuration(board, leader.row)
        return [text, f"best {name} {show(leader.mean)} ({config}{over})"]
    best = board.best_so_far()
    if best is None:
        return [text]
    score = max(best.scores.values(), key=lambda each: board.sign * each)
    return [text, f"best cell so far: {name} {show(score)} ({board.label[best.cell.id]})"]


def _configuration(board: Board, row: Row) -> str:
    """A cell's label without its seed."""
    seed = f"seed {row.cell.block}"
    label = board.label[row.cell.id]
    return label.removesuffix(f", {seed}") if label != seed else str(row.cell.arm)


def time_left(board: Board) -> str:
    """`about 4 min left`, or nothing before the first epoch of this run."""
    seconds = board.seconds_left()
    return "" if seconds is None or not board.waiting() else f"about {duration(seconds)} left"


def duration(seconds: float) -> str:
    """A time, no more exact than anybody needs it: `40 s`, `12 min`, `3.5 h`."""
    if seconds < 90:
        return f"{5 * round(seconds / 5)} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
