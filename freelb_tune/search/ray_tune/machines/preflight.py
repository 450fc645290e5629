"""Before a cluster starts work: does every machine see the results folder and have the package?

Room: search. Trials write into the results folder themselves, so a machine that does not share it
would train for nothing. Found out in seconds here, and otherwise after the first epoch.
"""

import secrets
import socket
from pathlib import Path

import ray
from ray.exceptions import GetTimeoutError, RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from freelb_tune import __version__
from freelb_tune.errors import FreeLBTuneError

__all__ = ["check_machines"]

_SECONDS = 120.0  # a worker's start with its environment takes some seconds on a busy machine


def check_machines(results: Path) -> None:
    """Ask each machine to read a marker in the results folder and to write one back.

    Args:
        results: the results folder, absolute.

    Raises:
        FreeLBTuneError: a machine does not see the folder, cannot write in it, lacks this
            package or has another version of it, or does not answer.
    """
    secret = secrets.token_hex(8)
    marker = results / f".preflight-{secret}"
    marker.write_text(secret)
    look = ray.remote(num_cpus=0, max_retries=0)(_look)
    try:
        for node in (node for node in ray.nodes() if node["Alive"]):
            name = f"{node['NodeManagerHostname']} ({node['NodeManagerAddress']})"
            strategy = NodeAffinitySchedulingStrategy(node_id=node["NodeID"], soft=False)
            answer = look.options(scheduling_strategy=strategy).remote(str(marker), secret)
            _judge(name, answer, marker)
    finally:
        for path in results.glob(f".preflight-{secret}*"):
            path.unlink(missing_ok=True)


def _judge(name: str, answer: "ray.ObjectRef[str]", marker: Path) -> None:
    """Wait for a machine's answer and refuse a wrong one."""
    try:
        said = ray.get(answer, timeout=_SECONDS)
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
    if problem or not marker.with_name(f"{marker.name}.back").exists():
        raise FreeLBTuneError(
            f"machine {name} does not share the results folder {marker.parent} "
            f"({problem or 'what it wrote there did not arrive'}); put results on storage that "
            "all machines mount at the same path, with --results"
        )
    marker.with_name(f"{marker.name}.back").unlink()


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
