"""A lock on a file, also on a file system that has no locks of its own (some network ones).

Room: store. filelock loads on use.
"""

import errno
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from filelock import BaseFileLock

__all__ = ["SOFT", "take_lock"]

SOFT = "-soft"
"""What is added to the lock's name for the file that stands in for it."""

_NO_LOCKS = {errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS}


def take_lock(path: Path, timeout: float) -> "BaseFileLock":
    """Take a lock, which the system frees when this process ends, however it ends.

    Where the file system knows no locks, a file with this process's number stands in for it; one
    that a dead process of this machine has left is passed over.

    Args:
        path: the lock's file.
        timeout: seconds to wait for whoever holds it.

    Raises:
        filelock.Timeout: somebody holds it.
        OSError: the file cannot be written.
    """
    from filelock import FileLock, SoftFileLock  # a tenth of a second that readers need not pay

    lock: BaseFileLock = FileLock(path)
    try:
        lock.acquire(timeout=timeout)
    except OSError as err:
        if err.errno not in _NO_LOCKS:
            raise
        lock = SoftFileLock(path.with_name(path.name + SOFT))
        lock.acquire(timeout=timeout)
    return lock
