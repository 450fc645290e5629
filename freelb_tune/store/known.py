"""What is known so far: a results folder read back from its journal and its epoch logs.

Room: store. Reads only files of ours; needs neither Ray nor torch, nor that a run has ended.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from freelb_tune.errors import FreeLBTuneError
from freelb_tune.space.cell import Cell
from freelb_tune.store.disk import disk_error
from freelb_tune.store.epochs import EPOCHS, read_epochs
from freelb_tune.store.folder import SPACE
from freelb_tune.store.journal import JOURNAL, read_journal
from freelb_tune.store.lengths import TextLengths
from freelb_tune.store.records import CellState, End, EpochRecord

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Better", "CellResult", "Store", "cell_folder", "load_store"]

LengthsKey = tuple[str, str, int]

Better = Literal["higher", "lower"]


def cell_folder(folder: Path, cell_id: str) -> Path:
    """Where a cell's files are: `results/NAME/cells/ID`."""
    return folder / "cells" / cell_id


@dataclass(frozen=True)
class CellResult:
    """A cell and what is known of it.

    Attributes:
        cell: the configuration and its seed.
        state: a cell that was started and has neither finished nor failed is waiting: it goes on
            from its last epoch. (`RUNNING` is known only to the run itself.)
        message: why it failed; None for a cell that has not.
        epochs: its epochs in order; empty before the first.
        folder: `results/NAME/cells/ID`.
    """

    cell: Cell
    state: CellState
    message: str | None
    epochs: tuple[EpochRecord, ...]
    folder: Path

    @property
    def last(self) -> EpochRecord | None:
        """The last epoch known; None before the first."""
        return self.epochs[-1] if self.epochs else None

    def best(self, better: Better = "higher") -> EpochRecord | None:
        """The epoch with the best score; of equal ones the earliest; None before the first."""
        sign = 1 if better == "higher" else -1
        return max(self.epochs, key=lambda record: sign * record.score, default=None)

    def predictions(
        self, epoch: int | Literal["best", "last"], set: str = "dev", better: Better = "higher"
    ) -> "tuple[NDArray[np.float32], NDArray[Any]] | None":
        """What the model said of an evaluation set after an epoch.

        Args:
            epoch: its number, or which one.
            set: the evaluation set.
            better: direction of the score; read only for "best".

        Returns:
            Logits `(N, C)` and labels `(N,)` in the data's order; None where they were not kept.

        Raises:
            FreeLBTuneError: the file is damaged.
        """
        if not isinstance(epoch, int):
            record = self.best(better) if epoch == "best" else self.last
            if record is None:
                return None
            epoch = record.epoch
        return _read_predictions(self.folder / "predictions" / f"epoch_{epoch:04d}.npz", set)


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

    def get(self, cell_id: str) -> CellResult | None:
        """What is known of a cell, of whichever plan; None if it was never planned."""
        return next((each for each in (*self.cells, *self.others) if each.cell.id == cell_id), None)


@dataclass
class _Replay:
    """The journal's events taken one by one; attributes are what they have said so far."""

    opened: dict[str, Any] = field(default_factory=dict)
    cells: dict[str, Cell] = field(default_factory=dict)
    states: dict[str, tuple[CellState, str | None]] = field(default_factory=dict)
    lengths: dict[LengthsKey, TextLengths] = field(default_factory=dict)
    end: End | None = None

    def take(self, entry: Mapping[str, Any]) -> None:
        """Take one event; one that says nothing of a cell's state is passed over.

        Raises:
            KeyError, TypeError, ValueError: the event lacks something, or has something strange.
        """
        match entry["event"]:
            case "opened":
                self.opened = {key: entry[key] for key in ("name", "task", "cells", "seeds")}
                self.end = None
            case "ended":
                self.end = End(str(entry["by"]), float(entry["limit"]))
            case "planned":
                cell = Cell.from_json(entry["cell"])
                self.cells[cell.id] = cell
            case "prepared":
                found = TextLengths.from_json(entry["lengths"])
                self.lengths[entry["data"], entry["weights"], found.max_length] = found
            case "started" | "retried":
                self.states[entry["cell_id"]] = (CellState.WAITING, None)
            case "failed":
                self.states[entry["cell_id"]] = (CellState(entry["state"]), entry["message"])
            case "finished":
                self.states[entry["cell_id"]] = (CellState(entry["state"]), None)
            case "decided" if "race" in entry:
                for state in (CellState.DROPPED, CellState.SPARED):
                    told = entry[state.value].items()
                    self.states |= {cell_id: (state, why) for cell_id, why in told}


def load_store(folder: Path) -> Store:
    """Read a results folder.

    Raises:
        FreeLBTuneError: it is no results folder, or a line in it is damaged.
    """
    path = folder / JOURNAL
    if not os.path.exists(path):
        raise FreeLBTuneError(
            f"{folder}: no {JOURNAL} here, so this is no results folder; name one, such as "
            "results/NAME"
        )
    replay = _Replay()
    for number, entry in enumerate(read_journal(folder), start=1):
        try:
            replay.take(entry)
        except (KeyError, TypeError, ValueError) as err:
            raise FreeLBTuneError(
                f"{path}, line {number}: the event {entry['event']!r} is not as we write it "
                f"({type(err).__name__}: {err}); restore the file from a copy"
            ) from err
    order = replay.opened.get("cells", list(replay.cells))
    latest = [replay.cells[cell_id] for cell_id in order if cell_id in replay.cells]
    inside = set(order)
    return Store(
        folder=folder,
        name=replay.opened.get("name", folder.name),
        task=replay.opened.get("task", ""),
        seeds=tuple(replay.opened.get("seeds", ())),
        space=_read_space(folder / SPACE),
        cells=_results(folder, latest, replay.states),
        others=_results(
            folder, [c for c in replay.cells.values() if c.id not in inside], replay.states
        ),
        lengths=replay.lengths,
        end=replay.end,
    )


def _results(
    folder: Path, cells: Sequence[Cell], states: Mapping[str, tuple[CellState, str | None]]
) -> tuple[CellResult, ...]:
    """Join cells with their states and their epochs."""
    results = []
    for cell in cells:
        state, message = states.get(cell.id, (CellState.WAITING, None))
        home = cell_folder(folder, cell.id)
        epochs = tuple(read_epochs(home / EPOCHS)) if cell.id in states else ()
        if not epochs and state in (CellState.DONE, CellState.STOPPED):
            state = CellState.WAITING  # its log is gone, so its numbers are not known: run it again
        results.append(CellResult(cell, state, message, epochs, home))
    return tuple(results)


def _read_space(path: Path) -> dict[str, Any]:
    """The space as plain mappings; empty where the file is gone."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        content = YAML(typ="safe", pure=True).load(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except OSError as err:
        raise disk_error("read this file", path, err) from err
    except (YAMLError, UnicodeDecodeError) as err:
        raise FreeLBTuneError(
            f"{path}: is damaged ({err}); restore it from a copy, or run the search's command "
            "again, which writes it"
        ) from err
    return content if isinstance(content, dict) else {}


def _read_predictions(path: Path, set: str) -> "tuple[NDArray[np.float32], NDArray[Any]] | None":
    """One evaluation set's logits and labels out of an epoch's file."""
    import zipfile

    import numpy as np

    if not path.exists():
        return None
    try:
        with np.load(path, allow_pickle=False) as arrays:
            if f"{set}.logits" not in arrays:
                return None
            return arrays[f"{set}.logits"], arrays[f"{set}.labels"]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as err:
        raise FreeLBTuneError(
            f"{path}: is damaged ({err}); restore it, or delete it: comparisons then use seeds only"
        ) from err
