"""How far a long step is, a line now and then: silence for a minute reads as a program that hangs.

Room: training.
"""

import time
from collections.abc import Callable

__all__ = ["Progress"]

_SECONDS = 5.0  # between two lines, and before the first


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
