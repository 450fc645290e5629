"""Feeds the trackers of a space while its search runs, from a thread of its own.

Room: search, without Ray. A tracker may be slow, or hang, or break: no trial waits for it.
"""

import queue
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from freelb_tune.search.driver.board import Board
from freelb_tune.store import CellState
from freelb_tune.watching.tracking.feed import Feed
from freelb_tune.watching.tracking.registry import present

__all__ = ["Tracking"]


class Tracking:
    """A listener that has trackers shown what changes.

    Args:
        folder: `results/NAME`.
        names: the space's `track`.
        say: is told, in the driver's thread, what there is to say.

    Attributes:
        patience: seconds without progress, at the end, after which nobody waits any more.
    """

    patience = 60.0

    def __init__(self, folder: Path, names: Sequence[str], say: Callable[[str], None]) -> None:
        self._folder, self._say = folder, say
        self._names = names
        self._board: Board | None = None
        self._said: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._news: queue.SimpleQueue[tuple[str, CellState] | None] = queue.SimpleQueue()
        self._feed: Feed | None = None
        self._thread = threading.Thread(target=self._run, name="tracking", daemon=True)

    def opened(self, board: Board) -> None:
        self._board = board
        names = present(self._names, self._said.put)
        if names:
            self._feed = Feed(self._folder, names, self._said.put)
            self._thread.start()
        self.tick()

    def said(self, text: str) -> None: ...

    def changed(self, cell_id: str) -> None:
        if self._board is not None:
            self._news.put((cell_id, self._board[cell_id].state))

    def tick(self) -> None:
        while not self._said.empty():
            self._say(
                f"track: {self._said.get()}; the search goes on, and `freelb-tune track "
                f"{self._folder}` feeds trackers afterwards"
            )

    def closed(self) -> None:
        feed = self._feed
        if feed is None:
            return
        self._news.put(None)
        began = time.monotonic()
        while self._thread.is_alive():
            self._thread.join(0.2)
            if time.monotonic() - max(feed.told, began) > self.patience:
                self._said.put(f"no tracker has taken anything for {self.patience:.0f} seconds")
                break
        self.tick()

    def _run(self) -> None:
        """Show what there is when the first news comes, then the news, in the end all of it."""
        assert self._feed is not None
        try:
            news = self._news.get()
            if news is not None:
                self._feed.everything()
            while news is not None:
                self._feed.news(*news)
                news = self._news.get()
            self._feed.everything(final=True)
            self._feed.close()
        except Exception as err:  # whatever it is, the search goes on
            self._said.put(f"nothing more is tracked ({type(err).__name__}: {err})")
