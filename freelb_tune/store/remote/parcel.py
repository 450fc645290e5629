"""A folder that is kept at a place of its own, as a trial on another machine keeps its cell's.

Room: store. As with a results folder the manifest is replaced last, in one step: whoever brings the
folder has it as it was when it was sent. One writes there at a time: who began last.
"""

import hashlib
import secrets
import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from freelb_tune.errors import FreeLBTuneError
from freelb_tune.store.remote.manifest import (
    MANIFEST,
    Manifest,
    Object,
    digest_of,
    fetch_files,
    read_manifest,
)
from freelb_tune.store.remote.place import Place, RemoteError
from freelb_tune.store.remote.snapshot import Sign, files_in, sign_of

__all__ = ["Parcel", "patiently"]

PATIENCE = 300.0  # seconds for a place that does not answer
_WRITER = "writer"
T = TypeVar("T")


class Parcel:
    """A folder and its place.

    Args:
        place: its own.
        folder: on this machine; nobody else changes it while it is sent.
    """

    def __init__(self, place: Place, folder: Path) -> None:
        self.place, self.folder = place, folder
        self._token = secrets.token_hex(8)
        self._known: dict[Sign, Object] = {}
        self._sent: Mapping[str, Object] = {}

    def bring(self, wanted: Callable[[str], bool] = lambda _: True) -> bool:
        """Have the files here as they are there.

        Args:
            wanted: which of them, by their path in the folder.

        Returns:
            Whether anything is there.

        Raises:
            DamagedError: what is there is not as it was sent.
            DiskError: a file cannot be written here.
            RemoteError: the place cannot be read, or has been sent a newer state meanwhile.
        """
        manifest = read_manifest(self.place)
        if manifest is None:
            return False
        files = {name: each for name, each in manifest.files.items() if wanted(name)}
        stage = self.folder / ".stage"
        shutil.rmtree(stage, ignore_errors=True)
        try:
            fetch_files(self.place, files, self.folder, stage)
        finally:
            shutil.rmtree(stage, ignore_errors=True)
        self._sent = manifest.files
        return True

    def begin(self) -> None:
        """Be the one who writes there.

        Raises:
            RemoteError: the place cannot be written in.
        """
        self.place.make()
        self.place.write(_WRITER, self._token.encode())

    def send(self) -> None:
        """Have the place hold the folder as it is now; where it does already, nothing is asked.

        Raises:
            FreeLBTuneError: somebody else has begun to write there.
            RemoteError: the place cannot be written in.
        """
        files = self._files()
        if files == self._sent:
            return
        there = {each.digest for each in self._sent.values()}
        fresh = {f"objects/{e.digest}": name for name, e in files.items() if e.digest not in there}
        self.place.put({target: self.folder / name for target, name in fresh.items()})
        if self.place.read(_WRITER) != self._token.encode():
            raise FreeLBTuneError(f"{self.place.uri}: another trial has gone on with this cell")
        self.place.write(MANIFEST, Manifest(files).to_json())
        gone = there - {each.digest for each in files.values()}
        self.place.drop(*(f"objects/{digest}" for digest in sorted(gone)))
        self._sent = files

    def key(self) -> str:
        """What the folder holds, in 16 hex digits."""
        return hashlib.sha256(Manifest(self._files()).to_json()).hexdigest()[:16]

    def _files(self) -> dict[str, Object]:
        found = {}
        for path, stat in files_in(self.folder):
            sign = sign_of(stat)
            if sign not in self._known:
                self._known[sign] = digest_of(path)
            found[str(path.relative_to(self.folder))] = self._known[sign]
        return found


def patiently(ask: Callable[[], T], seconds: float = PATIENCE) -> T:
    """Ask a place again and again while it does not answer.

    Raises:
        RemoteError: it has not answered for so long.
    """
    end, pause = time.monotonic() + seconds, 0.1
    while True:
        try:
            return ask()
        except RemoteError:
            if time.monotonic() + pause > end:
                raise
        time.sleep(pause)
        pause = min(2 * pause, 10.0)
