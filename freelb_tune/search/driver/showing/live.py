"""A live table of trials on a terminal.

Room: search, without Ray. Reads the board and nothing else.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Event, Thread

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from freelb_tune.search.driver.board import Board, Row
from freelb_tune.search.driver.showing.phrases import (
    count_lines,
    counts_of,
    duration,
    end_of,
    time_left,
)
from freelb_tune.store import CellState

__all__ = ["LiveDisplay"]

_SECONDS = 0.25  # between two drawings
_CLOCK_SECONDS = 5.0  # as exact as a short time is told
_NARROW = 100
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


class LiveDisplay:
    """A table of the running trials and the last ones over, redrawn in place.

    Args:
        console: a terminal.
        clock: seconds; a test's own, or the monotonic one.
        pause: seconds between two looks at it, until trials run.
    """

    def __init__(
        self,
        console: Console,
        clock: Callable[[], float] = time.monotonic,
        pause: float = _CLOCK_SECONDS,
    ) -> None:
        self._console, self._clock, self._pause = console, clock, pause
        self._ticks = Event()
        self._board: Board | None = None
        self._live: Live | None = None
        self._last = self._began = float("-inf")
        self._shown: object = None  # what the table said when it was drawn last
        self._over: list[str] = []  # as they ended in this run, the latest last

    def opened(self, board: Board) -> None:
        self._board, self._began = board, self._clock()
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
        if row.state.is_broken:
            self.said(f"{self._board.label[cell_id]}: {end_of(self._board, row)}")
        self._draw()

    def tick(self) -> None:
        self._ticks.set()
        self._draw()

    def closed(self) -> None:
        self._ticks.set()
        board, self._board = self._board, None
        self._close()
        if board is not None:
            self.said(counts_of(board))

    def _open(self) -> None:
        # The table is drawn by the thread that changes the board.
        self._live = Live(console=self._console, auto_refresh=False, transient=True)
        self._live.start()
        Thread(target=self._pass_time, args=(self._live,), daemon=True, name="clock").start()

    def _pass_time(self, live: Live) -> None:
        """Show the seconds pass until trials run: a step before may take minutes, and nobody ticks.

        What was drawn last is drawn again, the board is not read.
        """
        while not self._ticks.wait(self._pause):
            live.refresh()

    def _show(self, table: RenderableType) -> None:
        assert self._live is not None  # opened
        self._live.update(table, refresh=True)

    def _close(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _draw(self, *, now: bool = False) -> None:
        """Draw what has changed, and not more often than an eye can follow."""
        clock = self._clock()
        if self._board is None or (not now and clock - self._last < _SECONDS):
            return
        said = (_said(self._board), self._time(time_left(self._board)), self._console.size)
        if said != self._shown:
            self._show(self._render(self._board))
            self._shown = said
        self._last = clock

    def _time(self, left: str) -> str:
        """`3 min so far; about 4 min left`."""
        return f"{duration(self._clock() - self._began)} so far{f'; {left}' if left else ''}"

    def _render(self, board: Board) -> RenderableType:
        """Running trials first, then the latest that are over, as many as the screen takes."""
        each = 2 if self._console.width < _NARROW else 1  # lines that a cell's name may take
        room = max((self._console.height - 8) // each, 4)
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
        bar = Table.grid()  # on a line of its own, which a bar alone is not
        bar.add_row(ProgressBar(total=max(total, 1), completed=done, width=30))
        left = time_left(board)
        counts = [Text(line) for line in count_lines(board)]
        return Group(table, bar, *counts, _Clock(lambda: self._time(left)))


@dataclass(frozen=True)
class _Clock:
    """A line that says the time of its drawing."""

    say: Callable[[], str]

    def __rich__(self) -> Text:
        return Text(self.say())


def _columns(board: Board, row: Row) -> list[RenderableType]:
    """One line of the live table."""
    epochs = f"{row.epochs_done}/{row.epochs}" if row.epochs else str(row.epochs_done)
    score = board.measure.show(row.scores[row.epochs_done]) if row.scores else "-"
    best = board.best_score(row.cell.id)
    return [
        Text(board.label[row.cell.id], overflow="fold"),  # all of it: it tells cells apart
        Text(row.state.value + _silence(row), style=_STYLES[row.state]),
        epochs,
        score,
        "-" if best is None else board.measure.show(best),
    ]


def _silence(row: Row) -> str:
    """`, silent for 12 min` of a trial of which nothing was heard for a while."""
    minutes = int(row.silent // 60) if row.state is CellState.RUNNING else 0
    return f", silent for {minutes} min" if minutes else ""


def _said(board: Board) -> object:
    """What the table says: another value when it has news."""
    rows = [(row.state, row.epochs, row.epochs_done) for row in board.rows.values()]
    return rows, board.coming
