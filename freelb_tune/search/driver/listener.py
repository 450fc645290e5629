"""Who is told how a search goes: a protocol, one that stays silent, and a guard around all.

Room: search, without Ray.
"""

import logging
from collections.abc import Callable
from typing import Protocol

from freelb_tune.search.driver.board import Board

__all__ = ["Guard", "Listener", "Silent"]

_log = logging.getLogger(__name__)


class Listener(Protocol):
    """Is told what happens, in the driver, between the scheduler's steps; must be quick."""

    def opened(self, board: Board) -> None:
        """The search begins; `board` stays up to date until `closed`."""

    def said(self, text: str) -> None:
        """One line for the reader: what runs where, the dashboard's address."""

    def changed(self, cell_id: str) -> None:
        """A cell started, finished an epoch or is over; the board says what."""

    def tick(self) -> None:
        """Nothing new; called about ten times a second while trials run."""

    def closed(self) -> None:
        """The search is over, for whatever reason."""


class Silent:
    """A listener that shows nothing."""

    def opened(self, board: Board) -> None: ...

    def said(self, text: str) -> None: ...

    def changed(self, cell_id: str) -> None: ...

    def tick(self) -> None: ...

    def closed(self) -> None: ...


class Guard:
    """Tells listeners, and keeps a search alive when one of them breaks.

    The first exception of a listener is logged with its traceback, and it is told nothing more. The
    end is told in reverse order, so that the display is there for what the others say at the end.

    Args:
        listeners: the first is the display.
    """

    def __init__(self, *listeners: Listener) -> None:
        self._listeners = list(listeners)

    def add(self, listener: Listener, board: Board | None = None) -> None:
        """Tell one more from now on; a board says that the search has begun already."""
        self._listeners.append(listener)
        if board is not None:
            self._guarded(listener, lambda each: each.opened(board))

    def drop(self, listener: Listener) -> None:
        """Tell one no more."""
        if listener in self._listeners:
            self._listeners.remove(listener)

    def opened(self, board: Board) -> None:
        self._tell(lambda each: each.opened(board))

    def said(self, text: str) -> None:
        self._tell(lambda each: each.said(text))

    def changed(self, cell_id: str) -> None:
        self._tell(lambda each: each.changed(cell_id))

    def tick(self) -> None:
        self._tell(lambda each: each.tick())

    def closed(self) -> None:
        self._listeners.reverse()
        self._tell(lambda each: each.closed())

    def _tell(self, call: Callable[[Listener], None]) -> None:
        for each in list(self._listeners):
            self._guarded(each, call)

    def _guarded(self, listener: Listener, call: Callable[[Listener], None]) -> None:
        try:
            call(listener)
        except Exception:  # a display must never cost a trial
            self.drop(listener)
            _log.exception("the display broke; the search goes on without it")
