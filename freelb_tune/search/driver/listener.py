"""Who is told how a search goes: a protocol, one that stays silent, and a guard around any.

Room: search, without Ray.
"""

import logging
from collections.abc import Callable
from typing import ParamSpec, Protocol

from freelb_tune.search.driver.board import Board

__all__ = ["Guard", "Listener", "Silent"]

_Args = ParamSpec("_Args")
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
    """Tells a listener, and keeps a search alive when the listener breaks.

    The first exception is logged with its traceback and the listener is told nothing more.
    """

    def __init__(self, listener: Listener) -> None:
        self.listener = listener
        self._broken = False

    def tell(self, call: Callable[_Args, None], *args: _Args.args, **named: _Args.kwargs) -> None:
        """Call one of the listener's methods, unless the listener broke before."""
        if self._broken:
            return
        try:
            call(*args, **named)
        except Exception:  # a display must never cost a trial
            self._broken = True
            _log.exception("the display broke; the search goes on without it")
