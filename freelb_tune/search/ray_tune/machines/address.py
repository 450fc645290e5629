"""Whether a Ray cluster's head answers at an address, told at once.

Room: search. Ray itself tries an address for minutes: one where nobody listens, one where somebody
else does, and one that it has no token for.
"""

import os
import socket
from collections.abc import Callable

from freelb_tune.errors import FreeLBTuneError
from freelb_tune.search.ray_tune.machines.token import find_token

__all__ = ["ask_head", "check_address"]

_SECONDS = 10.0
_START = "start one with `ray start --head`, give its HOST:PORT, or leave --address out to run here"


def check_address(address: str, say: Callable[[str], None]) -> None:
    """Refuse an address that no cluster can be joined at.

    Args:
        address: `auto`, or HOST:PORT of a cluster's head.
        say: is told where what answers there cannot be asked.

    Raises:
        FreeLBTuneError: it is no HOST:PORT, nobody answers there, what answers is no head of Ray,
            or it asks for a token that is not here.
    """
    if address == "auto":
        return
    host, _, port = address.rpartition(":")
    if not (host and port.isdecimal()) or "/" in address:
        raise FreeLBTuneError(
            f"--address {address}: expected HOST:PORT of a Ray cluster's head, or auto"
        )
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_SECONDS).close()
    except (OSError, OverflowError) as err:
        raise FreeLBTuneError(
            f"--address {address}: no Ray cluster answers there ({err}); {_START}"
        ) from err
    if os.environ.get("RAY_USE_TLS", "0").lower() not in ("1", "true"):  # then Ray has the keys
        _ask(address, say)


def _ask(address: str, say: Callable[[str], None]) -> None:
    try:
        import grpc

        ask_head(address)
    except ImportError as err:  # Ray's own, which it may move
        say(f"--address {address}: not asked beforehand whether it is a head of Ray ({err})")
    except grpc.RpcError as err:
        if err.code() is not grpc.StatusCode.UNAUTHENTICATED:
            raise FreeLBTuneError(
                f"--address {address}: what answers there is no head of a Ray cluster "
                f"({err.code().name.lower()}); {_START}"
            ) from err
        token, place = find_token()
        lacks = f"another token than the one in {place}" if token else f"a token; {place}"
        raise FreeLBTuneError(
            f"--address {address}: the cluster asks for {lacks}; `ray get-auth-token` on its "
            "head shows it, and RAY_AUTH_TOKEN takes it here"
        ) from err


def ask_head(address: str) -> None:
    """Ask a cluster's head whether it lives, as its own nodes do.

    Args:
        address: HOST:PORT of the head.

    Raises:
        ImportError: this version of Ray has its messages elsewhere.
        grpc.RpcError: it does not answer.
    """
    import grpc
    from ray.core.generated import gcs_service_pb2, gcs_service_pb2_grpc

    token, _ = find_token()
    told = [("authorization", f"Bearer {token}")] if token else []
    with grpc.insecure_channel(address, [("grpc.enable_http_proxy", 0)]) as channel:
        head = gcs_service_pb2_grpc.NodeInfoGcsServiceStub(channel)
        head.CheckAlive(gcs_service_pb2.CheckAliveRequest(), timeout=_SECONDS, metadata=told)
