"""Results at a URI: worked in, or looked at, in folders of this machine's cache.

Room: api. A search works in one folder and whoever looks in another, so that nobody who fetches
tables alone makes a search believe that it has its checkpoints.
"""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from freelb_tune.errors import FreeLBTuneError
from freelb_tune.store import is_held, write_whole
from freelb_tune.store.disk.user_cache import user_cache
from freelb_tune.store.journal.journal import OWNER
from freelb_tune.store.remote.lease import Lease, holder_of
from freelb_tune.store.remote.manifest import fetch_files, read_manifest
from freelb_tune.store.remote.mirror import Mirror, show_outputs
from freelb_tune.store.remote.place import Place, RemoteError, open_place, uri_of
from freelb_tune.store.remote.snapshot import files_in
from freelb_tune.store.remote.uploader import Uploader

__all__ = [
    "everything",
    "with_best",
    "facts",
    "kept_at",
    "looked_at",
    "looked_in",
    "show",
    "work_folder",
]

Wanted = Callable[[str], bool]


def facts(name: str) -> bool:
    """Journal, logs, predictions, tables: all but weights and what a cell goes on from."""
    parts = set(Path(name).parts)
    return not (parts & {"checkpoint", "checkpoint.old", "model"} or name.startswith("best"))


def with_best(name: str) -> bool:
    """The selected models too."""
    return facts(name) or name.startswith("best")


def everything(name: str) -> bool:
    """Whatever is there."""
    return True


def work_folder(results: str | Path) -> Path:
    """Where searches' folders stand on this machine: `results` itself, or of a URI the cache."""
    uri = uri_of(results)
    return Path(results) if uri is None else _cache(uri) / "work"


@contextmanager
def kept_at(
    results: str | Path, name: str, say: Callable[[str], None]
) -> Iterator[tuple[Path, Uploader | None]]:
    """Have a place that is worked in on this machine: brought first, sent in the end.

    Args:
        results: what searches' folders stand in: a folder, or a URI.
        name: of the search's folder.
        say: told what there is to say.

    Yields:
        The folder on this machine that searches' folders stand in, and who sends this one's away
        meanwhile if he is told of the search's steps; None for a folder.

    Raises:
        FreeLBTuneError: another search writes there, or the place cannot be read or written.
    """
    uri, home = uri_of(results), work_folder(results)
    if uri is None:
        yield home, None
        return
    place = open_place(f"{uri}/{name}")
    lease = Lease(place)
    mirror = Mirror(place, home / name, home / ".state" / name, lease, say)
    lease.take()
    uploader = Uploader(mirror, lease, say)
    try:
        mirror.bring()
    except BaseException as err:
        uploader.let_go()
        raise uploader.lost or err from None
    try:
        yield home, uploader
    except BaseException as err:
        if uploader.lost is not None:
            raise uploader.lost from err
        try:
            uploader.finish()
        except FreeLBTuneError as other:
            say(str(other))  # beside what went wrong first
        raise
    uploader.finish()


def looked_in(place: str | Path, wanted: Wanted = facts) -> Path:
    """A results folder to look into: itself, or of a URI what is there now, brought here.

    Raises:
        FreeLBTuneError: nothing is there, it is damaged, or the place cannot be read.
    """
    uri = uri_of(place)
    if uri is None:
        return Path(place)
    parent, _, name = uri.rpartition("/")
    found = _look(parent, name, wanted)
    if found is None:
        raise FreeLBTuneError(
            f"{uri}: no results of a search are there; name them as s3://BUCKET/PATH/NAME, where "
            "--results was s3://BUCKET/PATH"
        )
    return found


def looked_at(results: str | Path, name: str) -> Path:
    """The folder that searches' folders stand in, with this one's in it, if there is one.

    Raises:
        FreeLBTuneError: as `looked_in`.
    """
    uri = uri_of(results)
    if uri is None:
        return Path(results)
    found = _look(uri, name, facts)
    return _cache(uri) / "look" if found is None else found.parent


def show(place: str | Path, folder: Path) -> None:
    """Put the tables and the page of a folder that was looked into where they belong.

    Raises:
        RemoteError: the place does not take them.
    """
    uri = uri_of(place)
    if uri is not None:
        show_outputs(open_place(uri), folder)


def _look(parent: str, name: str, wanted: Wanted) -> Path | None:
    work = _cache(parent) / "work" / name
    if is_held(work):  # a search of this machine, which knows more
        return work
    place, folder = open_place(f"{parent}/{name}"), _cache(parent) / "look" / name
    for left in (2, 1, 0):
        try:
            return folder if _bring(place, folder, wanted) else None
        except RemoteError as err:
            if not left or not isinstance(err.__cause__, FileNotFoundError):
                raise  # else a search has sent a newer state meanwhile
    return None


def _bring(place: Place, folder: Path, wanted: Wanted) -> bool:
    manifest = read_manifest(place)
    if manifest is None:
        return False
    folder.mkdir(parents=True, exist_ok=True)
    stage = Path(tempfile.mkdtemp(prefix=".stage-", dir=folder.parent))
    try:
        files = {name: each for name, each in manifest.files.items() if wanted(name)}
        fetch_files(place, files, folder, stage)
        for path, stat in files_in(folder):
            each = manifest.files.get(str(path.relative_to(folder)))
            if each is None or each.size != stat.st_size:  # weights that were fetched may stay
                path.unlink()
        owner = holder_of(place)
        if owner is None:
            (folder / OWNER).unlink(missing_ok=True)
        else:
            told = {"pid": owner.get("pid"), "host": owner.get("host")}
            write_whole(folder / OWNER, json.dumps(told))
    finally:
        shutil.rmtree(stage, ignore_errors=True)
    return True


def _cache(uri: str) -> Path:
    """Where this user's folders for a URI are."""
    return user_cache() / "remote" / hashlib.sha256(uri.encode()).hexdigest()[:16]
