"""How files reach the disk: folders, whole files and lines that survive a crash.

Room: store. Bytes in, bytes on disk. Knows nothing of what they mean.
"""

import errno
import json
import os
import stat
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic_core import from_json

from freelb_tune.errors import DamagedError, DiskError, FreeLBTuneError

__all__ = [
    "FULL",
    "append_lines",
    "disk_error",
    "insist",
    "linked",
    "make_folder",
    "parse_lines",
    "read_file",
    "read_lines",
    "write_whole",
]

_T = TypeVar("_T")
_DEEPEST = 30  # lists and mappings inside each other; as deep as in a search-space file
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
"""What a system says of a disk without room, or of a user who has had theirs."""


def insist(call: Callable[[], _T]) -> _T:
    """Do what a network file system may refuse for a moment, as another machine uses the place.

    Raises:
        OSError: it is refused for longer than two seconds, or for another reason.
    """
    for wait in (0.05, 0.2, 0.5, 1.5):
        try:
            return call()
        except OSError as err:
            if err.errno not in (errno.ESTALE, errno.EBUSY):
                raise
            time.sleep(wait)
    return call()


def disk_error(doing: str, path: Path, err: OSError) -> DiskError:
    """Say what could not be done to a file, why, and what to do."""
    if err.errno in FULL:
        advice = "make room and run the same command again: it continues where it was"
    elif err.errno in (errno.EROFS, errno.EIO, errno.ESTALE):
        advice = "see to the disk and run the same command again: it continues where it was"
    else:
        advice = "change its permissions, or choose another folder with --results"
    return DiskError(f"{path}: cannot {doing}: {err.strerror or err}; {advice}")


def linked(path: Path) -> FreeLBTuneError:
    """Say that a link stands where a file or folder of ours should."""
    return FreeLBTuneError(
        f"{path}: is a link, and what a results folder holds has to lie inside it; put what it "
        "leads to in its place, if you trust it (the results folder itself may be a link)"
    )


def read_file(path: Path) -> bytes:
    """The content of a file of a results folder, which may be somebody else's.

    Raises:
        FileNotFoundError: it is not there.
        FreeLBTuneError: it is a link, or a pipe or the like, or it cannot be read.
    """
    try:
        # without O_NONBLOCK a pipe in the file's place would be waited for without end
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        handle = insist(lambda: os.open(path, flags))
    except FileNotFoundError:
        raise
    except OSError as err:
        if err.errno == errno.ELOOP:
            raise linked(path) from err
        raise disk_error("read this file", path, err) from err
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise FreeLBTuneError(f"{path}: expected a file, found something else; move it away")
        with open(handle, "rb", buffering=0, closefd=False) as file:
            return file.read()
    except OSError as err:
        raise disk_error("read this file", path, err) from err
    finally:
        os.close(handle)


def make_folder(folder: Path) -> None:
    """Create a folder and its parents, each on disk before this returns.

    Raises:
        FreeLBTuneError: no permission, no room, or a file is in the way.
    """
    missing = [path for path in (folder, *folder.parents) if not os.path.exists(path)]
    try:
        for path in reversed(missing):
            path.mkdir(exist_ok=True)
            _sync_folder(path.parent)
    except OSError as err:
        raise disk_error("create this folder", folder, err) from err
    if not folder.is_dir():
        raise FreeLBTuneError(
            f"{folder}: is a file, and results need a folder; move it away, or choose another "
            "folder with --results"
        )


def write_whole(path: Path, content: str) -> bool:
    """Replace a text file in one step, so that a reader sees the old one or the new one.

    Args:
        path: its folder exists.
        content: UTF-8 on disk; half characters that no encoding has are written as `\\udc80`.

    Returns:
        Whether the file was written; one that already says the same is left alone.

    Raises:
        FreeLBTuneError: no permission or no room. The old file is as it was.
    """
    raw = content.encode("utf-8", "backslashreplace")
    draft = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        if not path.is_symlink() and path.is_file() and path.read_bytes() == raw:
            return False
        draft.unlink(missing_ok=True)
        try:
            with draft.open("xb") as file:  # never through a link that lies there
                file.write(raw)
                file.flush()
                os.fsync(file.fileno())
            insist(lambda: draft.replace(path))
        finally:
            draft.unlink(missing_ok=True)
    except OSError as err:
        raise disk_error("write this file", path, err) from err
    return True


