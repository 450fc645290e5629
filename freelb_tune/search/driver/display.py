"""What is shown while a search runs: a live table of trials, or plain lines where nobody looks.

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
from freelb_tune.search.driver.leader import find_leader
from freelb_tune.store import CellState

__all__ = ["LiveDisplay", "PlainDisplay"]

_PLAIN_SECONDS = 5.0  # between two lines about epochs; a cell's end is always said
_LIVE_SECONDS = 0.25
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


class PlainDisplay:
    """One line for each cell's end, and now and then one for the epochs in between.

    Args:
        console: where to write.
        clock: seconds; a test's own, or the monotonic one.
        now: the time of day that a line begins with, as nohup and CI write down none.
    """

    def __init__(
        self,
        console: Console,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], str] = lambda: time.strftime("%H:%M:%S"),
    ) -> None:
        self._console, self._clock, self._now = console, clock, now
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
            score = board.measure.show(row.scores[row.epochs_done])
            said = filter(None, [f"{epochs}, {board.measure.name} {score}", _left(board)])
            self._print(f"{_progress(board)} {board.label[cell_id]}: {'; '.join(said)}")

    def tick(self) -> None: ...

    def closed(self) -> None:
        if self._board is not None:
            self._print(_counts(self._board))

    def _print(self, text: str) -> None:
        self._last = self._clock()
        self._console.print(Text(f"{self._now()} {text}"), soft_wrap=True)


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
        if row.state in (CellState.FAILED, CellState.DIVERGED):
            self.said(f"{self._board.label[cell_id]}: {_end(self._board, row)}")
        self._draw()

    def tick(self) -> None:
        self._ticks.set()
        self._draw()

    def closed(self) -> None:
        self._ticks.set()
        board, self._board = self._board, None
        self._close()
        if board is not None:
            self.said(_counts(board))

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
        if self._board is None or (not now and clock - self._last < _LIVE_SECONDS):
            return
        said = (_said(self._board), self._time(_left(self._board)), self._console.size)
        if said != self._shown:
            self._show(self._render(self._board))
            self._shown = said
        self._last = clock

    def _time(self, left: str) -> str:
        """`3 min so far; about 4 min left`."""
        return f"{_duration(self._clock() - self._began)} so far{f'; {left}' if left else ''}"

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
        left = _left(board)
        counts = [Text(line) for line in _said_counts(board)]
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
    top = f"best {board.measure.name} {board.measure.show(best[1])} (epoch {best[0]})"
    return f"{row.state.value} after epoch {row.epochs_done}, {top}"


def _said(board: Board) -> object:
    """What the table says: another value when it has news."""
    rows = [(row.state, row.epochs, row.epochs_done) for row in board.rows.values()]
    return rows, board.coming


def _counts(board: Board) -> str:
    """`12 cells: 3 done, 1 failed, 2 running, 6 not begun; best accuracy 72.92 (adv_lr 0.05)`."""
    return "; ".join(_said_counts(board))


def _said_counts(board: Board) -> list[str]:
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


def _left(board: Board) -> str:
    """`about 4 min left`, or nothing before the first epoch of this run."""
    seconds = board.seconds_left()
    return "" if seconds is None or not board.waiting() else f"about {_duration(seconds)} left"


def _duration(seconds: float) -> str:
    """A time, no more exact than anybody needs it: `40 s`, `12 min`, `3.5 h`."""
    if seconds < 90:
        return f"{5 * round(seconds / 5)} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
