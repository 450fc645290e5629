"""A results folder of this machine that is kept at a URI too: brought from there, and sent there.

Room: store. Which of the two is newer is told by their journals: each run begins with a line of its
own, so one that is the other's beginning is older, and where neither is, two runs went on alone.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

from freelb_tune.errors import DamagedError
from freelb_tune.store.disk.files import disk_error
from freelb_tune.store.folders.folder import set_aside
from freelb_tune.store.journal.journal import JOURNAL
from freelb_tune.store.remote.lease import Lease
from freelb_tune.store.remote.manifest import (
    MANIFEST,
    Manifest,
    Object,
    digest_of,
    fetch_files,
    read_manifest,
)
from freelb_tune.store.remote.place import Place, RemoteError
from freelb_tune.store.remote.snapshot import Sign, Snapshot, Taker, files_in

__all__ = ["Mirror", "show_outputs"]

_OUTPUTS = {".csv", ".html", ".json", ".md", ".tex", ".yaml"}


class Mirror:
    """A results folder and its place.

    Args:
        place: where it is kept.
        folder: where it is worked in.
        state: a folder beside it for what is on its way.
        lease: held while anything is sent.
        say: told what was found.
    """

    def __init__(
        self, place: Place, folder: Path, state: Path, lease: Lease, say: Callable[[str], None]
    ) -> None:
        self.place, self.folder = place, folder
        self._lease, self._say = lease, say
        self._stage, self._sent = state / "stage", state / "sent"
        self._known: dict[Sign, Object] = {}
        self._there: dict[str, int] = {}
        self._last: Snapshot | None = None
        self._taker: Taker | None = None

    def bring(self) -> None:
        """Have the newer of both states in the folder; of the other nothing is deleted.

        Raises:
            FreeLBTuneError: the place cannot be read, or is damaged; a folder cannot be moved.
        """
        manifest = read_manifest(self.place)
        ours = _whole_lines(self.folder / JOURNAL)
        if manifest is None:
            if ours and self._sent.exists():
                self._put_aside("what was kept there is gone")
        else:
            theirs = self._their_journal(manifest)
            if not (ours and ours.startswith(theirs)):
                if not theirs.startswith(ours):
                    self._put_aside("the search there was gone on with elsewhere")
                self._replace(manifest.files)
        found = self.place.sizes()
        files = manifest.files.values() if manifest else ()
        self._there = {e.digest: e.size for e in files if found.get(e.digest) == e.size}
        self._drop(found.keys() - self._there.keys())  # what a killed run has left
        self._taker = Taker(self.folder, self._stage, self._known)

    def take(self) -> Snapshot | None:
        """The folder as it is now; None where nothing is new, or it was not still.

        Raises:
            DiskError: what waits to be sent cannot be kept.
        """
        assert self._taker is not None  # it was brought
        try:
            found = self._taker.take()
        except OSError as err:
            raise disk_error("keep here what is to be sent", self._stage, err) from err
        return None if found == self._last else found

    def send(self, snapshot: Snapshot) -> None:
        """Have the place hold a snapshot: all it names first, and the journal with what names it.

        Raises:
            LeaseLostError: another search writes there now.
            RemoteError: the place cannot be reached, or does not take it.
        """
        assert self._taker is not None  # it was taken
        taker, shown = self._taker, self._last.files if self._last else {}
        for sign in snapshot.files.values():
            if sign not in self._known:
                self._known[sign] = digest_of(taker.staged(sign))
        files = {name: self._known[sign] for name, sign in snapshot.files.items()}
        fresh = {
            each: taker.staged(snapshot.files[name])
            for name, each in files.items()
            if each.digest not in self._there
        }
        self.place.put({f"objects/{each.digest}": path for each, path in fresh.items()})
        self._there |= {each.digest: each.size for each in fresh}
        self._lease.check()
        self.place.write(MANIFEST, Manifest(files).to_json())
        self._sent.touch()
        new = {n: taker.staged(sign) for n, sign in snapshot.files.items() if shown.get(n) != sign}
        self.place.put({n: path for n, path in new.items() if _is_output(n) and path.exists()})
        wanted = {each.digest for each in files.values()}
        self._drop(self._there.keys() - wanted)
        for sign in [s for s, each in self._known.items() if each.digest not in wanted]:
            del self._known[sign]
        self._last = snapshot
        taker.clear()

    def check(self) -> None:
        """Make sure that the place holds all that was sent.

        Raises:
            RemoteError: it does not, or cannot be read.
        """
        found = self.place.sizes()
        lacking = sorted(name for name, size in self._there.items() if found.get(name) != size)
        if lacking:
            raise RemoteError(
                f"{self.place.uri}: {len(lacking)} of {len(self._there)} objects that were sent "
                f"are not there (such as objects/{lacking[0]}); {self.folder} has everything, and "
                "the same command sends it again"
            )

    def _their_journal(self, manifest: Manifest) -> bytes:
        wanted = manifest.files.get(JOURNAL)
        if wanted is None:
            raise DamagedError(f"{self.place.uri}/{MANIFEST} names no {JOURNAL}")
        fetch_files(self.place, {JOURNAL: wanted}, self._stage / "theirs", self._stage)
        return _whole_lines(self._stage / "theirs" / JOURNAL)

    def _replace(self, files: Mapping[str, Object]) -> None:
        """Have the folder hold these files and no others."""
        fetch_files(self.place, files, self.folder, self._stage, self._say)
        for path, _ in files_in(self.folder):
            if str(path.relative_to(self.folder)) not in files:
                path.unlink()

    def _put_aside(self, why: str) -> None:
        aside = set_aside(self.folder)
        self._say(f"{self.place.uri}: {why}; what this machine had is now in {aside}")

    def _drop(self, digests: "set[str]") -> None:
        self.place.drop(*(f"objects/{digest}" for digest in sorted(digests)))
        for digest in digests:
            self._there.pop(digest, None)


def show_outputs(place: Place, folder: Path) -> None:
    """Put tables and page at a place under their own names, for people.

    Raises:
        RemoteError: the place does not take them.
    """
    place.put({path.name: path for path in folder.iterdir() if _is_output(path.name)})


def _is_output(name: str) -> bool:
    return "/" not in name and Path(name).suffix in _OUTPUTS


def _whole_lines(path: Path) -> bytes:
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return b""
    return raw[: raw.rfind(b"\n") + 1]
