"""A place that a URI names, such as `s3://bucket/results/NAME`, and what can be wrong with it.

Room: store. fsspec opens it, and loads on use.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from freelb_tune.errors import FreeLBTuneError

__all__ = ["Place", "RemoteError", "open_place", "uri_of"]

_URI = re.compile(r"([a-z][a-z0-9+.-]+):/+(.*?)/*", re.IGNORECASE)
# pathlib takes the slashes away
_BARE = re.compile(r"(?!file:|local:)([a-z][a-z0-9+.-]+):/*", re.IGNORECASE)
_FOLDERS = {"file", "local", "ftp", "hdfs", "sftp", "smb", "ssh"}
"""Where a folder has to be made before a file is put in it."""
_BATCH = 200  # files that are sent at a time
_NAMELESS = ("NoCredentialsError", "PartialCredentialsError", "DefaultCredentialsError")


class RemoteError(FreeLBTuneError):
    """A place at a URI cannot be read or written; what was found is kept on this machine."""


def uri_of(place: str | Path) -> str | None:
    """The URI that somebody wrote in place of a folder; None for a folder.

    A path that was made of one counts, in which two slashes have become one.

    Raises:
        RemoteError: it names a kind of place, and no place: `s3://`.
    """
    if bare := _BARE.fullmatch(str(place)):
        raise RemoteError(f"{bare[1]}://: name a bucket and a path: {bare[1]}://BUCKET/PATH")
    found = _URI.fullmatch(str(place))
    if found is None:
        return None
    scheme, rest = found[1].lower(), found[2]
    return f"{scheme}://{'/' if scheme in ('file', 'local') else ''}{rest}"


@dataclass(frozen=True)
class Place:
    """A folder at a URI.

    Attributes:
        uri: without a slash at its end.
        fs: of fsspec.
        root: what `fs` calls the folder.
    """

    uri: str
    fs: Any
    root: str

    def path(self, name: str) -> str:
        """What `fs` calls a file in it."""
        return f"{self.root}/{name}"

    def read(self, name: str) -> bytes | None:
        """A file's content; None where it is not there.

        Raises:
            RemoteError: the place cannot be read.
        """
        with self.told():
            try:
                content: bytes = self.fs.cat_file(self.path(name))
            except FileNotFoundError:
                return None
            return content

    def write(self, name: str, content: bytes) -> None:
        """Have a file with this content, which readers see whole or not at all.

        Raises:
            RemoteError: it cannot be written.
        """
        draft = self.path(f".{name}.tmp")
        with self.told():
            self.fs.pipe_file(draft, content)
            self.fs.mv(draft, self.path(name))

    def inside(self, name: str) -> "Place":
        """A folder in it, as a place of its own."""
        return Place(f"{self.uri}/{name}", self.fs, self.path(name))

    def put(self, files: Mapping[str, Path]) -> None:
        """Send files, many at a time.

        Raises:
            RemoteError: they cannot be written there.
        """
        names = sorted(files)
        with self.told():
            for start in range(0, len(names), _BATCH):
                some = names[start : start + _BATCH]
                self.fs.put([str(files[name]) for name in some], [self.path(name) for name in some])

    def drop(self, *names: str) -> None:
        """Have no such files.

        Raises:
            RemoteError: they cannot be deleted.
        """
        with self.told():
            for name in names:
                try:
                    self.fs.rm_file(self.path(name))
                except FileNotFoundError:
                    continue

    def clear(self) -> None:
        """Have nothing here.

        Raises:
            RemoteError: it cannot be deleted.
        """
        with self.told():
            try:
                self.fs.rm(self.root, recursive=True)
            except FileNotFoundError:
                return

    def folders(self, folder: str) -> list[str]:
        """The names of the folders in a folder of it.

        Raises:
            RemoteError: the place cannot be read.
        """
        found = self._fresh(lambda: self.fs.ls(self.path(folder), detail=False)) or ()
        return sorted(path.rstrip("/").rsplit("/", 1)[-1] for path in found)

    def sizes(self) -> dict[str, int]:
        """The objects, with their sizes in bytes.

        Raises:
            RemoteError: the place cannot be read.
        """
        found = self._fresh(lambda: self.fs.find(self.path("objects"), detail=True)) or {}
        return {name.rsplit("/", 1)[-1]: each["size"] for name, each in found.items()}

    def _fresh(self, ask: Callable[[], Any]) -> Any:
        """What the place says now of a folder; None where it has none."""
        with self.told():
            self.fs.invalidate_cache()
            try:
                return ask()
            except FileNotFoundError:
                return None

    def make(self) -> None:
        """Have the folder, where the place knows any; a bucket is never made.

        Raises:
            RemoteError: it cannot be made.
        """
        protocol = self.fs.protocol
        names = {protocol} if isinstance(protocol, str) else set(protocol)
        if names & _FOLDERS:
            with self.told():
                self.fs.makedirs(self.path("objects"), exist_ok=True)

    @contextmanager
    def told(self) -> Iterator[None]:
        """Inside, whatever the libraries raise is one message.

        Raises:
            RemoteError: that.
        """
        try:
            yield
        except FreeLBTuneError:
            raise
        except Exception as err:  # each library has its own, and they share no root
            raise RemoteError(f"{self.uri}: {_why(err)}") from err


def open_place(uri: str) -> Place:
    """Open a place; nothing is asked of it yet.

    Raises:
        RemoteError: no library opens such a URI.
    """
    from fsspec.core import url_to_fs

    try:
        fs, root = url_to_fs(uri, use_listings_cache=False)
    except (ImportError, ValueError) as err:
        raise RemoteError(f"{uri}: {_why(err)}") from err
    return Place(uri, fs, root.rstrip("/"))


def _why(err: Exception) -> str:
    """What is wrong, and what to do."""
    name = type(err).__name__
    said = next(iter(str(err).strip().splitlines()), "") or name
    if isinstance(err, ImportError):
        return f"{said.rstrip('.')}; for s3:// pip install 'freelb-tune[remote]'"
    if isinstance(err, ValueError) and "rotocol" in said:
        return f"{said}; write s3://BUCKET/PATH, another address that fsspec opens, or a folder"
    if name in _NAMELESS:
        return f"no credentials for it ({said}); set AWS_ACCESS_KEY_ID and the like, or log in"
    if isinstance(err, PermissionError):
        return f"these credentials may not do this there ({said}); have reading and writing allowed"
    if isinstance(err, FileNotFoundError):
        return f"there is no such bucket or folder ({said}); make it, or name another"
    return f"cannot be reached ({name}: {said}); see to the network"
