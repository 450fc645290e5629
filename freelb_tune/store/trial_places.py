"""What trials on other machines keep of their cells at a search's place, as the driver sees it.

Room: store. A cell that is trained there has a place of its own, `trials/ID`, inside the search's:
all of its folder, as it was after its last epoch. What a place says of a cell is never older than
what the results folder says; it goes once the search's own place has the cell's end.
"""

import shutil
from collections.abc import Callable, Collection
from pathlib import Path, PurePosixPath

from freelb_tune.store.cells.checkpoints import CHECKPOINT
from freelb_tune.store.cells.epochs import EPOCHS
from freelb_tune.store.cells.records import CellState
from freelb_tune.store.journal.journal import JOURNAL
from freelb_tune.store.known import cell_folder, load_store
from freelb_tune.store.remote.manifest import read_manifest
from freelb_tune.store.remote.parcel import Parcel, patiently
from freelb_tune.store.remote.place import Place

__all__ = ["INPUTS", "TRIALS", "TrialPlaces"]

INPUTS, TRIALS = "inputs", "trials"
_OVER = (CellState.DONE, CellState.STOPPED, CellState.DIVERGED)  # a failed one may be tried again
_FACTS = (EPOCHS, "error.txt", "predictions")


class TrialPlaces:
    """The trials' places inside a search's.

    Attributes:
        place: the search's.
        folder: the results folder, in which the driver works.

    Args:
        once_sent: has something done once the search's place has the folder as it is now.
    """

    def __init__(
        self, place: Place, folder: Path, once_sent: Callable[[Callable[[], None]], None]
    ) -> None:
        self.place, self.folder, self._once_sent = place, folder, once_sent
        self._carried: dict[Path, Path] = {}

    def fetch(self, cell_id: str, *, epoch: int | None = None, model: bool = False) -> None:
        """Have in the results folder what the driver reads of a cell: log, predictions, error.

        Args:
            cell_id: the cell.
            epoch: where the log has this one already, nothing is asked; None always asks.
            model: its best epoch's weights too.

        Raises:
            FreeLBTuneError: the place does not answer, or is damaged.
        """
        home = cell_folder(self.folder, cell_id)
        if epoch is not None and _lines(home) >= epoch:
            return
        home.mkdir(parents=True, exist_ok=True)
        wanted = (*_FACTS, "model") if model else _FACTS
        parcel = Parcel(self._of(cell_id), home)
        patiently(lambda: parcel.bring(lambda name: PurePosixPath(name).parts[0] in wanted))

    def drop(self, cell_id: str) -> None:
        """Let a cell's place go, once the results folder's own has all of it."""
        self._once_sent(self._of(cell_id).clear)

    def sweep(self, over: Collection[str]) -> None:
        """Let the places of cells that are over go, as a killed run may have left them.

        Raises:
            RemoteError: the search's place cannot be read.
        """
        for cell_id in self.place.folders(TRIALS):
            if cell_id in over:
                self.drop(cell_id)

    def hand_out(self) -> None:
        """Have unfinished cells at their places that this machine has trained further, or alone.

        Their checkpoints here go: they would be old when such a cell comes back.

        Raises:
            RemoteError: a place does not take its cell.
        """
        for home in sorted((self.folder / "cells").glob("*")):
            checkpoints = list(home.glob(f"{CHECKPOINT}*"))
            if checkpoints and _lines(home) > self._lines_there(home.name):
                parcel = Parcel(self._of(home.name), home)
                patiently(parcel.begin)
                patiently(parcel.send)
            for each in checkpoints:
                shutil.rmtree(each)

    def take_back(self) -> None:
        """Have in the results folder all of the unfinished cells that trials elsewhere had.

        Raises:
            FreeLBTuneError: a place cannot be read.
        """
        there = self.place.folders(TRIALS)
        if not there or not (self.folder / JOURNAL).exists():
            return
        known = load_store(self.folder).known
        for cell_id in there:
            if cell_id in known and known[cell_id].state not in _OVER:
                home = cell_folder(self.folder, cell_id)
                lines, is_alone = self._lines_there(cell_id), not (home / CHECKPOINT).exists()
                if lines > _lines(home) or (is_alone and lines == _lines(home)):
                    for old in (*home.glob(f"{CHECKPOINT}*"), *home.glob("model*")):
                        shutil.rmtree(old)
                    home.mkdir(parents=True, exist_ok=True)
                    Parcel(self._of(cell_id), home).bring()
            self.drop(cell_id)

    def carry(self, folder: Path) -> Path:
        """Put a folder that trials read at the search's place, once; gives its name there."""
        if folder not in self._carried:
            parcel = Parcel(self.place.inside(INPUTS), folder)
            parcel.place, key = parcel.place.inside(parcel.key()), Path(parcel.key())
            if read_manifest(parcel.place) is None:
                parcel.begin()
                parcel.send()
            self._carried[folder] = key
        return self._carried[folder]

    def _of(self, cell_id: str) -> Place:
        return self.place.inside(f"{TRIALS}/{cell_id}")

    def _lines_there(self, cell_id: str) -> int:
        """How many epochs a cell's place has; -1 where there is none."""
        place = self._of(cell_id)
        manifest = read_manifest(place)
        if manifest is None:
            return -1
        log = manifest.files.get(EPOCHS)
        return 0 if log is None else (place.read(f"objects/{log.digest}") or b"").count(b"\n")


def _lines(home: Path) -> int:
    """How many epochs a cell's log has here."""
    try:
        return (home / EPOCHS).read_bytes().count(b"\n")
    except FileNotFoundError:
        return 0
