"""Before a cluster starts work: does every machine see the results folder and have the package?

Room: search. Trials write into the results folder themselves, or at its URI, so a machine that
does not reach it would train for nothing. Found out in seconds here, and otherwise after an epoch.
"""

import secrets
import socket
from pathlib import Path

import ray
from ray.exceptions import GetTimeoutError, RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from freelb_tune import __version__
from freelb_tune.errors import FreeLBTuneError
from freelb_tune.store.remote.place import Place, RemoteError, open_place

__all__ = ["check_machines"]

_SECONDS = 120.0  # a worker's start with its environment takes some seconds on a busy machine


def check_machines(results: Path, place: Place | None = None) -> None:
    """Ask each machine to read a marker in the results folder and to write one back.

    Args:
        results: the results folder, absolute.
        place: where trials keep their cells at a URI; the marker is there, if there is one.

    Raises:
        FreeLBTuneError: a machine does not see the folder or reach the place, cannot write there,
            lacks this package or has another version of it, or does not answer.
    """
    secret = secrets.token_hex(8)
    marker = results / f".preflight-{secret}"
    if place is None:
        marker.write_text(secret)
    else:
        place.write(marker.name, secret.encode())
    task = ray.remote(num_cpus=0, max_retries=0)(_look if place is None else _reach)
    asked = (str(marker) if place is None else place.uri, secret)
    try:
        for node in (node for node in ray.nodes() if node["Alive"]):
            name = f"{node['NodeManagerHostname']} ({node['NodeManagerAddress']})"
            strategy = NodeAffinitySchedulingStrategy(node_id=node["NodeID"], soft=False)
            answer = task.options(scheduling_strategy=strategy).remote(*asked)
            problem = _answered(name, answer)
            if place is None:
                _check_folder(name, problem, marker)
            elif problem or place.read(f"{marker.name}.back") != secret.encode():
                raise FreeLBTuneError(
                    f"machine {name} does not reach the results "
                    f"({problem or f'{place.uri}: what it wrote there did not arrive'}); each "
                    "machine of the cluster needs freelb-tune[remote] and credentials of its own"
                )
            else:
                place.drop(f"{marker.name}.back")
    finally:
        for path in results.glob(f".preflight-{secret}*"):
            path.unlink(missing_ok=True)
        if place is not None:
            place.drop(marker.name, f"{marker.name}.back")


def _answered(name: str, answer: "ray.ObjectRef[str]") -> str:
    """Wait for a machine's answer: what is wrong there, empty for nothing."""
    try:
        said: str = ray.get(answer, timeout=_SECONDS)
    except GetTimeoutError as err:
        raise FreeLBTuneError(
            f"machine {name} did not answer within {_SECONDS:g} seconds; take it out of the "
            "cluster, or see its log"
        ) from err
    except RayError as err:
        last = str(err).strip().splitlines()[-1]
        raise FreeLBTuneError(
            f"machine {name} cannot run this package ({last}); install the same freelb-tune there"
        ) from err
    version, _, problem = said.partition(" ")
    if version != __version__:
        raise FreeLBTuneError(
            f"machine {name} has freelb-tune {version}, and this one has {__version__}; install "
            "the same version on all"
        )
    return problem


def _check_folder(name: str, problem: str, marker: Path) -> None:
    """Refuse a machine that has not written where this one sees it."""
    if problem or not marker.with_name(f"{marker.name}.back").exists():
        raise FreeLBTuneError(
            f"machine {name} does not share the results folder {marker.parent} "
            f"({problem or 'what it wrote there did not arrive'}); put results on storage that "
            "all machines mount at the same path, or at a URI that all reach, with --results"
        )
    marker.with_name(f"{marker.name}.back").unlink()


def _reach(uri: str, secret: str) -> str:
    """On the machine: as `_look`, of a marker at a place."""
    name = f".preflight-{secret}"
    try:
        place = open_place(uri)
        if place.read(name) != secret.encode():
            return f"{__version__} {uri}: it reads another place there on {socket.gethostname()}"
        place.write(f"{name}.back", secret.encode())
    except RemoteError as err:
        return f"{__version__} {err}"
    return __version__


def _look(marker: str, secret: str) -> str:
    """On the machine: the package's version, then what is wrong, if anything."""
    path = Path(marker)
    try:
        if path.read_text() != secret:
            return f"{__version__} it reads another file there on {socket.gethostname()}"
        path.with_name(f"{path.name}.back").write_text(secret)
    except OSError as err:
        return f"{__version__} {err.strerror}: {err.filename}"
    return __version__
