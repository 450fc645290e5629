"""How a cell is trained, as search sees it, and what a caller may ask of a search.

Room: search, without Ray and without torch.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from freelb_tune.space import Cell
from freelb_tune.store import CellState, EpochRecord, TextLengths
from freelb_tune.store.trial_places import TrialPlaces

__all__ = [
    "Carry",
    "Prepare",
    "Ready",
    "SearchOptions",
    "SearchSummary",
    "Train",
    "Work",
    "as_it_is",
]


class Train(Protocol):
    """Trains one cell; `freelb_tune.training.run_cell` is the one that is meant."""

    def __call__(
        self,
        cell: Cell,
        prepared: Any,
        folder: Path,
        report: Callable[[EpochRecord], None],
        threads: int,
        /,
    ) -> None:
        """Train a cell in its folder, going on from the epochs that are there.

        Each epoch is on disk before `report` hears of it; known epochs are reported again,
        untrained. Whatever `report` raises passes through.
        """


class Ready(Protocol):
    """What was prepared for a cell; small, as it travels to the workers."""

    @property
    def epochs(self) -> int:
        """How many epochs the cell's full budget has."""

    @property
    def lengths(self) -> TextLengths | None:
        """How long the cell's texts are; None where nobody has looked."""


class Prepare(Protocol):
    """Reads and tokenises data once for many cells; `freelb_tune.training.prepare` is meant."""

    def __call__(
        self, cells: Sequence[Cell], cache: Path, say: Callable[[str], None], /
    ) -> Mapping[str, Ready]:
        """What `Train` needs of each cell's data and model, by cell id."""


class Carry(Protocol):
    """Tells of what was prepared which folders a trial reads, where machines share none."""

    def __call__(self, ready: Any, place: Callable[[Path], Path], /) -> Any:
        """The same with each of its folders as `place` gives it."""


def as_it_is(ready: Any, place: Callable[[Path], Path], /) -> Any:
    """A `Carry` of what has no folders."""
    return ready


@dataclass(frozen=True)
class Work:
    """What a search does with a cell.

    Attributes:
        prepare: run once, in the driver.
        train: run in a worker, once per trial.
        load: run in the driver beside Ray's start: imports what `prepare` will need.
        worker: module that a worker may load as it starts: imports what `train` will need.
        look: run in the driver before Ray starts: refuses what could not be trained, and returns
            what there is to say.
    """

    prepare: Prepare
    train: Train
    load: Callable[[], None] = lambda: None
    worker: str | None = None
    look: Callable[[Sequence[Cell]], Sequence[str]] = lambda _: ()
    carry: Carry = as_it_is


@dataclass(frozen=True)
class SearchOptions:
    """What a caller may ask of a search that is no part of the search space.

    Attributes:
        address: a running Ray cluster to join, such as `auto`; None starts one here.
        dashboard: start Ray's dashboard on 127.0.0.1 (a cluster that is joined has its own).
        metrics_port: where a Ray that is started here answers Prometheus; None for any free port.
        retry_failed: run failed and diverged cells again.
        command: the command line that asked for this, kept in the journal and beside `best/`.
        cache: where prepared data is kept; None: the user's cache folder, and with `address`
            the results folder, which every machine sees.
        places: where trials keep their cells, as machines need not see the results folder; None
            where they do.
    """

    address: str | None = None
    dashboard: bool = True
    metrics_port: int | None = None
    retry_failed: bool = False
    command: tuple[str, ...] = ()
    cache: Path | None = None
    places: TrialPlaces | None = None


@dataclass(frozen=True)
class SearchSummary:
    """How a search ended.

    Attributes:
        folder: the results folder.
        counts: how many of the plan's cells are in each state.
        ran: how many cells this call ran to their end.
        best: id of the cell in `best/`; None before one finished.
        best_score: its score at its best epoch.
        interrupted: Ctrl-C or SIGTERM ended the search early; the same command continues it.
    """

    folder: Path
    counts: Mapping[CellState, int] = field(default_factory=dict)
    ran: int = 0
    best: str | None = None
    best_score: float | None = None
    interrupted: bool = False
