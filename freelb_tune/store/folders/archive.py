"""A results folder as one archive, to be carried elsewhere: all that tables are made from.

Room: store. Weights and checkpoints stay where they are. What is unpacked is data from elsewhere:
plain files alone, none of which lands outside its folder.

    python -m freelb_tune.store.folders.archive FOLDER    prints one as text between two marks
"""

import base64
import hashlib
import io
import shutil
import sys
import tarfile
from pathlib import Path

from freelb_tune.errors import FreeLBTuneError
from freelb_tune.store.disk.files import disk_error, make_folder
from freelb_tune.store.journal.journal import JOURNAL

__all__ = ["MOST_BYTES", "packed", "printed", "read_printed", "unpack"]

MOST_BYTES = 64 * 1024**2
"""A larger archive is not printed; a folder of 10,000 cells is smaller."""

_MOST_UNPACKED = 32 * MOST_BYTES
_LEFT_OUT = {"model", "checkpoint", "checkpoint.old", "checkpoint.tmp", "best", "best_adversarial"}
_BEGIN, _END = "freelb-tune archive ", "freelb-tune archive ends"


def packed(folder: Path) -> bytes:
    """Journal, logs, predictions and tables, compressed.

    Raises:
        FreeLBTuneError: it is no results folder, or cannot be read.
    """
    if not (folder / JOURNAL).is_file():
        raise FreeLBTuneError(f"{folder}: no {JOURNAL} here, so this is no results folder")
    out = io.BytesIO()

    def kept(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
        name = Path(member.name).name
        hidden = name.startswith(".") and member.name != "."
        is_plain = member.isreg() or member.isdir()
        return member if is_plain and not hidden and name not in _LEFT_OUT else None

    with tarfile.open(fileobj=out, mode="w:xz", preset=1) as archive:
        try:
            archive.add(folder, ".", filter=kept)
        except OSError as err:
            raise disk_error("read this folder", folder, err) from err
    return out.getvalue()


def printed(raw: bytes) -> str:
    """An archive as lines of text, with what tells whether it came whole."""
    text = base64.encodebytes(raw).decode()
    return f"{_BEGIN}{hashlib.sha256(raw).hexdigest()}\n{text}{_END}\n"


def read_printed(text: str) -> bytes:
    """The archive that stands in a text, such as a job's log.

    Raises:
        FreeLBTuneError: none does, or it is not whole.
    """
    _, mark, rest = text.partition(_BEGIN)
    digest, _, rest = rest.partition("\n")
    lines, end, _ = rest.partition(_END)
    raw = base64.b64decode("".join(lines.split())) if mark and end else b""
    if not raw or hashlib.sha256(raw).hexdigest() != digest.strip():
        last = next((line for line in reversed(text.splitlines()) if line.strip()), "nothing")
        raise FreeLBTuneError(f"no whole archive came; the last line was: {last[:300]}")
    return raw


def unpack(raw: bytes, folder: Path) -> None:
    """Unpack an archive; what is there already is replaced if it is an earlier state of the same.

    Raises:
        FreeLBTuneError: another folder is there, the archive has something in it that is no plain
            file, or the disk refuses.
    """
    draft = folder.with_name(f".{folder.name}.fetched")
    shutil.rmtree(draft, ignore_errors=True)
    make_folder(draft)
    try:
        with tarfile.open(fileobj=io.BytesIO(raw), mode="r:xz") as archive:
            size = 0
            for member in archive:
                size += member.size
                if not (member.isreg() or member.isdir()) or size > _MOST_UNPACKED:
                    raise FreeLBTuneError(f"the archive is refused for its {member.name[:80]!r}")
                archive.extract(member, draft, filter="data")
        _replace(draft, folder)
    except (tarfile.TarError, EOFError, ValueError) as err:
        raise FreeLBTuneError(f"the archive is damaged or refused ({err})") from err
    except OSError as err:
        raise disk_error("unpack results here", folder, err) from err
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _replace(draft: Path, folder: Path) -> None:
    """Give the draft the folder's name, if what is there says nothing that the draft does not."""
    old = folder.with_name(f".{folder.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        ours = folder / JOURNAL
        was = ours.read_bytes() if ours.is_file() else None
        if was is None or not (draft / JOURNAL).read_bytes().startswith(was):
            raise FreeLBTuneError(
                f"{folder}: is there already, and is no earlier state of what was fetched; choose "
                "another folder with --into"
            )
        folder.rename(old)
    draft.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def _main(folder: Path) -> int:
    try:
        raw = packed(folder)
    except FreeLBTuneError as err:
        print(err)  # noqa: T201
        return 2
    if len(raw) > MOST_BYTES:
        print(f"{folder}: {len(raw) / 1024**2:.0f} MiB, more than can be fetched so")  # noqa: T201
        return 2
    print(printed(raw))  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(_main(Path(sys.argv[1])))
