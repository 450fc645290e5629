"""What a running search opens to others: nothing beyond this machine, nothing to another user."""

import http.client
import ipaddress
import os
import re
import signal
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

import psutil
import pytest
from test_search_run import start, wait_until

pytestmark = pytest.mark.slow  # it starts Ray, which takes some seconds


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    """A search that runs: its process, whose first trial has begun."""
    base = tmp_path_factory.mktemp("running")
    process = start(base, "{algorithm: grid}", 60.0, dashboard=True)
    journal = base / "results" / "journal.jsonl"
    wait_until(lambda: journal.exists() and '"started"' in journal.read_text(), process)
    yield psutil.Process(process.pid)
    process.send_signal(signal.SIGINT)
    process.wait(timeout=60)


def listening(driver):
    """Address and port of every socket that the search's processes listen on."""
    found = set()
    for each in (driver, *driver.children(recursive=True)):
        try:
            found |= {c.laddr for c in each.net_connections("inet") if c.status == "LISTEN"}
        except psutil.NoSuchProcess:
            continue
    return found


def scratch_of(driver):
    """The folder that Ray's session lies in, from the command lines of Ray's own processes."""
    words = " ".join(" ".join(each.cmdline()) for each in driver.children(recursive=True))
    (scratch,) = set(re.findall(r"=(/\S+?/flt-[^/]+)/", words))
    return Path(scratch)


def test_nothing_listens_beyond_this_machine(running):
    sockets = listening(running)
    assert len(sockets) > 4  # Ray's control service, its raylet, its workers, the dashboard
    for address, port in sockets:
        ip = ipaddress.ip_address(address)
        ip = getattr(ip, "ipv4_mapped", None) or ip
        assert ip.is_loopback, f"{address} {port}"


def test_what_answers_without_the_token_is_metrics_alone(running):
    refused = 0
    for _, port in listening(running):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/jobs/", timeout=5) as reply:
                kind = reply.headers["Content-Type"]
                assert kind.startswith("text/plain; version="), port  # Prometheus' text: numbers
        except urllib.error.HTTPError as err:
            refused += err.code == 401
        except (OSError, http.client.HTTPException):
            continue  # it does not speak HTTP
    assert refused  # the dashboard


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can try as another user")
def test_another_user_finds_no_way_into_rays_files(running):
    scratch = scratch_of(running)
    assert list((scratch / "ray").iterdir())
    for command in (["ls", scratch], ["ls", scratch / "ray"], ["touch", scratch / "ray" / "x"]):
        done = subprocess.run(command, user="nobody", capture_output=True, text=True)
        assert done.returncode != 0
        assert "Permission denied" in done.stderr
