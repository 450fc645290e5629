"""Who writes at a place: `lease.json` there, renewed while its holder lives.

Room: store. A holder that has not renewed it for `PATIENCE` seconds, by the place's own clock, or
whose process on this machine is gone, holds it no more.
"""

import json
import os
import platform
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Any

from freelb_tune.errors import FreeLBTuneError
from freelb_tune.store.remote.place import Place

__all__ = ["LEASE", "PATIENCE", "RENEWAL", "Lease", "LeaseLostError", "holder_of"]

LEASE = "lease.json"
PATIENCE, RENEWAL = 120.0, 20.0  # seconds


class LeaseLostError(FreeLBTuneError):
    """Another search writes at the place meanwhile, as this one was not heard of for too long."""


class Lease:
    """The right to write at a place; not taken yet.

    Attributes:
        token: says which lease it is.
    """

    def __init__(self, place: Place) -> None:
        self.token = secrets.token_hex(8)
        self._place = place

    def take(self) -> None:
        """Take it.

        Raises:
            FreeLBTuneError: another search holds it.
            RemoteError: the place cannot be written in.
        """
        self._place.make()
        age = self._age()
        told = _told(self._place)
        if told is not None and not _is_dead(told) and (age is None or age < PATIENCE):
            raise self._held(told, age)
        content = self._content()
        with self._place.told():
            path = self._place.path(LEASE)
            try:
                self._place.fs.pipe_file(path, content, mode="overwrite" if told else "create")
            except FileExistsError:
                raise self._held(_told(self._place) or {}, 0.0) from None
        self.check()

    def renew(self) -> None:
        """Say that the holder lives.

        Raises:
            LeaseLostError: it is another's.
            RemoteError: the place cannot be reached.
        """
        self.check()
        self._place.write(LEASE, self._content())

    def check(self) -> None:
        """Make sure that it is still held.

        Raises:
            LeaseLostError: it is another's, or nobody's.
            RemoteError: the place cannot be reached.
        """
        told = _told(self._place) or {}
        if told.get("token") != self.token:
            raise LeaseLostError(
                f"{self._place.uri}: another search has taken this place over ({_who(told)}), as "
                f"nothing was heard of this one for {PATIENCE:.0f} seconds or its lease was "
                "deleted; this one ends, and what it has done since is on this machine alone"
            )

    def release(self) -> None:
        """Let the place go.

        Raises:
            LeaseLostError, RemoteError: as `check`.
        """
        self.check()
        self._place.drop(LEASE)

    def _content(self) -> bytes:
        owner = {"token": self.token, "pid": os.getpid(), "host": platform.node()}
        return json.dumps({**owner, "machine": _machine()}).encode()

    def _age(self) -> float | None:
        """Seconds since the lease was renewed, by the place's clock; None where it tells none.

        To know what time it is there something is written: so it is known that one may.
        """
        probe = f"probe.{self.token}"
        place = self._place
        with place.told():
            place.fs.pipe_file(place.path(probe), b"")
            place.fs.invalidate_cache()
            try:
                now, then = (place.fs.modified(place.path(name)) for name in (probe, LEASE))
            except (FileNotFoundError, NotImplementedError):
                return None
            finally:
                place.fs.rm_file(place.path(probe))
        return float((now - then).total_seconds())

    def _held(self, told: dict[str, Any], age: float | None) -> FreeLBTuneError:
        seen = "" if age is None else f", heard of {age:.0f} seconds ago"
        wait = f"in {PATIENCE - (age or 0.0):.0f} seconds the same command takes it over"
        return FreeLBTuneError(
            f"{self._place.uri}: another search writes here ({_who(told)}{seen}); stop it or wait "
            f"for it, or choose another place with --results; if it is dead, {wait}"
        )


def holder_of(place: Place) -> dict[str, Any] | None:
    """Who says to write at a place: `pid` and `host`; None where nobody does, or is known dead.

    Raises:
        RemoteError: the place cannot be reached.
    """
    told = _told(place)
    return None if told is None or _is_dead(told) else told


def _told(place: Place) -> dict[str, Any] | None:
    with suppress(ValueError, RecursionError):
        told = json.loads(place.read(LEASE) or b"null")
        return told if isinstance(told, dict) else None
    return None


def _who(told: dict[str, Any]) -> str:
    if not told:
        return "nobody known"
    return f"pid {str(told.get('pid'))[:20]} on {str(told.get('host'))[:60]}"


def _is_dead(told: dict[str, Any]) -> bool:
    """Whether its process was on this machine, and is gone."""
    if told.get("machine") != _machine():
        return False
    try:
        os.kill(int(told["pid"]), 0)
    except PermissionError:
        return False
    except (OSError, OverflowError, ValueError, LookupError, TypeError):
        return True
    return False


def _machine() -> str:
    """This machine since it was started, and what of its processes is seen from here."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return f"{platform.node()} {os.getppid()}"
