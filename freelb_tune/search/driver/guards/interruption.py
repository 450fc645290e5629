"""Ctrl-C and SIGTERM: end at a moment that suits, or at once if asked twice.

Room: search, without Ray.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

__all__ = ["Interruption"]

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interruption:
    """Turns both signals into KeyboardInterrupt, or into a flag where someone looks at it.

    Outside the main thread, where Python lets nobody handle signals, it does nothing.
    """

    def __init__(self) -> None:
        self.asked = False
        self._is_watched = False

    @contextmanager
    def handled(self) -> Iterator[None]:
        """Handle the signals inside; what handled them before does so again afterwards."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before: dict[Any, Any] = {number: signal.getsignal(number) for number in _SIGNALS}
        self._install()
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Inside, the first signal only sets `asked`, which the caller looks at often.

        Ray puts its own handler of SIGTERM in place when it starts, so ours are set once more.
        """
        if threading.current_thread() is threading.main_thread():
            self._install()
        self._is_watched = True
        try:
            yield
        finally:
            self._is_watched = False

    def _install(self) -> None:
        for number in _SIGNALS:
            signal.signal(number, self._handle)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        first, self.asked = not self.asked, True
        if not (first and self._is_watched):
            raise KeyboardInterrupt
