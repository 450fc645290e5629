"""Whether the Ray that this process started still lives; where not, the search ends in one message.

Room: search. When Ray's control service dies, a call to it waits for a minute and then ends the
whole process; when its raylet dies, trials are tried again that can never run.
"""

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from freelb_tune.errors import RayDiedError

__all__ = ["Lifeline", "watched_ray"]

_LOOK = 0.25  # seconds between two looks
_PATIENCE = 20.0  # seconds for the search to end in order, once Ray is dead
_VITAL = {"gcs_server": "control service", "raylet": "raylet"}


class Lifeline:
    """Knows what of Ray has died.

    Attributes:
        error: what to raise; None while Ray lives.
    """

    def __init__(self, folder: Path, dead: Callable[[], list[str]]) -> None:
        self.error: RayDiedError | None = None
        self._folder, self._dead, self._is_over = folder, dead, False

    def look(self) -> RayDiedError | None:
        """Look now; what was found once stays."""
        if self._is_over:
            return self.error
        found = [_VITAL[name] for name in self._dead() if name in _VITAL]
        if found and self.error is None:
            self.error = RayDiedError(
                f"Ray's {found[0]} died (killed, or out of memory). Every epoch that ended is safe "
                f"in {self._folder}; run the same command again: it continues where it was"
            )
        return self.error

    def rest(self) -> None:
        """From now on Ray is meant to end."""
        self._is_over = True


@contextmanager
def watched_ray(folder: Path) -> Iterator[Lifeline]:
    """Look all the time whether the Ray that this process has started lives.

    Where the search does not end soon after Ray's death, as a call to it waits, the process is
    ended with the message: Ray would end it a little later without one.

    Args:
        folder: the results folder, for the message.
    """
    try:
        _dead_processes()
    except (ImportError, AttributeError):
        sys.stderr.write(
            "freelb-tune: this version of Ray does not tell which of its processes have died; "
            "where they do, the search ends later, with a message of Ray's\n"
        )
        yield Lifeline(folder, list)
        return
    line, over = Lifeline(folder, _dead_processes), threading.Event()

    def look() -> None:
        while not over.wait(_LOOK):
            if line.look() is not None and not over.wait(_PATIENCE):
                sys.stderr.write(f"freelb-tune: {line.error}\n")
                sys.stderr.flush()
                os._exit(RayDiedError.status)

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield line
    finally:
        over.set()


def _dead_processes() -> list[str]:
    """The kinds of Ray's own processes that have ended; Ray has no public way to ask.

    Raises:
        ImportError, AttributeError: another version of Ray has it elsewhere.
    """
    from ray._private import worker

    node: Any = worker._global_node
    return [] if node is None else [str(kind) for kind, _ in node.dead_processes()]
