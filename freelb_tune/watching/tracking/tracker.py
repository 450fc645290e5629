"""What every tracker does: keep one run per cell, as it is now.

Room: watching.
"""

from typing import Protocol

from freelb_tune.watching.tracking.run import Run

__all__ = ["Tracker"]


class Tracker(Protocol):
    """Keeps runs where its readers look for them. Called from one thread; may take its time.

    A search may be killed at any moment, between two lines of `show` too. So a tracker looks at
    what it has, and never at what it remembers to have written.
    """

    def show(self, run: Run) -> None:
        """Have the run as it is now; what is there already is not written again.

        Whatever is raised ends the tracker for this search, and nothing else.
        """

    def close(self) -> None:
        """Let go of what is open; the search is over."""
