"""Whether the Ray that the search runs on still lives; where not, it ends in one message.

Room: search. When Ray's control service dies, a call to it waits for a minute and then ends the
whole process; when its raylet dies, trials are tried again that can never run.
"""

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import Any

import psutil

from freelb_tune.errors import RayDiedError
from freelb_tune.search.ray_tune.machines.address import ask_head

__all__ = ["Lifeline", "watched_ray"]

_LOOK = 0.25  # seconds between two looks at processes of this machine
_ASK = 2.0  # at least, between two questions to a cluster's head
_SILENCE = 30.0  # seconds for a cluster's head to come back; Ray itself gives it 60
_PATIENCE = 20.0  # seconds for the search to end in order, once Ray is dead
_VITAL = {
    "gcs_server": "Ray's control service died (killed, or out of memory)",
    "raylet": "Ray's raylet died (killed, or out of memory)",
    "head": f"the cluster's head has not answered for {_SILENCE:.0f} seconds (it died, or the "
    "network did)",
}


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
                f"{found[0]}. Every epoch that ended is safe in {self._folder}; run the same "
                "command again: it continues where it was"
            )
        return self.error

    def rest(self) -> None:
        """From now on Ray is meant to end."""
        self._is_over = True


@contextmanager
def watched_ray(folder: Path, *, is_own: bool) -> Iterator[Lifeline]:
    """Look all the time whether Ray lives.

    Where the search does not end soon after Ray's death, as a call to it waits, the process is
    ended with the message: Ray would end it a little later without one.

    Args:
        folder: the results folder, for the message.
        is_own: this process has started Ray; else it has joined a cluster.
    """
    try:
        dead = _dead_processes if is_own else _Joined()
        dead()
    except (ImportError, AttributeError, ConnectionError) as err:
        sys.stderr.write(
            f"freelb-tune: this Ray does not tell when it has died ({err}); where it does, the "
            "search ends later, with a message of Ray's\n"
        )
        yield Lifeline(folder, list)
        return
    line, over = Lifeline(folder, dead), threading.Event()

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


class _Joined:
    """Looks whether this machine's raylet lives, and asks the cluster's head whether it does.

    Raises:
        ConnectionError: the head does not answer at once, as where Ray speaks TLS.
        ImportError: this version of Ray has its messages elsewhere.
    """

    def __init__(self) -> None:
        import ray

        here = ray.get_runtime_context()
        own = f"--node_id={here.get_node_id()}"
        named = psutil.process_iter(["name", "cmdline"])
        self._raylets = [  # none in another container, and where Ray has another option for it
            each
            for each in named
            if each.info["name"] == "raylet" and own in (each.info["cmdline"] or ())  # dead: None
        ]
        self._head = here.gcs_address
        self._heard, self._asked = float("-inf"), float("-inf")
        if self():
            raise ConnectionError(f"no answer from {self._head}")

    def __call__(self) -> list[str]:
        import grpc

        if self._raylets and not any(_runs(each) for each in self._raylets):
            return ["raylet"]
        now = monotonic()
        if now - self._asked > _ASK:
            self._asked = now
            try:
                ask_head(self._head)
                self._heard = monotonic()
            except grpc.RpcError:
                if now - self._heard > _SILENCE:
                    return ["head"]
        return []


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False
