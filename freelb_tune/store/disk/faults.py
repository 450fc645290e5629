"""Whose fault an error is: the machine's, whose disk would not take or give a file, or not.

Room: store.
"""

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from freelb_tune.errors import DiskError
from freelb_tune.store.disk.files import FULL, disk_error

__all__ = ["machine_fault", "machine_faults_told"]

_BROKEN = {*FULL, errno.EIO, errno.EROFS, errno.ESTALE, errno.ENFILE, errno.EMFILE}
_IN_WORDS = re.compile(
    r"os error (\d+)"  # safetensors
    r"|No space left on device|Disk quota exceeded"
    r"|PytorchStreamWriter failed (?:writing|closing)|file write failed|unexpected pos \d+ vs \d+"
)
"""What libraries say whose errors have no number; the last line is torch's."""


def machine_fault(err: BaseException, folder: Path) -> DiskError | None:
    """What of an exception is the machine's fault, as the disk would not take or give a file.

    Args:
        err: as some code or library raised it; what it came of is looked at, too.
        folder: where files were to be kept, for the message.

    Returns:
        None for any other exception.
    """
    seen: BaseException | None = err
    while seen is not None:
        if isinstance(seen, DiskError):
            return seen
        if isinstance(seen, OSError) and seen.errno in _BROKEN:
            return disk_error("keep files here", folder, seen)
        said = _IN_WORDS.search(str(seen))
        number = int(said[1] or errno.ENOSPC) if said else 0
        if number in _BROKEN:
            return disk_error("keep files here", folder, OSError(number, os.strerror(number)))
        seen = seen.__cause__ or seen.__context__
    return None


@contextmanager
def machine_faults_told(folder: Path) -> Iterator[None]:
    """Inside, what is the machine's fault is raised as the message that says so.

    Args:
        folder: where files are kept, for the message.

    Raises:
        DiskError: the disk refused, whatever library met it.
    """
    try:
        yield
    except Exception as err:
        fault = machine_fault(err, folder)
        if fault is None or fault is err:
            raise
        raise fault from err
