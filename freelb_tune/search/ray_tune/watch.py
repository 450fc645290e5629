"""Ray Tune's callback: turns what Ray says of trials into what the ledger says of cells.

Room: search. Driver's side.
"""

import os
import re
import signal
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import ray
from ray import tune

from freelb_tune.errors import DiskError
from freelb_tune.search.algorithms.frame.conductor import Conductor
from freelb_tune.search.driver.guards.gpu_memory import group_of, wait_until_free
from freelb_tune.search.driver.guards.silence import Silence
from freelb_tune.search.driver.ledger import Ledger
from freelb_tune.search.ray_tune.machines.lifeline import Lifeline
from freelb_tune.search.ray_tune.workers.last_words import read_last_words
from freelb_tune.search.ray_tune.workers.trial import AGAIN, MACHINE, OUTCOME
from freelb_tune.store import CellState, cell_folder
from freelb_tune.store.cells.pulse import is_here, process_of
from freelb_tune.store.trial_places import TrialPlaces

__all__ = ["Watch"]


class Watch(tune.Callback):
    """Writes down what happens to trials.

    Ray swallows exceptions of some of these methods and wraps those of others, so the first one
    (a full disk, say) is kept and raised as it was at the end of the step.

    Args:
        ledger: takes it all down.
        conductor: says what becomes of a cell whose trial it ended.
        should_stop: whether the user asked to end; looked at after each step.
        silence: says which trials hang.
        lifeline: says whether Ray lives.
        places: where trials keep their cells; None where they do in the results folder.
    """

    def __init__(
        self,
        ledger: Ledger,
        conductor: Conductor,
        should_stop: Callable[[], bool],
        silence: Silence,
        lifeline: Lifeline,
        places: TrialPlaces | None = None,
    ) -> None:
        self.error: Exception | None = None
        self._ledger = ledger
        self._conductor = conductor
        self._should_stop = should_stop
        self._actors: dict[str, Any] = {}
        self._breaks: Counter[str] = Counter()
        self._silence = silence
        self._lifeline = lifeline
        self._places = places
        self._hung: dict[str, float] = {}

    def fetch(self, cell_id: str, result: Mapping[str, Any]) -> None:
        """Have in the results folder what an epoch has left elsewhere; asked before the decision.

        Raises:
            FreeLBTuneError: the place does not answer, or is damaged.
        """
        if self._places is not None:
            self._places.fetch(cell_id, epoch=None if AGAIN in result else result["epoch"])

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self._actors[trial.config["cell"]] = trial.temporary_state.ray_actor
        self._silence.began(trial.config["cell"])
        self._keep(self._ledger.started, trial.config["cell"])

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        if "epoch" in result:
            cell_id = trial.config["cell"]
            self._silence.heard(cell_id, result["train_seconds"] + result["eval_seconds"])
            if AGAIN in result:
                self._keep(self._ledger.begins_again, cell_id, result[AGAIN])
            self._keep(self._ledger.add_epoch, cell_id, result["epoch"], result["score"])

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self._is_gone(trial)
        self._keep(self._complete, trial)

    def on_trial_recover(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self._is_gone(trial)
        cell_id = trial.config["cell"]
        self.note_death()  # then it is no trial's own doing
        self._breaks[cell_id] += 1
        self._keep(self._ledger.retried, cell_id)
        label = self._ledger.board.label[cell_id]
        self._keep(self._ledger.say, f"{label}: {self._why(trial)}; it goes on from its last epoch")

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self._is_gone(trial)
        cell_id = trial.config["cell"]
        self.note_death()
        self._breaks[cell_id] += 1
        count = self._breaks[cell_id]
        message = f"{self._why(trial)} ({'once' if count == 1 else f'{count} times'})"
        if self._places is not None:
            self._keep(self._places.fetch, cell_id)
        self._keep(
            lambda: self._ledger.failed(cell_id, CellState.FAILED, message, keep_checkpoint=True)
        )

    def on_step_end(self, iteration: int, trials: list[Any], **info: Any) -> None:
        self.note_death()
        if self._lifeline.error is not None:
            raise self._lifeline.error  # no call to Ray any more
        for cell_id, seconds in self._silence.too_long().items():
            self._end_hung(cell_id, seconds)
        self._ledger.board.note_silence(self._silence.seconds())
        self._keep(self._ledger.tick)
        if self.error is not None:
            raise self.error
        if self._should_stop():
            raise KeyboardInterrupt  # no Exception: Ray leaves its loop without waiting for trials

    def note_death(self) -> None:
        """Where Ray has died, that is what there is to say, whatever else was met since."""
        self.error = self._lifeline.look() or self.error

    def kill_actors(self) -> None:
        """End the workers of running trials at once; all they know is on disk."""
        if self._lifeline.error is not None:
            self._actors.clear()  # a call to a dead Ray waits for a minute
        for actor in self._actors.values():
            if actor is not None:
                ray.kill(actor)
        self._actors.clear()

    def _end_hung(self, cell_id: str, seconds: float) -> None:
        """End the process of a trial that hangs; Ray then starts the trial again, or gives it up.

        Ray asks a worker to end. One that the system has stopped, or that waits inside a driver of
        its device, hears nothing of it; and one that Ray wakes up for it may train on. Then its GPU
        gets half a minute to be free, before Ray can start anything there.
        """
        self._hung[cell_id] = seconds
        self._silence.ended(cell_id)  # once
        pid = process_of(cell_folder(self._ledger.folder, cell_id))
        group = set() if pid is None else group_of(pid)
        if pid is not None:
            with suppress(ProcessLookupError):
                if os.getpgid(pid) == pid:  # Ray gives each worker a group of its own
                    os.killpg(pid, signal.SIGKILL)
                os.kill(pid, signal.SIGKILL)
        actor = self._actors.get(cell_id)
        if actor is not None:
            ray.kill(actor)
        for held in sorted(wait_until_free(group)) if group else ():
            self._ledger.say(
                f"{self._ledger.board.label[cell_id]}: its process {held} was killed and still "
                "holds memory of a GPU (nvidia-smi); the next trial there may find too little"
            )

    def _is_gone(self, trial: Any) -> None:
        self._actors.pop(trial.config["cell"], None)
        self._silence.ended(trial.config["cell"])

    def _why(self, trial: Any) -> str:
        """Why a trial broke off without telling an outcome, in one line."""
        seconds = self._hung.pop(trial.config["cell"], None)
        if seconds is None:
            return _why(trial, cell_folder(self._ledger.folder, trial.config["cell"]))
        long = f"{seconds / 60:.0f} minutes" if seconds >= 120 else f"{seconds:.0f} seconds"
        return f"it hung: nothing was heard of it for {long}, and its process was ended"

    def __getstate__(self) -> dict[str, Any]:
        """Nothing: Ray pickles callbacks into files that are never read here."""
        return {}

    def _complete(self, trial: Any) -> None:
        """A trial told its outcome, or the scheduler ended it."""
        cell_id, last = trial.config["cell"], trial.last_result
        if last.get(OUTCOME) == MACHINE:  # no trial would fare better
            self._ledger.waits(cell_id)
            raise DiskError(last["message"])
        state = CellState(last[OUTCOME]) if OUTCOME in last else self._conductor.end_of(cell_id)
        if self._places is not None:
            is_wanted = state is CellState.DONE and self._ledger.wants_model(cell_id)
            self._places.fetch(cell_id, model=is_wanted)
        if state is CellState.WAITING:
            self._ledger.waits(cell_id)
        elif state.is_broken:
            self._ledger.failed(cell_id, state, last["message"])
        else:
            self._ledger.finished(cell_id, state)
        if self._places is not None and state is not CellState.WAITING:
            self._places.drop(cell_id)

    def _keep(self, call: Callable[..., object], *args: Any) -> None:
        """Call, and keep the first exception for the end of the step; after it nothing is said."""
        if self.error is not None:
            return
        try:
            call(*args)
        except Exception as err:  # raised again in `on_step_end`
            self.error = err


def _why(trial: Any, home: Path) -> str:
    """Why a trial broke off without telling an outcome, in one line."""
    lines = _last_error(trial)
    errors = [line for line in lines if re.match(r"[\w.]+Error: ", line)]
    if not lines or not lines[0].startswith("The actor "):  # Ray's words for a lost worker
        return ": ".join(["its worker broke", *(errors or lines)[-1:]])
    memory = [line for line in lines if re.search(r"out of memory|low on memory", line, re.I)]
    reason = next(iter([*errors[-1:], *memory]), None)  # an error: it could not even start
    reason = reason or read_last_words(home, is_here=is_here(home))
    return f"its worker died: {reason}" if reason else "its worker died (killed, or out of memory)"


def _last_error(trial: Any) -> list[str]:
    """The lines of what Ray met last, from the text that it keeps of each failure of a trial.

    Ray keeps the exception too, pickled; nothing is unpickled here.
    """
    path = trial.error_file
    if path is None or not Path(path).exists():
        return []
    text = Path(path).read_text("utf-8", "replace")
    last = re.split(r"^Failure # \d+ \(occurred at .*\)$", text, flags=re.MULTILINE)[-1]
    return [line.strip() for line in last.splitlines() if line.strip()]
