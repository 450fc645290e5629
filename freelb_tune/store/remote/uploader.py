"""Sends a results folder away while its search runs, from a thread of its own.

Room: store. What the search tells it is that of a listener (see `search.driver.listener`): a
snapshot is taken between two steps, in the driver's thread, and sent in the other one. Where the
place does not answer, the search goes on, and the next try has everything.
"""

import queue
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from freelb_tune.errors import DiskError, FreeLBTuneError
from freelb_tune.store.remote.lease import RENEWAL, Lease, LeaseLostError
from freelb_tune.store.remote.mirror import Mirror
from freelb_tune.store.remote.place import RemoteError
from freelb_tune.store.remote.snapshot import Snapshot

__all__ = ["Uploader"]

_LEAST = 5.0  # seconds between two snapshots, of which taking one is a twentieth at most
_AGAIN = 10.0  # seconds until a failed sending is tried again
_LAST = 120.0  # seconds for the last one to come through


Action = Callable[[], None]


class Uploader:
    """Keeps a place as the folder is, and its lease alive.

    Args:
        mirror: brought before the first step.
        lease: taken.
        say: told, in the driver's thread, what there is to say.

    Attributes:
        lost: why the search may not go on, if it may not: another one writes at the place.
        place: where it sends.
    """

    def __init__(self, mirror: Mirror, lease: Lease, say: Callable[[str], None]) -> None:
        self.lost: LeaseLostError | None = None
        self.place = mirror.place
        self._mirror, self._lease, self._say = mirror, lease, say
        self._work: queue.SimpleQueue[tuple[Snapshot, list[Action]]] = queue.SimpleQueue()
        self._then: list[Action] = []
        self._said: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._idle, self._over = threading.Event(), threading.Event()
        self._idle.set()
        self._due, self._is_failing = 0.0, False
        self._is_released = threading.Event()
        self._thread = threading.Thread(target=self._run, name="uploader", daemon=True)
        self._thread.start()
        threading.Thread(target=self._renew, name="lease", daemon=True).start()

    def opened(self, board: Any) -> None:
        self.tick()

    def said(self, text: str) -> None: ...

    def changed(self, cell_id: str) -> None: ...

    def once_sent(self, action: Action) -> None:
        """Have something done once the place has the folder as it is now, or as it is later.

        Args:
            action: may run in another thread; what the place refuses it is let be.
        """
        self._then.append(action)

    def tick(self) -> None:
        """Take a snapshot, if one is due and the last one is sent.

        Raises:
            KeyboardInterrupt: the place is another's, see `lost`; the search ends in order, as by
                Ctrl-C, which this process may have been started without.
        """
        if self.lost is not None:
            raise KeyboardInterrupt
        while not self._said.empty():
            self._say(self._said.get())
        start = time.monotonic()
        if not self._idle.is_set() or start < self._due:
            return
        try:
            found = self._mirror.take()
        except DiskError:  # the search meets it too, or has room again
            found = None
        took = time.monotonic() - start
        self._due = start + max(_LEAST, 20 * took)
        if found is not None:
            self._idle.clear()
            self._work.put((found, self._then))
            self._then = []

    def closed(self) -> None: ...

    def finish(self) -> None:
        """Send what is left, check that all is there, and let the place go.

        Raises:
            LeaseLostError: another search writes there.
            RemoteError: the place does not answer, or lacks something.
        """
        self._over.set()
        self._thread.join()
        deadline = time.monotonic() + _LAST
        try:
            while not self._is_sent(deadline):
                time.sleep(min(_AGAIN, max(0.0, deadline - time.monotonic())))
        finally:
            self._is_released.set()
        self._say(f"all of it is at {self._mirror.place.uri}")

    def let_go(self) -> None:
        """Let the place go as it is."""
        self._over.set()
        self._is_released.set()
        with suppress(FreeLBTuneError):
            self._lease.release()

    def _is_sent(self, deadline: float) -> bool:
        """Try to have all at the place, and let it go."""
        if self.lost is not None:
            raise self.lost
        try:
            found = self._mirror.take()
            if found is not None:
                self._mirror.send(found)
            self._mirror.check()
            _do(self._then)
            self._lease.release()
        except RemoteError as err:
            left = deadline - time.monotonic()
            if left <= 0:
                raise RemoteError(
                    f"{err}. All is kept in {self._mirror.folder}: the same command on this "
                    "machine sends it"
                ) from err
            self._say(f"{err}; tried for {left:.0f} seconds more")
            return False
        return True

    def _renew(self) -> None:
        """Renew the lease, also while something large is sent."""
        while not self._is_released.wait(RENEWAL):
            try:
                self._lease.renew()
            except LeaseLostError as err:
                self._lose(err)
                return
            except FreeLBTuneError:
                continue  # whoever sends says so

    def _lose(self, err: LeaseLostError) -> None:
        """Have the search's next step end it."""
        if self.lost is None and not self._is_released.is_set():
            self.lost = err

    def _run(self) -> None:
        """Send snapshots as they come."""
        waiting: tuple[Snapshot, list[Action]] | None = None
        while not self._over.is_set():
            waiting = waiting or self._next(0.5)
            if waiting is None:
                continue
            try:
                self._mirror.send(waiting[0])
            except LeaseLostError as err:
                self._lose(err)
                return
            except (FreeLBTuneError, OSError) as err:
                if not self._is_failing:
                    self._said.put(
                        f"{err}. The search goes on, all is in {self._mirror.folder}, and it is "
                        f"tried again every {_AGAIN:.0f} seconds"
                    )
                self._is_failing = True
                self._over.wait(_AGAIN)
                continue
            _do(waiting[1])
            waiting = None
            self._idle.set()
            if self._is_failing:
                self._said.put(f"{self._mirror.place.uri}: it is reached again")
            self._is_failing = False
        waiting = waiting or self._next(0.0)
        self._then += waiting[1] if waiting else []

    def _next(self, seconds: float) -> tuple[Snapshot, list[Action]] | None:
        try:
            return self._work.get(timeout=seconds)
        except queue.Empty:
            return None


def _do(actions: list[Action]) -> None:
    """Do what was to be done once; an action that fails leaves what the next run finds."""
    while actions:
        with suppress(FreeLBTuneError):
            actions.pop()()
