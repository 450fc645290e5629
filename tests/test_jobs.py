"""A search as a job of a Ray cluster: submitted, stopped, submitted again and fetched."""

import csv
import io
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import pytest
from store_fixtures import Search, cell

import freelb_tune as ft
from freelb_tune.api.jobs import submit
from freelb_tune.errors import FreeLBTuneError
from freelb_tune.store import Journal, cell_folder
from freelb_tune.store.folders.archive import packed, printed, read_printed, unpack

BIN = Path(sys.executable).parent
WORDS = ["--space", "quickstart", "seeds=[1]", "trainer.num_train_epochs=2"]


@pytest.fixture
def theirs(tmp_path):
    search = Search([cell(), cell(adv_lr=0.1)])
    folder = search.end(search.cells[0], 0.5, 0.6).write(tmp_path / "theirs")
    home = cell_folder(folder, search.cells[0].id)
    for name in ("model", "checkpoint", "predictions"):
        (home / name).mkdir()
        (home / name / "file").write_text(name)
    return folder


def files(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_an_archive_has_all_but_weights_and_comes_out_of_a_log_as_it_was(theirs, tmp_path):
    log = f"Ray says this\n{printed(packed(theirs))}and that\n"
    unpack(read_printed(log), tmp_path / "here" / "mine")
    there = files(theirs)
    kept = {name for name in there if not {"model", "checkpoint", ".lock"} & set(name.split("/"))}
    assert files(tmp_path / "here" / "mine") == {name: there[name] for name in kept}
    assert sorted(path.name for path in (tmp_path / "here").iterdir()) == ["mine"]


def test_a_later_state_replaces_an_earlier_one_and_nothing_else(theirs, tmp_path):
    unpack(packed(theirs), tmp_path / "mine")
    with Journal(theirs) as journal:
        journal.append("closed", at="")
    unpack(packed(theirs), tmp_path / "mine")
    journal = tmp_path / "mine" / "journal.jsonl"
    assert journal.read_bytes() == (theirs / "journal.jsonl").read_bytes()
    with Journal(tmp_path / "mine") as mine:
        mine.append("closed", at="")
    was = journal.read_bytes()
    with pytest.raises(FreeLBTuneError, match="mine: is there already, and is no earlier state"):
        unpack(packed(theirs), tmp_path / "mine")
    assert journal.read_bytes() == was


@pytest.mark.parametrize("cut", ["", "no archive\n", "half"])
def test_a_log_without_a_whole_archive_is_told_with_its_last_line(theirs, cut):
    text = printed(packed(theirs))
    log = text[: len(text) // 2] if cut == "half" else f"Killed by the cluster\n{cut}"
    with pytest.raises(FreeLBTuneError, match="no whole archive came; the last line was: "):
        read_printed(log)


def archive(*members):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:xz") as made:
        for name, kind, link in members:
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, link
            made.addfile(member)
    return out.getvalue()


@pytest.mark.parametrize(
    "member",
    [
        ("cells", tarfile.SYMTYPE, "/etc"),
        ("journal.jsonl", tarfile.LNKTYPE, "../secret"),
        ("pipe", tarfile.FIFOTYPE, ""),
        ("../outside", tarfile.REGTYPE, ""),
        ("/tmp/outside", tarfile.REGTYPE, ""),
    ],
)
def test_an_archive_puts_nothing_outside_its_folder(tmp_path, member):
    (tmp_path / "secret").write_text("secret")
    raw = archive(("journal.jsonl", tarfile.REGTYPE, ""), member)
    if member[0].startswith("/"):  # the leading slash is no part of a name
        unpack(raw, tmp_path / "mine")
        assert (tmp_path / "mine" / "tmp" / "outside").exists()
    else:
        with pytest.raises(FreeLBTuneError, match="the archive is (damaged or )?refused"):
            unpack(raw, tmp_path / "mine")
        assert sorted(path.name for path in tmp_path.iterdir()) == ["secret"]
    assert (tmp_path / "secret").read_text() == "secret"


def test_what_is_no_address_and_where_nobody_answers_is_told(tmp_path):
    space = ft.load_space("quickstart")
    with pytest.raises(FreeLBTuneError, match="--results results: expected the absolute path"):
        submit(space, "results", "http://127.0.0.1:1")
    with pytest.raises(FreeLBTuneError, match="--address 127.0.0.1:8265: expected the address of"):
        submit(space, str(tmp_path), "127.0.0.1:8265")
    with pytest.raises(FreeLBTuneError, match="http://127.0.0.1:1: no Ray dashboard answers there"):
        submit(space, str(tmp_path), "http://127.0.0.1:1")


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


class Head:
    """A Ray head of its own that asks for a token, and the command line beside it."""

    def __init__(self, place):
        self.token, port, self.port = secrets.token_hex(32), free_port(), free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        known = {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "HOME": str(place)}
        known |= {name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ}
        self.environment = {**known, "OMP_NUM_THREADS": "1"}
        options = {
            **{"port": port, "dashboard-port": self.port, "dashboard-host": "127.0.0.1"},
            **{"ray-client-server-port": free_port(), "metrics-export-port": free_port()},
            **{"dashboard-agent-listen-port": free_port(), "num-cpus": 2},
            **{"node-ip-address": "127.0.0.1", "temp-dir": place / "ray"},
        }
        words = [f"--{name}={value}" for name, value in options.items()]
        self._log = (place / "head.log").open("w")
        self.process = subprocess.Popen(
            [BIN / "ray", "start", "--head", "--block", "--disable-usage-stats", *words],
            env={
                **self.environment,
                "RAY_AUTH_MODE": "token",
                "RAY_AUTH_TOKEN": self.token,
            },
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,
        )

    def call(self, *words, token=True, check=True):
        env = dict(self.environment, **({"RAY_AUTH_TOKEN": self.token} if token else {}))
        command = [sys.executable, "-m", "freelb_tune.cli", *map(str, words)]
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0 or not check, done.stderr
        return done

    def job(self, *words, **how):
        return self.call(*words, "--address", self.address, **how)

    def submit(self, *words):
        """A machine that is busy with others starts a head in minutes: Ray asks to try again."""
        done = self.job("submit", *words, check=False)
        assert done.returncode == 0 or "No available agent" in done.stderr, done.stderr
        return done.stdout.strip()

    def is_told(self):
        """Whether it stands or has given up."""
        return self.stands() or self.process.poll() is not None

    def stands(self):
        """Whether `ray start` has said so, and is still there."""
        said = Path(self._log.name).read_text("utf-8", "replace")
        return "Ray runtime started" in said and self.process.poll() is None

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self._log.close()
        print(Path(self._log.name).read_text("utf-8", "replace")[-3000:])  # where a test failed


def until(true, seconds=800):
    end = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < end
        time.sleep(0.5)
    return found


@pytest.fixture
def head():
    place = Path(tempfile.mkdtemp(prefix="flt-head-", dir="/tmp"))  # Ray's sockets need a short one
    head = Head(place)
    try:
        until(head.is_told)
        while not head.stands():  # Ray gives its node 30 seconds, too few on a busy machine
            head.end()
            head = Head(place)
            until(head.is_told)
        yield head
    finally:
        head.end()
        shutil.rmtree(place, ignore_errors=True)


def rows(path):
    """But for what differs from run to run."""
    left_out = {"seconds", "peak_gib"}
    with path.open(encoding="utf-8", newline="") as file:
        return [{k: row[k] for k in row.keys() - left_out} for row in csv.DictReader(file)]


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_job_that_was_stopped_goes_on_when_submitted_again_and_ends_in_the_same_tables(
    head, tmp_path
):
    shared, local = tmp_path / "shared", tmp_path / "local"

    def asked(token):
        told = head.job("status", "none", token=token, check=False).stderr
        return "" if "no Ray dashboard answers" in told else told

    told = until(lambda: asked(token=False))
    assert "the cluster asks for a token; none is in RAY_AUTH_TOKEN" in told
    assert "none: --address" in until(lambda: asked(token=True))
    first = until(lambda: head.submit(*WORDS, "--results", shared))
    folder = shared / "quickstart"
    until(lambda: list(folder.glob("cells/*/epochs.jsonl")))
    assert f"{first}: running, results in {folder}" in head.job("status", first).stdout
    head.job("stop", first)
    assert f"{first}: stopped" in head.job("status", first).stdout
    assert not (folder / ".lock-owner.json").exists()  # it ended as by Ctrl-C
    again = head.submit(*WORDS, "--results", shared)
    until(lambda: f"{again}: succeeded" in head.job("status", again).stdout)
    assert "cannot be told from luck" in " ".join(head.job("logs", again).stdout.split())
    mine = tmp_path / "mine"
    assert "quickstart" in head.job("fetch", again, "--into", mine).stdout
    head.call("search", *WORDS, "--results", local, "--no-dashboard")
    for name in ("table.md", "table.csv", "configurations.csv"):
        assert (mine / name).read_bytes() == (local / "quickstart" / name).read_bytes(), name
    assert rows(mine / "trials.csv") == rows(local / "quickstart" / "trials.csv")


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_results_of_a_job_at_a_uri_need_no_fetching(head, tmp_path):
    far = f"file://{tmp_path}/far"
    until(lambda: "none: --address" in head.job("status", "none", check=False).stderr)
    job = until(lambda: head.submit(*WORDS, "--results", far))
    until(lambda: f"{job}: succeeded" in head.job("status", job).stdout)
    told = " ".join(head.job("fetch", job, check=False).stderr.split())
    assert f"{far}/quickstart and need no fetching: `freelb-tune report {far}/quickstart`" in told
    assert "cannot be told from luck" in " ".join(
        head.call("report", f"{far}/quickstart").stdout.split()
    )
