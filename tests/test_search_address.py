"""Where a cluster is to be joined: what cannot be joined is told at once, and why."""

import re
import socket
import sys
import time
from threading import Thread

import pytest
import search_fixtures

from freelb_tune.errors import FreeLBTuneError
from freelb_tune.search.ray_tune.machines import address
from freelb_tune.search.ray_tune.machines.address import check_address


@pytest.fixture
def hangs_up():
    """The port of a server that is none of Ray's: it ends every call."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve():
        while True:
            try:
                server.accept()[0].close()
            except OSError:
                return

    thread = Thread(target=serve)
    thread.start()
    yield server.getsockname()[1]
    server.shutdown(socket.SHUT_RDWR)
    server.close()
    thread.join()


@pytest.fixture
def silent():
    """The port of a server that never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.mark.parametrize("text", ["ray://head:10001", "head", "head:", ":6379", "head:port"])
def test_what_is_no_host_and_port_is_told(text):
    with pytest.raises(FreeLBTuneError, match=f"--address {text}: expected HOST:PORT of a Ray"):
        check_address(text, print)


def test_a_port_where_nobody_listens_is_told_at_once(hangs_up):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(
        FreeLBTuneError, match=f"--address 127.0.0.1:{port}: no Ray cluster answers"
    ):
        check_address(f"127.0.0.1:{port}", print)


@pytest.mark.parametrize("kind", ["hangs_up", "silent"])
def test_a_port_where_somebody_else_listens_is_told_at_once(kind, request, monkeypatch):
    monkeypatch.setattr(address, "_SECONDS", 2.0)
    port, start = request.getfixturevalue(kind), time.monotonic()
    with pytest.raises(FreeLBTuneError, match=f"{port}: what answers there is no head of a Ray"):
        check_address(f"127.0.0.1:{port}", print)
    assert time.monotonic() - start < 10


def test_where_ray_has_moved_its_own_files_nothing_is_asked_and_that_is_said(silent, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray.core.generated", None)
    said = []
    check_address(f"127.0.0.1:{silent}", said.append)
    assert re.match(rf"--address 127.0.0.1:{silent}: not asked beforehand whether", "".join(said))


@pytest.mark.slow  # it starts Ray, which takes some seconds
def test_a_cluster_whose_token_is_not_here_is_told_at_once(tmp_path, monkeypatch):
    import ray

    search_fixtures.ensure_ray()
    head, token = ray.get_runtime_context().gcs_address, address.find_token()[0]
    check_address(head, print)
    for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(FreeLBTuneError, match=r"asks for a token; none is in RAY_AUTH_TOKEN, "):
        check_address(head, print)
    monkeypatch.setenv("RAY_AUTH_TOKEN", "0" * 64)
    with pytest.raises(FreeLBTuneError, match="another token than the one in RAY_AUTH_TOKEN; `ray"):
        check_address(head, print)
    (tmp_path / "token").write_text(f"{token}\n")
    monkeypatch.setenv("RAY_AUTH_TOKEN", "")
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "token"))
    check_address(head, print)
