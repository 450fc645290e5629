"""Where a trial works: in its cell's folder, or in one of this machine's that is kept at a URI.

Room: search, without Ray. In a worker. A machine that does not see the results folder brings the
cell's folder, and after each epoch all of it is at the URI before Ray hears of the epoch.
"""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import Timeout

from freelb_tune.errors import FreeLBTuneError
from freelb_tune.store import cell_folder
from freelb_tune.store.disk.lock import take_lock
from freelb_tune.store.disk.user_cache import user_cache
from freelb_tune.store.remote.parcel import Parcel, patiently
from freelb_tune.store.remote.place import Place, RemoteError, open_place
from freelb_tune.store.trial_places import INPUTS, TRIALS

__all__ = ["Desk", "taken_desk"]

_LOCK = ".lock"
_LOCK_SECONDS = 120.0  # a worker that lost its driver or its node ends well within this


@dataclass(frozen=True)
class Desk:
    """A cell's folder for the time of a trial.

    Attributes:
        home: the folder.
        parcel: keeps it at its place; None where the driver sees the folder.
        place: the search's; None likewise.
    """

    home: Path
    parcel: Parcel | None = None
    place: Place | None = None

    def keep(self) -> None:
        """Have the folder where the driver finds it.

        Raises:
            RemoteError: its place does not answer.
            FreeLBTuneError: another trial goes on with the cell.
        """
        if self.parcel is not None:
            patiently(self.parcel.send)

    def leave_error(self, text: str) -> None:
        """Leave a traceback in the folder, if that can be done."""
        with suppress(OSError, FreeLBTuneError):
            (self.home / "error.txt").write_text(text, "utf-8", "backslashreplace")
            if self.parcel is not None:
                self.parcel.send()

    def carried(self, folder: Path) -> Path:
        """Where this machine has a folder that trials read, as `TrialPlaces.carry` has named it.

        Raises:
            FreeLBTuneError: it cannot be brought here.
        """
        if self.place is None:
            return folder
        inputs = user_cache() / INPUTS
        inputs.mkdir(parents=True, exist_ok=True)
        here = inputs / folder.name
        with _held(inputs / f"{folder.name}{_LOCK}", 3600.0):  # another trial may bring it
            if not here.is_dir():
                draft = Path(tempfile.mkdtemp(prefix=".draft-", dir=inputs))
                place = self.place.inside(f"{INPUTS}/{folder.name}")
                if not patiently(Parcel(place, draft).bring):
                    raise RemoteError(f"{place.uri}: what the driver has put there is gone")
                draft.rename(here)
        return here


@contextmanager
def taken_desk(folder: Path, uri: str | None, cell_id: str) -> Iterator[Desk]:
    """Have a cell's folder for this trial alone.

    Args:
        folder: the results folder.
        uri: where that is kept, if this machine need not see it.
        cell_id: the cell.

    Raises:
        filelock.Timeout: another process trains the cell.
        FreeLBTuneError: the place does not answer, or is damaged.
    """
    if uri is None:
        home = cell_folder(folder, cell_id)
        home.mkdir(parents=True, exist_ok=True)
        with _held(home / _LOCK, _LOCK_SECONDS):
            yield Desk(home)
        return
    place = open_place(uri)
    with _scratch(user_cache() / TRIALS, cell_id) as home:
        parcel = Parcel(place.inside(f"{TRIALS}/{cell_id}"), home)
        patiently(parcel.begin)  # from here on no earlier trial of the cell changes what is there
        patiently(parcel.bring)
        yield Desk(home, parcel, place)


@contextmanager
def _scratch(parent: Path, cell_id: str) -> Iterator[Path]:
    """A new folder, gone afterwards; what killed trials have left goes first."""
    parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        with _held(parent / _LOCK, _LOCK_SECONDS):
            for old in (path for path in parent.iterdir() if path.is_dir()):
                with suppress(Timeout, OSError), _held(old / _LOCK, 0.0):
                    shutil.rmtree(old, ignore_errors=True)
            home = Path(tempfile.mkdtemp(prefix=f"{cell_id}-", dir=parent))
            stack.enter_context(_held(home / _LOCK, 0.0))
        try:
            yield home
        finally:
            shutil.rmtree(home, ignore_errors=True)


@contextmanager
def _held(path: Path, seconds: float) -> Iterator[None]:
    lock = take_lock(path, timeout=seconds)
    try:
        yield
    finally:
        lock.release(force=True)
