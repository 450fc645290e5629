"""Reads a results folder for trackers: whole, or the cells that have news.

Room: watching. Nobody keeps what was told before: a tracker is shown each run whole, and finds by
itself what it lacks. So a search that goes on after a kill repeats nothing and misses nothing.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from freelb_tune.errors import DamagedError
from freelb_tune.results.tables.contents.metric import measure_of
from freelb_tune.results.tables.contents.pending import pending
from freelb_tune.space.cells.naming import trial_namer
from freelb_tune.store import (
    EPOCHS,
    CellResult,
    CellState,
    Store,
    load_store,
    read_epochs,
)
from freelb_tune.watching.tracking.registry import open_tracker
from freelb_tune.watching.tracking.run import Outcome, Run
from freelb_tune.watching.tracking.tracker import Tracker

__all__ = ["Feed"]

_NEVER_RAN = (CellState.WAITING, CellState.DROPPED, CellState.SPARED)


class Feed:
    """Shows trackers what a results folder has. Used by one thread.

    Args:
        folder: `results/NAME`.
        names: the trackers, whose packages are installed.
        say: is told, in a line, of a tracker that breaks; the others go on.

    Attributes:
        told: when a tracker was last shown something, by the monotonic clock.
    """

    def __init__(self, folder: Path, names: list[str], say: Callable[[str], None]) -> None:
        self.told = time.monotonic()
        self._folder, self._names, self._say = folder, names, say
        self._trackers: dict[str, Tracker] | None = None
        self._store: Store | None = None
        self._known: dict[str, CellResult] = {}
        self._called: dict[str, str] = {}

    def everything(self, *, final: bool = False) -> None:
        """Show every cell of the latest plan.

        Args:
            final: with the verdict, where the search has come to its planned end.

        Raises:
            FreeLBTuneError: the folder is none, or is damaged.
        """
        store = self._read()
        outcomes = _outcomes(store) if final else {}
        for each in store.cells:
            if each.epochs or each.state not in _NEVER_RAN:
                self._show(each, outcomes.get(each.cell.config_id))

    def news(self, cell_id: str, state: CellState) -> None:
        """Show one cell, which is in this state now; its epochs are read again."""
        if cell_id not in self._known:
            self._read()  # it was proposed meanwhile
        known = self._known[cell_id]
        try:
            epochs = tuple(read_epochs(known.folder / EPOCHS))
        except DamagedError:
            return  # the search finds it, and says what becomes of it
        self._show(replace(known, state=state, epochs=epochs), None)

    def close(self) -> None:
        """Let the trackers go."""
        for name, tracker in list((self._trackers or {}).items()):
            self._guarded(name, tracker.close)

    def _read(self) -> Store:
        store = load_store(self._folder)
        cells = [each.cell for each in store.cells]
        namer = trial_namer(cells)
        self._known = {each.cell.id: each for each in store.cells}
        self._store, self._called = store, {cell.id: namer(cell) for cell in cells}
        return store

    def _show(self, result: CellResult, outcome: Outcome | None) -> None:
        assert self._store is not None
        best = result.best(measure_of(self._store).better)
        log = result.folder / EPOCHS
        run = Run(
            search=self._store.name,
            name=self._called[result.cell.id],
            cell=result.cell,
            state=result.state,
            epochs=result.epochs,
            at=log.stat().st_mtime if log.exists() else time.time(),
            best=best.epoch if best else None,
            outcome=outcome,
        )
        if self._trackers is None:
            self._trackers = {}
            for name in self._names:
                self._guarded(name, self._open, name)
        for name, tracker in list(self._trackers.items()):
            self._guarded(name, tracker.show, run)
            self.told = time.monotonic()

    def _open(self, name: str) -> None:
        assert self._trackers is not None
        self._trackers[name] = open_tracker(name, self._folder)

    def _guarded(self, name: str, call: Callable[..., None], *args: object) -> None:
        """Call; what is raised ends the tracker and is said in one line."""
        assert self._trackers is not None
        try:
            call(*args)
        except Exception as err:  # whatever a tracker does, the search goes on
            self._trackers.pop(name, None)
            why = next(iter(str(err).splitlines()), "") or type(err).__name__
            self._say(f"{name} takes nothing more ({type(err).__name__}: {why[:200]})")


def _outcomes(store: Store) -> Mapping[str, Outcome]:
    """What each configuration's runs are tagged with; nothing before the planned end."""
    if pending(store) is not None or not store.cells:
        return {}
    from freelb_tune.results.analysis import analyse  # a second, for a search that is over

    table = analyse(store)
    told, measure = table.verdict, table.measure
    if told is None:
        return {}
    said = {
        each.config_id: f"{measure.show_difference(each.difference)}"
        + (
            f" ({measure.show_difference(each.low)} to {measure.show_difference(each.high)})"
            if each.low is not None and each.high is not None
            else ""
        )
        for each in told.comparisons
        if each.difference is not None
    }
    configurations = {each.cell.config_id for each in store.cells}
    return {name: Outcome(told.sentence, said.get(name)) for name in configurations}
