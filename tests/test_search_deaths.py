"""What is said of a process that ended, and of a Ray that died, told without either."""

import subprocess
import sys
from pathlib import Path

import pytest
from ray._private import worker
from search_fixtures import ensure_ray

from freelb_tune.errors import RayDiedError
from freelb_tune.search.ray_tune.machines import lifeline
from freelb_tune.search.ray_tune.machines.lifeline import Lifeline
from freelb_tune.search.ray_tune.workers import last_words
from freelb_tune.search.ray_tune.workers.last_words import read_last_words


def trained(home, code):
    """A process that trains a cell with this code, to its end."""
    said = (
        "import os, faulthandler, sys\nfrom pathlib import Path\n"
        "from freelb_tune.search.ray_tune.workers.last_words import last_words\n"
        f"with last_words(Path({str(home)!r})):\n    {code}\n"
    )
    return subprocess.run([sys.executable, "-c", said], stderr=subprocess.DEVNULL).returncode


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("os._exit(3)", "ended the process with os._exit(3); have it raise an error"),
        ("faulthandler._sigsegv()", "it crashed: Segmentation fault (where: "),
        ("os.abort()", "it crashed: Aborted (where: "),
    ],
)
def test_a_process_that_ends_in_the_middle_is_called_what_it_was(tmp_path, code, said):
    assert trained(tmp_path, code) != 0
    assert said in read_last_words(tmp_path, is_here=True)


@pytest.mark.parametrize(
    "code",
    ["pass", "os.fork() or os._exit(3); os.wait()"],
    ids=["to its end", "a child that ends itself"],
)
def test_of_a_process_that_came_to_its_end_nothing_is_said(tmp_path, code):
    assert trained(tmp_path, code) == 0
    assert read_last_words(tmp_path, is_here=True) is None


def test_memory_is_named_only_where_the_system_has_counted_it(tmp_path, monkeypatch):
    counter = tmp_path / "vmstat"
    counter.write_text("pgfault 9\noom_kill 4\n")
    monkeypatch.setattr(last_words, "_COUNTERS", (counter, tmp_path / "none"))
    with last_words.last_words(tmp_path):
        killed = (tmp_path / "last_words.txt").read_text()
    (tmp_path / "last_words.txt").write_text(killed)  # as SIGKILL leaves it
    assert read_last_words(tmp_path, is_here=True) is None
    counter.write_text("pgfault 9\noom_kill 5\n")
    said = "the system ended a process for lack of memory meanwhile"
    assert read_last_words(tmp_path, is_here=True) == said
    assert read_last_words(tmp_path, is_here=False) is None  # another machine's count


def test_a_ray_that_died_is_told_once_and_one_that_is_meant_to_end_is_not(tmp_path):
    dead = ["log_monitor"]
    line = Lifeline(tmp_path, lambda: dead)
    assert line.look() is None  # not vital
    dead.append("gcs_server")
    told = line.look()
    assert isinstance(told, RayDiedError)
    assert str(told).startswith("Ray's control service died (killed, or out of memory). Every ep")
    assert told.status == 3
    dead.append("raylet")
    assert line.look() is told
    ended = Lifeline(tmp_path, lambda: dead)
    ended.rest()
    assert ended.look() is None


def test_ray_still_tells_which_of_its_processes_have_died():
    ensure_ray()
    assert worker._global_node.dead_processes() == []
    assert lifeline._dead_processes() == []


def test_a_ray_that_keeps_it_elsewhere_is_said_and_the_search_goes_on(monkeypatch, capsys):
    monkeypatch.delattr(worker, "_global_node")
    with lifeline.watched_ray(Path("results"), is_own=True) as line:
        assert line.look() is None
    assert "does not tell when it has died" in capsys.readouterr().err