def append_lines(path: Path, entries: Iterable[Mapping[str, Any]]) -> None:
    """Append mappings as JSON lines; all are on disk when this returns.

    What a killed writer left of a last line is cut off first. When the disk refuses, the file is
    put back to the lines it had.

    Args:
        path: its folder exists; the file is created if need be.
        entries: one line each; finite numbers only.

    Raises:
        FreeLBTuneError: no permission or no room.
        ValueError: a number is not finite.
    """
    # ASCII escapes: one line stays one line, and odd bytes from an error message stay writable.
    lines = [json.dumps(entry, allow_nan=False, separators=(",", ":")) for entry in entries]
    raw = "".join(f"{line}\n" for line in lines).encode()
    try:
        is_new = not path.exists()
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        handle = insist(lambda: os.open(path, flags, 0o666))
        try:
            end = _mend_tail(handle)
            try:
                _write_all(handle, raw, end)
            except OSError:
                os.ftruncate(handle, end)  # shrinking needs no room
                raise
            os.fsync(handle)
        finally:
            os.close(handle)
        if is_new:
            _sync_folder(path.parent)
    except OSError as err:
        raise disk_error("append to this file", path, err) from err


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Read JSON lines; entry `n` of the list is line `n + 1` of the file.

    A file that is not there has no lines.

    Raises:
        DamagedError: as `parse_lines`.
        FreeLBTuneError: the file cannot be read.
    """
    try:
        return parse_lines(read_file(path), path)
    except FileNotFoundError:
        return []


def parse_lines(raw: bytes, path: Path) -> list[dict[str, Any]]:
    """The entries of a file of JSON lines.

    A last line without its end is what a killed writer left: it counts if it is whole, and is
    passed over if it is not.

    Args:
        raw: what the file holds.
        path: its name, for messages.

    Raises:
        DamagedError: any other line is not one JSON mapping.
    """
    *lines, tail = raw.split(b"\n")
    entries = []
    for number, line in enumerate(lines, start=1):
        entry = _parse(line)
        if entry is None:
            shown = line[:60].decode("utf-8", "backslashreplace")
            raise DamagedError(
                f"{path}, line {number}: expected one JSON mapping, found {shown!r}; only a last "
                "line may be torn, so this file was changed by hand or damaged: restore it from a "
                "copy"
            )
        entries.append(entry)
    last = _parse(tail)
    return entries if last is None else [*entries, last]


def _parse(line: bytes) -> dict[str, Any] | None:
    """The mapping that a line says, or None where it says none."""
    try:
        entry = from_json(line, allow_inf_nan=False)
    except ValueError:  # so be it, or half a character, which only json reads
        try:
            entry = _DECODER.decode(line.decode())
        except (ValueError, RecursionError):  # also not UTF-8
            return None
    if not isinstance(entry, dict):
        return None
    most = line.count(b"[") + line.count(b"{")  # nesting is no deeper than this
    return entry if most <= _DEEPEST or _is_flat(entry, _DEEPEST) else None


def _is_flat(value: Any, depth: int) -> bool:
    """Whether lists and mappings are nested no deeper than this: whoever reads them may recurse."""
    if not isinstance(value, dict | list):
        return True
    inner = value.values() if isinstance(value, dict) else value
    return depth > 0 and all(_is_flat(each, depth - 1) for each in inner)


def _refuse_constant(text: str) -> None:
    """NaN and Infinity are Python's, not JSON's, and no writer of ours lets one through."""
    raise ValueError(text)


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)


def _mend_tail(handle: int) -> int:
    """Make the file end with a whole line, by the rule of `read_lines`; returns its length."""
    size = os.fstat(handle).st_size
    tail, start = b"", size
    while start > 0 and b"\n" not in tail:
        step = min(4096, start)
        start -= step
        tail = os.pread(handle, step, start) + tail
    tail = tail.rpartition(b"\n")[2]
    if not tail:
        return size
    if _parse(tail) is not None:
        return size + os.pwrite(handle, b"\n", size)
    os.ftruncate(handle, size - len(tail))
    return size - len(tail)


def _write_all(handle: int, raw: bytes, at: int) -> None:
    """Write every byte from an offset on; the system may take them in pieces."""
    view = memoryview(raw)
    while view:
        taken = os.pwrite(handle, view, at)
        view, at = view[taken:], at + taken


def _sync_folder(folder: Path) -> None:
    """Put a folder's list of files on disk, so that a new file survives a power failure."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
