"""How far a long step is, a line now and then: silence for a minute reads as a program that hangs.

Room: none, before all of them.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["Progress", "waiting"]

_SECONDS = 5.0  # between two lines, and before the first
_MOST_SECONDS = 60.0  # between two lines of a step whose length nobody knows


@contextmanager
def waiting(
    what: str, say: Callable[[str], None], first: float = _SECONDS, most: float = _MOST_SECONDS
) -> Iterator[None]:
    """Say now and then that a step goes on whose length nobody knows; a quick one says nothing.

    Args:
        what: what is done.
        say: is told the lines, from a thread of its own.
        first: seconds before the first line; each pause is twice as long as the one before.
        most: the longest pause.
    """
    over, start = threading.Event(), time.monotonic()

    def lines() -> None:
        pause = first
        while not over.wait(pause):
            say(f"{what}: {time.monotonic() - start:.0f} s so far")
            pause = min(2 * pause, most)

    thread = threading.Thread(target=lines, daemon=True, name="waiting")
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


class Progress:
    """Counts what is done of a step, and says so every few seconds; a quick step says nothing.

    Args:
        what: what is done to what, as in "tokenised ... texts of train": before the count, after.
        total: how many there are.
        say: is told the lines.
        clock: seconds; a test's own, or the monotonic one.
    """

    def __init__(
        self,
        what: tuple[str, str],
        total: int,
        say: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._what, self._total, self._say, self._clock = what, total, say, clock
        self._done = 0
        self._last = self._start = clock()

    def add(self, count: int) -> None:
        """So many more are done."""
        self._done += count
        now = self._clock()
        if now - self._last < _SECONDS or not self._done:
            return
        self._last = now
        left = (now - self._start) * (self._total - self._done) / self._done
        before, after = self._what
        self._say(
            f"{before} {self._done:,} of {self._total:,} {after}, about {max(left, 0):.0f} s left"
        )
