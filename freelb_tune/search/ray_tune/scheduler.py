"""What follows an epoch, in Ray Tune's words: a scheduler that asks the search's conductor.

Room: search. Ray's own schedulers compare trials, not configurations, and forget what they know
when a search is restored (measured on Ray 2.60). Nor does a trial pause: Ray counts a paused trial
among those that run, so with `max_concurrent: 1` its siblings would never start (measured, too).
"""

from collections.abc import Mapping
from typing import Any

from ray.tune.schedulers import FIFOScheduler, TrialScheduler

from freelb_tune.search.algorithms.frame.conductor import Conductor
from freelb_tune.search.ray_tune.watch import Watch

__all__ = ["CellScheduler"]


class CellScheduler(FIFOScheduler):
    """Ends a trial where its cell is stopped, and where its cell is to wait.

    Args:
        conductor: decides; what it says is on disk when it takes effect.
        watch: raises at the end of the step what a decision could not do, such as a full disk.
    """

    def __init__(self, conductor: Conductor, watch: Watch) -> None:
        super().__init__()
        self._conductor, self._watch = conductor, watch

    def on_trial_result(self, tune_controller: Any, trial: Any, result: Mapping[str, Any]) -> str:
        """Decide on an epoch; the outcome at a trial's end is no epoch."""
        if "epoch" not in result:
            return str(TrialScheduler.CONTINUE)
        try:
            self._watch.fetch(trial.config["cell"], result)
            said = self._conductor.reached(trial.config["cell"], result["epoch"], result["score"])
        except Exception as err:  # raised again by `Watch`
            self._watch.error = self._watch.error or err
            return str(TrialScheduler.CONTINUE)
        return str(TrialScheduler.CONTINUE if said == "continue" else TrialScheduler.STOP)

    def __getstate__(self) -> dict[str, Any]:
        """Nothing: Ray pickles schedulers into files that are never read here."""
        return {}
