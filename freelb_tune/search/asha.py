"""Ray's ASHA with a memory: every decision is journaled before it takes effect, and replayed.

Room: search. Ray's scheduler forgets its rungs when a search is restored, and then stops the wrong
trials (measured on Ray 2.60). So the rungs are rebuilt from the journal, and an epoch that was
decided on keeps its decision.
"""

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

from ray.tune.schedulers import AsyncHyperBandScheduler, FIFOScheduler, TrialScheduler

from freelb_tune.search.halving import Decision, Halving
from freelb_tune.search.ledger import Ledger

__all__ = ["JournaledASHA", "Rungs"]


class Rungs:
    """Asynchronous successive halving over epochs, one bracket.

    After `grace_epochs` times a power of `reduction_factor` epochs a cell is compared with those
    that got there before it, and stops if it is not among their best 1 in `reduction_factor`.

    Args:
        halving: the settings, and the decisions to replay.

    Reference:
        Li et al., "A System for Massively Parallel Hyperparameter Tuning", MLSys 2020,
        arXiv:1810.05934. As Ray has it: no trial is paused or promoted.
    """

    def __init__(self, halving: Halving) -> None:
        self._max_epochs = halving.max_epochs
        self._ray = AsyncHyperBandScheduler(
            time_attr="epoch",
            metric="score",
            mode="max" if halving.higher_is_better else "min",
            max_t=halving.max_epochs,
            grace_period=halving.grace_epochs,
            reduction_factor=halving.reduction_factor,
            brackets=1,
        )
        self._trials: dict[str, SimpleNamespace] = {}
        self._known: dict[tuple[str, int], Decision] = {}
        for verdict in halving.known:
            if (verdict.cell_id, verdict.epoch) not in self._known:
                self._ask_ray(verdict.cell_id, verdict.epoch, verdict.score)
                self._known[verdict.cell_id, verdict.epoch] = verdict.decision

    def decide(
        self, cell_id: str, epoch: int, score: float, *, is_last: bool
    ) -> tuple[Decision, bool]:
        """Whether a cell goes on after an epoch.

        Args:
            cell_id: the cell.
            epoch: the epoch it has finished.
            score: its score after that epoch.
            is_last: its training ends by itself here, and a stop would only cut that off.

        Returns:
            The decision, and whether it is new (False: it was made before, in another run or
            before its worker died, and stays).
        """
        known = self._known.get((cell_id, epoch))
        if known is not None:
            return known, False
        asked = self._ask_ray(cell_id, epoch, score)
        decision: Decision = "continue" if is_last else asked
        self._known[cell_id, epoch] = decision
        return decision, True

    def _ask_ray(self, cell_id: str, epoch: int, score: float) -> Decision:
        """Enter a score into the rungs and let Ray's scheduler decide."""
        if cell_id not in self._trials:
            # Rungs are kept by trial id; a cell's id is the same in every run, a trial's is not.
            self._trials[cell_id] = SimpleNamespace(trial_id=cell_id)
            self._ray.on_trial_add(None, self._trials[cell_id])
        result = {"epoch": epoch, "score": score}
        action = self._ray.on_trial_result(None, self._trials[cell_id], result)
        return "stop" if action == TrialScheduler.STOP else "continue"


class JournaledASHA(FIFOScheduler):
    """Puts `Rungs` into Ray Tune.

    Args:
        halving: the settings, and the decisions to replay.
        ledger: writes a decision down before it takes effect; its board knows each cell's epochs.
    """

    def __init__(self, halving: Halving, ledger: Ledger) -> None:
        super().__init__()
        self._rungs = Rungs(halving)
        self._ledger = ledger

    def on_trial_result(self, tune_controller: Any, trial: Any, result: Mapping[str, Any]) -> str:
        """Decide on an epoch; the outcome at a trial's end is no epoch."""
        if "epoch" not in result:
            return str(TrialScheduler.CONTINUE)
        cell_id, epoch, score = trial.config["cell"], result["epoch"], result["score"]
        is_last = epoch == self._ledger.board[cell_id].epochs
        decision, is_new = self._rungs.decide(cell_id, epoch, score, is_last=is_last)
        if is_new:
            self._ledger.decided(cell_id, epoch, score, decision)
        return str(TrialScheduler.STOP if decision == "stop" else TrialScheduler.CONTINUE)

    def __getstate__(self) -> dict[str, Any]:
        """Nothing: Ray pickles schedulers into files that are never read here."""
        return {}
