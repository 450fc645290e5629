"""When a search ends by its own settings, before every cell is over: `wall_hours`, `device_hours`.

Room: search, without Ray.
"""

import time
from collections.abc import Callable

from freelb_tune.results.tables.contents.cost import device_hours
from freelb_tune.search.driver.ledger import Ledger
from freelb_tune.space import Space
from freelb_tune.store import End, cell_folder, read_epochs

__all__ = ["Limits"]


class Limits:
    """The hours that a search may take.

    Wall hours count this run alone: the same command, given again, has as many again. Device hours
    count the search, over all of its runs: training and evaluation of the plan's cells, as
    their epochs' logs have it, times the devices of a trial. So an epoch counts once it is over.

    Args:
        space: its search has the limits.
        ledger: its board has the cells.
        clock: seconds; a test's own, or the monotonic one.
    """

    def __init__(
        self, space: Space, ledger: Ledger, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._search, self._resources = space.search, space.resources.model_dump()
        self._ledger, self._clock, self._start = ledger, clock, clock()
        self._hours: dict[str, float] = {}
        if self._search.device_hours is not None:
            for cell_id, row in ledger.board.rows.items():
                if row.scores:
                    self.note(cell_id)

    def note(self, cell_id: str) -> None:
        """A cell has finished an epoch."""
        if self._search.device_hours is not None:
            epochs = read_epochs(cell_folder(self._ledger.folder, cell_id) / "epochs.jsonl")
            self._hours[cell_id] = device_hours(epochs, self._resources)

    def reached(self) -> End | None:
        """The limit that is reached; None while there is time."""
        wall, device = self._search.wall_hours, self._search.device_hours
        if wall is not None and self._clock() - self._start >= wall * 3600:
            return End("wall_hours", wall)
        if device is not None and sum(self._hours.values()) >= device:
            return End("device_hours", device)
        return None
