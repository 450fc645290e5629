"""Which cell runs next, as one of Ray Tune's search algorithms: it hands out cells, not settings.

Room: search.
"""

from collections.abc import Callable
from typing import Any

from ray.tune.search import Searcher

from freelb_tune.search.algorithms.frame.conductor import Conductor
from freelb_tune.search.ray_tune.watch import Watch

__all__ = ["CellSearcher"]


class CellSearcher(Searcher):
    """Suggests the cells that may run one by one, and nothing while all of them run.

    A cell whose trial has ended may be suggested again, for another trial to go on with it.

    Args:
        conductor: reads the board, which `Watch` keeps, and nothing of Ray's results.
        config: the configuration of a cell's trial, by the cell's id; `cell` is the id.
        watch: raises at the end of the step what a decision could not do, such as a full disk.
    """

    def __init__(
        self, conductor: Conductor, config: Callable[[str], dict[str, Any]], watch: Watch
    ) -> None:
        super().__init__()
        self._conductor, self._config, self._watch = conductor, config, watch
        self._given: dict[str, str] = {}

    def suggest(self, trial_id: str) -> Any:
        """The next cell; None while others have to end first; FINISHED when all is over."""
        try:
            free = self._conductor.next_cell(set(self._given.values()))
        except Exception as err:  # raised again by `Watch`
            self._watch.error = self._watch.error or err
            return Searcher.FINISHED
        if free is None:
            return Searcher.FINISHED if self._conductor.is_finished else None
        self._given[trial_id] = free
        return self._config(free)

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """The trial runs no more; `Watch` has told the board, or does so before the next step."""
        self._given.pop(trial_id, None)

    def save(self, checkpoint_path: str) -> None:
        """Nothing: the journal has it all, and Ray's files are never read here."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing."""

    def __getstate__(self) -> dict[str, Any]:
        """Nothing: Ray pickles searchers into files that are never read here."""
        return {}
