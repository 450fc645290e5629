"""What is known so far: a results folder read back from its journal and its epoch logs.

Room: store. Reads only files of ours; needs neither Ray nor torch, nor that a run has ended.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from freelb_tune.errors import DamagedError, FreeLBTuneError
from freelb_tune.space.cells.cell import Cell
from freelb_tune.space.cells.naming import cell_labels
from freelb_tune.store.cells.epochs import EPOCHS, read_epochs
from freelb_tune.store.cells.lengths import TextLengths
from freelb_tune.store.cells.predictions import read_predictions
from freelb_tune.store.cells.records import Answered, CellState, End, EpochRecord
from freelb_tune.store.disk.inside import refuse_link, refuse_links
from freelb_tune.store.folders.folder import SPACE
from freelb_tune.store.folders.stored_space import read_space
from freelb_tune.store.journal.journal import JOURNAL, read_journal
from freelb_tune.store.journal.look import Look
from freelb_tune.store.journal.replay import KnownState, LengthsKey, Replay
from freelb_tune.store.remote.place import uri_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Better", "CellResult", "Store", "cell_folder", "load_store"]

Better = Literal["higher", "lower"]


def cell_folder(folder: Path, cell_id: str) -> Path:
    """Where a cell's files are: `results/NAME/cells/ID`."""
    return folder.joinpath("cells", cell_id)


@dataclass(frozen=True)
class CellResult:
    """A cell and what is known of it.

    Attributes:
        cell: the configuration and its seed.
        state: a cell that was started and has neither finished nor failed is waiting: it goes on
            from its last epoch. (`RUNNING` is known only to the run itself.)
        message: why it failed or was not run; None for a cell that did not.
        epochs: its epochs in order; empty before the first.
        folder: `results/NAME/cells/ID`.
        damage: what is wrong with its log, whose epochs are then not known: a cell that was over
            is waiting again. None for a whole one.
        same_as: the cell that trains the same and ran for both, whose state, epochs (without
            seconds, which were spent once) and folder these are; None for a cell of its own.
    """

    cell: Cell
    state: CellState
    message: str | None
    epochs: tuple[EpochRecord, ...]
    folder: Path
    damage: str | None = None
    same_as: Cell | None = None

    @property
    def last(self) -> EpochRecord | None:
        """The last epoch known; None before the first."""
        return self.epochs[-1] if self.epochs else None

    def best(self, better: Better = "higher") -> EpochRecord | None:
        """The epoch with the best score; of equal ones the earliest; None before the first."""
        first = max if better == "higher" else min
        return first(self.epochs, key=attrgetter("score"), default=None)

    @cached_property
    def seconds(self) -> float:
        """Training and evaluation of all its epochs."""
        return sum(record.train_seconds + record.eval_seconds for record in self.epochs)

    def predictions(
        self, epoch: int, set: str = "dev"
    ) -> "tuple[NDArray[np.float32], NDArray[Any]] | None":
        """What the model said of an evaluation set after an epoch, by its number.

        Returns:
            Logits `(N, C)` and labels `(N,)` in the data's order; None where they were not kept.

        Raises:
            DamagedError: the file is cut or changed.
            FreeLBTuneError: it is a link, or cannot be read.
        """
        return read_predictions(self.folder, epoch, set)


@dataclass(frozen=True)
class Store:
    """Everything that a results folder knows.

    Attributes:
        folder: the results folder.
        name: the space's name.
        task: the space's task.
        seeds: seeds of the latest plan.
        space: `space.yaml` as plain mappings; empty where the file is gone.
        cells: cells of the latest plan, in its order.
        others: cells of earlier plans, in the order of planning.
        lengths: how long texts are, by the fingerprints of data and weights and the tokens kept
            of each; those of earlier plans among them.
        end: what ended the latest run before every cell was over; None where nothing did.
        looks: the verdicts that have been made, in order.
        answered: what the rounds of a `verdict` search have shown; None where none is complete.
        events: what the journal says, in order, but for the cells that were planned.
        shard: which part of a plan the latest one is, `1/4`; None for a whole one.
        plan: ids of the cells of the latest plan, or of the whole one that it is a part of.
    """

    folder: Path
    name: str
    task: str
    seeds: tuple[int, ...]
    space: Mapping[str, Any]
    cells: tuple[CellResult, ...]
    others: tuple[CellResult, ...]
    lengths: Mapping[LengthsKey, TextLengths] = field(default_factory=dict)
    end: End | None = None
    looks: tuple[Look, ...] = ()
    answered: Answered | None = None
    events: tuple[Mapping[str, Any], ...] = ()
    shard: str | None = None
    plan: tuple[str, ...] = ()

    @property
    def known(self) -> dict[str, CellResult]:
        """Every cell that was ever planned, by id."""
        return {each.cell.id: each for each in (*self.cells, *self.others)}

    @cached_property
    def labels(self) -> dict[str, str]:
        """What the cells of the latest plan are called, by id."""
        return cell_labels([each.cell for each in self.cells])


