"""What is shown while a search runs: a live table of trials, or plain lines where nobody looks.

Room: search, without Ray. Reads the board and nothing else.
"""

import time
from collections.abc import Callable

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from freelb_tune.search.driver.board import Board, Row
from freelb_tune.search.driver.leader import find_leader
from freelb_tune.search.driver.listener import Listener
from freelb_tune.store import CellState

__all__ = ["LiveDisplay", "PlainDisplay", "make_display"]

_PLAIN_SECONDS = 5.0  # between two lines about epochs; a cell's end is always said
_LIVE_SECONDS = 0.25
_STYLES = {
    CellState.WAITING: "dim",
    CellState.RUNNING: "cyan",
    CellState.DONE: "green",
    CellState.STOPPED: "yellow",
    CellState.FAILED: "red",
    CellState.DIVERGED: "red",
    CellState.DROPPED: "dim",
    CellState.SPARED: "dim",
}


def make_display(console: Console | None = None) -> Listener:
    """A live table on a terminal or in a notebook, plain lines elsewhere; on stderr by default."""
    console = console or Console(stderr=True)
    if console.is_jupyter:
        from freelb_tune.search.driver.notebook import NotebookDisplay

        return NotebookDisplay()
    return LiveDisplay(console) if console.is_terminal else PlainDisplay(console)


class PlainDisplay:
    """One line for each cell's end, and now and then one for the epochs in between.

    Args:
        console: where to write.
        clock: seconds; a test's own, or the monotonic one.
    """

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self._console, self._clock = console, clock
        self._board: Board | None = None
        self._last = float("-inf")

    def opened(self, board: Board) -> None:
        self._board = board
        self._print(_counts(board))

    def said(self, text: str) -> None:
        self._print(text)

    def changed(self, cell_id: str) -> None:
        board = self._board
        if board is None:
            return
        row = board[cell_id]
        if row.state.is_over:
            self._print(f"{_progress(board)} {board.label[cell_id]}: {_end(board, row)}")
        elif row.scores and self._clock() - self._last >= _PLAIN_SECONDS:
            epochs = f"epoch {row.epochs_done}" + (f" of {row.epochs}" if row.epochs else "")
            score = row.scores[row.epochs_done]
            left = _left(board)
            self._print(f"{_progress(board)} {board.label[cell_id]}: {epochs}, {score:.4f}{left}")

    def tick(self) -> None: ...

    def closed(self) -> None:
        if self._board is not None:
            self._print(_counts(self._board))

    def _print(self, text: str) -> None:
        self._last = self._clock()
        self._console.print(Text(text), soft_wrap=True)


class LiveDisplay:
    """A table of the running trials and the last ones over, redrawn in place.

    Args:
        console: a terminal.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._board: Board | None = None
        self._live: Live | None = None
        self._last = float("-inf")
        self._over: list[str] = []  # as they ended in this run, the latest last

    def opened(self, board: Board) -> None:
        self._board = board
        self._open()
        self._draw(now=True)

    def said(self, text: str) -> None:
        self._console.print(Text(text), soft_wrap=True)

    def changed(self, cell_id: str) -> None:
        if self._board is None:
            return
        row = self._board[cell_id]
        if row.state.is_over:
            self._over.append(cell_id)
        if row.state in (CellState.FAILED, CellState.DIVERGED):
            self.said(f"{self._board.label[cell_id]}: {_end(self._board, row)}")
        self._draw()

    def tick(self) -> None:
        self._draw()

    def closed(self) -> None:
        board, self._board = self._board, None
        self._close()
        if board is not None:
            self.said(_counts(board))

    def _open(self) -> None:
        # No refresh thread: the table is drawn by the thread that changes the board.
        self._live = Live(console=self._console, auto_refresh=False, transient=True)
        self._live.start()

    def _show(self, table: RenderableType) -> None:
        assert self._live is not None  # opened
        self._live.update(table, refresh=True)

    def _close(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _draw(self, *, now: bool = False) -> None:
        if self._board is not None and (now or time.monotonic() - self._last >= _LIVE_SECONDS):
            self._show(self._render(self._board))
            self._last = time.monotonic()

    def _render(self, board: Board) -> RenderableType:
        """Running trials first, then the latest that are over, as many as the screen takes."""
        room = max(self._console.height - 8, 4)
        running = [row for row in board.rows.values() if row.state is CellState.RUNNING]
        over = [board[cell_id] for cell_id in reversed(self._over)]
        shown = (running + [row for row in over if row.state.is_over])[:room]
        table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
        for name in ("cell", ""):
            table.add_column(name)
        for name in ("epoch", "score", "best"):
            table.add_column(name, justify="right")
        for row in shown:
            table.add_row(*_columns(board, row))
        done = len(board.rows) - len(board.waiting())
        total = len(board.rows) + board.coming
        bar = ProgressBar(total=max(total, 1), completed=done, width=30)
        return Group(table, bar, Text(_counts(board) + _left(board)))


def _columns(board: Board, row: Row) -> list[RenderableType]:
    """One line of the live table."""
    epochs = f"{row.epochs_done}/{row.epochs}" if row.epochs else str(row.epochs_done)
    score = f"{row.scores[row.epochs_done]:.4f}" if row.scores else "-"
    best = board.best_score(row.cell.id)
    return [
        Text(board.label[row.cell.id], overflow="ellipsis", no_wrap=True),
        Text(row.state.value, style=_STYLES[row.state]),
        epochs,
        score,
        "-" if best is None else f"{best:.4f}",
    ]


def _progress(board: Board) -> str:
    """`[3/12]`: cells over, of all."""
    return f"[{len(board.rows) - len(board.waiting())}/{len(board.rows) + board.coming}]"


def _end(board: Board, row: Row) -> str:
    """How a cell ended, in words."""
    if row.message:
        return f"{row.state.value}: {row.message}"
    best = row.best_epoch(board.sign)
    if best is None:
        return row.state.value
    return f"{row.state.value} after epoch {row.epochs_done}, best {best[1]:.4f} (epoch {best[0]})"


def _counts(board: Board) -> str:
    """`12 cells: 3 done, 1 failed, 2 running, 6 waiting; best 0.7292 (adv_lr 0.05)`."""
    counts = board.counts()
    parts = [f"{counts[state]} {state.value}" for state in CellState if counts[state]]
    parts += [f"{board.coming} to be proposed"] if board.coming else []
    total = len(board.rows) + board.coming
    text = f"{total} cell{'s' * (total != 1)}: {', '.join(parts)}"
    leader = find_leader(board, lambda _: True)
    if leader is not None and leader.mean is not None:
        over = f", the mean over {leader.seeds} seeds" if leader.seeds > 1 else ""
        return f"{text}; best {leader.mean:.4f} ({_configuration(board, leader.row)}{over})"
    best = board.best_so_far()
    if best is None:
        return text
    score = board.best_score(best.cell.id)
    return f"{text}; best cell so far {score:.4f} ({board.label[best.cell.id]})"


def _configuration(board: Board, row: Row) -> str:
    """A cell's label without its seed."""
    seed = f"seed {row.cell.seed}"
    label = board.label[row.cell.id]
    return label.removesuffix(f", {seed}") if label != seed else str(row.cell.arm)


def _left(board: Board) -> str:
    """`; about 4 min left`, or nothing before the first epoch of this run."""
    seconds = board.seconds_left()
    if seconds is None or not board.waiting():
        return ""
    if seconds < 90:
        return f"; about {seconds:.0f} s left"
    if seconds < 5400:
        return f"; about {seconds / 60:.0f} min left"
    return f"; about {seconds / 3600:.1f} h left"
