"""A race as one of Ray Tune's search algorithms: it hands out cells, not settings.

Room: search.
"""

from typing import Any

from ray.tune.search import Searcher

from freelb_tune.search.race import Race
from freelb_tune.search.watch import Watch

__all__ = ["RaceSearcher"]


class RaceSearcher(Searcher):
    """Suggests the cells of a round one by one, and nothing until the last of them is over.

    Args:
        race: decides; it reads the board, which `Watch` keeps, and nothing of Ray's results.
        watch: raises at the end of the step what a decision could not do, such as a full disk.
    """

    def __init__(self, race: Race, watch: Watch) -> None:
        super().__init__()
        self._race, self._watch = race, watch
        self._given: set[str] = set()

    def suggest(self, trial_id: str) -> Any:
        """The next cell; None while the round's last cells run; FINISHED when the race is over."""
        try:
            wanted = self._race.wanted()
        except Exception as err:  # raised again by `Watch`
            self._watch.error = self._watch.error or err
            return Searcher.FINISHED
        if not wanted:
            return Searcher.FINISHED
        free = next((cell_id for cell_id in wanted if cell_id not in self._given), None)
        if free is None:
            return None
        self._given.add(free)
        return {"cell": free}

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Nothing: `Watch` has told the board."""

    def save(self, checkpoint_path: str) -> None:
        """Nothing: the journal has it all, and Ray's files are never read here."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing."""

    def __getstate__(self) -> dict[str, Any]:
        """Nothing: Ray pickles searchers into files that are never read here."""
        return {}
