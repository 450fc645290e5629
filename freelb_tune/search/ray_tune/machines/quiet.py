"""Keeps what Ray prints by itself off stdout, where data belongs.

Room: search, without Ray.
"""

import logging
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import Any, TextIO, cast

__all__ = ["ray_kept_quiet"]

_THREAD = "ray_listen_error_messages"  # prints pages about each worker that dies
_log = logging.getLogger(__name__)


@contextmanager
def ray_kept_quiet() -> Iterator[None]:
    """Inside, what Ray's own thread prints goes to our debug log; all else is printed as ever."""
    with redirect_stdout(cast(TextIO, _ButRay(sys.stdout))):
        yield


class _ButRay:
    """A stream without what Ray's thread writes to it."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        if threading.current_thread().name == _THREAD:
            _log.debug("%s", text)
            return len(text)
        return self._stream.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
