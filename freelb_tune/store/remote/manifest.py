"""What a place holds of a results folder: `manifest.json`, which names each file's object.

Room: store. Objects are named by what they hold and never change; the manifest is replaced last, in
one step. So whoever reads sees the folder as it was at one moment.
"""

import hashlib
import json
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from freelb_tune.errors import DamagedError
from freelb_tune.store.disk.files import disk_error
from freelb_tune.store.remote.place import Place

__all__ = ["MANIFEST", "Manifest", "Object", "digest_of", "fetch_files", "read_manifest"]

MANIFEST = "manifest.json"
_MIB = 1 << 20
_LAST = {"journal.jsonl", "epochs.jsonl"}
_BATCH = 200  # files that are asked for at a time


@dataclass(frozen=True)
class Object:
    """What a file holds.

    Attributes:
        digest: SHA-256, hexadecimal.
        size: bytes.
    """

    digest: str
    size: int


@dataclass(frozen=True)
class Manifest:
    """A results folder as it was at one moment.

    Attributes:
        files: by their path in the folder.
    """

    files: Mapping[str, Object]

    def to_json(self) -> bytes:
        """What is kept at the place."""
        files = {name: [each.digest, each.size] for name, each in sorted(self.files.items())}
        return json.dumps({"format": 1, "files": files}).encode()


def read_manifest(place: Place) -> Manifest | None:
    """What a place holds; None where it holds nothing yet. It may be somebody else's.

    Raises:
        DamagedError: it is not as we write it, or a file of it would lie outside the folder.
        RemoteError: the place cannot be read.
    """
    raw = place.read(MANIFEST)
    if raw is None:
        return None
    try:
        content = json.loads(raw)
        if content["format"] != 1:
            raise ValueError(f"its format is {str(content['format'])[:20]}")
        found = {str(n): Object(str(each[0]), int(each[1])) for n, each in content["files"].items()}
        for name, each in found.items():
            parts = PurePosixPath(name).parts
            if name.startswith("/") or "\0" in name or {"..", "."} & set(parts) or not parts:
                raise ValueError(f"the path {name[:60]!r} leads outside")
            if not re.fullmatch("[0-9a-f]{64}", each.digest):
                raise ValueError(f"the digest of {name[:60]!r} is none")
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as err:
        raise DamagedError(f"{place.uri}/{MANIFEST} is not as we write it: {err}") from err
    return Manifest(found)


def digest_of(path: Path) -> Object:
    """What a file holds."""
    with path.open("rb") as file:
        return Object(hashlib.file_digest(file, "sha256").hexdigest(), file.tell())


def fetch_files(
    place: Place,
    files: Mapping[str, Object],
    folder: Path,
    stage: Path,
    say: Callable[[str], None] = lambda _: None,
) -> None:
    """Have files as they are at a place; the journal and a cell's log come last: they name others.

    Args:
        place: a results folder's.
        files: by their path in the folder; those that are the same already are not fetched.
        folder: the results folder here.
        stage: a folder on the same disk, for what is on its way.
        say: told what is fetched.

    Raises:
        DamagedError: an object does not hold what it should.
        DiskError: a file cannot be written here.
        RemoteError: one is not there any more, or the place cannot be reached.
    """
    lacking = {name: each for name, each in files.items() if not _is_same(folder / name, each)}
    wanted = {each.digest: each for each in lacking.values()}
    if sum(each.size for each in wanted.values()) > 64 * _MIB:
        mib = sum(each.size for each in wanted.values()) / _MIB
        say(f"fetching {len(wanted)} files, {mib:,.0f} MiB, from {place.uri}")
    stage.mkdir(parents=True, exist_ok=True)
    digests = sorted(wanted)
    for start in range(0, len(digests), _BATCH):
        some = digests[start : start + _BATCH]
        with place.told():
            place.fs.get(
                [place.path(f"objects/{each}") for each in some],
                [str(stage / each) for each in some],
            )
    for digest, each in wanted.items():
        if digest_of(stage / digest) != each:
            raise DamagedError(f"{place.uri}/objects/{digest}: it no longer holds what it did")
    uses = [each.digest for each in lacking.values()]
    for name in sorted(lacking, key=lambda name: (name in _LAST, name)):
        target, source = folder / name, stage / lacking[name].digest
        uses.remove(lacking[name].digest)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            if lacking[name].digest in uses:  # another file holds the same
                source = Path(shutil.copyfile(source, stage / "copy"))
            source.replace(target)
        except OSError as err:
            raise disk_error("write this file", target, err) from err


def _is_same(path: Path, wanted: Object) -> bool:
    if path.is_symlink() or not path.is_file() or path.stat().st_size != wanted.size:
        return False
    return digest_of(path) == wanted