def load_store(folder: Path) -> Store:
    """Read a results folder. It may be somebody else's: nothing in it is run or leads outside.

    A cell whose log is damaged is known without its epochs; see `CellResult.damage`.

    Raises:
        DamagedError: the journal or `space.yaml` is not as we write it.
        FreeLBTuneError: it is no results folder, is of a newer format, holds a link, or cannot be
            read.
    """
    _check_folder(folder)
    replay, events = _replayed(folder)
    order = dict.fromkeys(replay.opened.get("cells", replay.cells))
    latest = [replay.cells[cell_id] for cell_id in order if cell_id in replay.cells]
    others = [cell for cell in replay.cells.values() if cell.id not in order]
    return Store(
        folder=folder,
        name=replay.opened.get("name", folder.name),
        task=replay.opened.get("task", ""),
        seeds=tuple(replay.opened.get("seeds", ())),
        space=read_space(folder / SPACE),
        cells=tuple(_own_or_same(folder, cell, replay) for cell in latest),
        others=tuple(_own_or_same(folder, cell, replay) for cell in others),
        lengths=replay.lengths,
        end=replay.end,
        looks=replay.looks,
        answered=replay.answered,
        events=tuple(events),
        shard=replay.opened.get("shard"),
        plan=tuple(replay.opened.get("plan") or order),
    )


def _check_folder(folder: Path) -> None:
    """Refuse what is no results folder of this machine, and links in it."""
    if not os.path.exists(folder / JOURNAL):
        if uri := uri_of(folder):
            raise FreeLBTuneError(
                f"{uri}: this command takes a folder of this machine; `freelb-tune report` "
                "brings the results here and says where they are"
            )
        raise FreeLBTuneError(
            f"{folder}: no {JOURNAL} here, so this is no results folder; name one, such as "
            "results/NAME"
        )
    refuse_link(folder / "cells")
    refuse_links(folder / "cells", deep=False)


def _replayed(folder: Path) -> tuple[Replay, list[Mapping[str, Any]]]:
    """The journal taken event by event, and the events without the planned cells."""
    replay, events = Replay(), list[Mapping[str, Any]]()
    for number, entry in enumerate(read_journal(folder), start=1):
        if entry["event"] != "planned":
            events.append(entry)
        try:
            replay.take(entry)
        except ValueError as err:
            raise DamagedError(
                f"{folder / JOURNAL}, line {number}: expected a cell, and {err}; restore the file "
                "from a copy"
            ) from err
    return replay, events


def _own_or_same(folder: Path, cell: Cell, replay: Replay) -> CellResult:
    """What is known of a cell; of one that trains the same as another, of that one."""
    first = replay.runs_for(cell)
    found = _result(folder, first, replay.states.get(first.id))
    if first is cell:
        return found
    own: dict[str, Any] = {"cell_id": cell.id, "delta_ratio": None, "bound_share": None}
    own |= {"train_seconds": 0.0, "eval_seconds": 0.0}
    epochs = tuple(replace(record, **own) for record in found.epochs)
    return replace(found, cell=cell, epochs=epochs, damage=None, same_as=first)


def _result(folder: Path, cell: Cell, known: KnownState | None) -> CellResult:
    """Join a cell with its state and its epochs."""
    home = cell_folder(folder, cell.id)
    if known is None:
        return CellResult(cell, CellState.WAITING, None, (), home)
    log = home / EPOCHS
    try:
        epochs = tuple(read_epochs(log, known.seal))
        if known.state in (CellState.DONE, CellState.STOPPED):
            _check_count(log, cell, known, len(epochs))
    except DamagedError as err:
        damage = str(err).replace(f"{folder}{os.sep}", "")
        # its numbers are gone: run it again
        state = known.state if known.state.is_broken else CellState.WAITING
        return CellResult(cell, state, known.message or damage, (), home, damage)
    return CellResult(cell, known.state, known.message, epochs, home)


def _check_count(path: Path, cell: Cell, known: KnownState, count: int) -> None:
    """Refuse the log of a finished cell that has too few epochs, as far as the cell says.

    A log that the journal has sealed is known to be whole; a journal of format 1 seals none.
    """
    wanted = 1
    if known.seal is None and known.state is CellState.DONE:
        wanted = cell.whole_epochs or wanted
    if count < wanted:
        had = f"{count} of {wanted} epochs" if count else "no epoch"
        raise DamagedError(f"{path}: the cell was trained to its end, and it has {had}")
