"""Plain lines, where nobody looks at a terminal: a file, nohup, CI.

Room: search, without Ray. Reads the board and nothing else.
"""

import time
from collections.abc import Callable

from rich.console import Console
from rich.text import Text

from freelb_tune.search.driver.board import Board
from freelb_tune.search.driver.showing.phrases import counts_of, end_of, progress, time_left

__all__ = ["PlainDisplay"]

_SECONDS = 5.0  # between two lines about epochs; a cell's end is always said


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
        self._print(counts_of(board))

    def said(self, text: str) -> None:
        self._print(text)

    def changed(self, cell_id: str) -> None:
        board = self._board
        if board is None:
            return
        row = board[cell_id]
        if row.state.is_over:
            self._print(f"{progress(board)} {board.label[cell_id]}: {end_of(board, row)}")
        elif row.scores and self._clock() - self._last >= _SECONDS:
            epochs = f"epoch {row.epochs_done}" + (f" of {row.epochs}" if row.epochs else "")
            score = board.measure.show(row.scores[row.epochs_done])
            said = filter(None, [f"{epochs}, {board.measure.name} {score}", time_left(board)])
            self._print(f"{progress(board)} {board.label[cell_id]}: {'; '.join(said)}")

    def tick(self) -> None: ...

    def closed(self) -> None:
        if self._board is not None:
            self._print(counts_of(self._board))

    def _print(self, text: str) -> None:
        self._last = self._clock()
        self._console.print(Text(f"{self._now()} {text}"), soft_wrap=True)
