"""How long each running trial has been silent, and which for too long.

Room: search, without Ray. A trial is heard when it starts, at each epoch, and by the sign of life
that its process gives while it takes steps.
"""

import time
from collections.abc import Callable, Mapping
from pathlib import Path

from freelb_tune.store import cell_folder
from freelb_tune.store.cells.pulse import last_beat

__all__ = ["FIRST", "LEAST", "Silence"]

FIRST = 1800.0
"""Seconds without a step or an epoch that are too long before a cell's first epoch."""

LEAST = 60.0
"""Seconds that are never too long: a machine may sleep, swap or write for so long."""

_LOOK = 5.0  # seconds between two looks at the signs of life, which lie on disk


class Silence:
    """Keeps the time of each running trial.

    Args:
        folder: the results folder.
        factor: how many times its longest epoch a trial may be silent; None for ever.
        clock: seconds; a test's own, or the monotonic one.
    """

    def __init__(
        self, folder: Path, factor: float | None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._folder, self._factor, self._clock = folder, factor, clock
        self._heard: dict[str, float] = {}
        self._beats: dict[str, int | None] = {}
        self._longest: dict[str, float] = {}
        self._looked = clock()

    def began(self, cell_id: str) -> None:
        """A trial has started, maybe not for the first time."""
        self._heard[cell_id] = self._clock()

    def heard(self, cell_id: str, seconds: float) -> None:
        """A trial has told an epoch that took so long."""
        self._heard[cell_id] = self._clock()
        self._longest[cell_id] = max(seconds, self._longest.get(cell_id, 0.0))

    def ended(self, cell_id: str) -> None:
        """A trial runs no more."""
        self._heard.pop(cell_id, None)
        self._beats.pop(cell_id, None)

    def seconds(self) -> Mapping[str, float]:
        """How long nothing was heard, by cell."""
        now = self._clock()
        if now - self._looked >= _LOOK:
            self._looked = now
            for cell_id in self._heard:
                beat = last_beat(cell_folder(self._folder, cell_id))
                if beat != self._beats.get(cell_id):
                    self._beats[cell_id], self._heard[cell_id] = beat, now
        return {cell_id: now - since for cell_id, since in self._heard.items()}

    def too_long(self) -> Mapping[str, float]:
        """Of which trials nothing was heard for too long, and for how long."""
        if self._factor is None:
            return {}
        return {cell: time for cell, time in self.seconds().items() if time > self._limit(cell)}

    def _limit(self, cell_id: str) -> float:
        longest = self._longest.get(cell_id)
        if longest is None or self._factor is None:
            return FIRST
        return max(LEAST, self._factor * longest)
