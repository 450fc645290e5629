"""How long a trial may be silent before it counts as hung."""

import os
import subprocess
import sys

import pytest

from freelb_tune.search.driver.guards.gpu_memory import group_of, wait_until_free
from freelb_tune.search.driver.guards.silence import FIRST, LEAST, Silence
from freelb_tune.store import cell_folder
from freelb_tune.store.cells.pulse import beat, begin_pulse, last_beat, process_of


class Clock:
    """Seconds that a test moves on."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


def begun(folder, clock, factor=10.0):
    silence = Silence(folder, factor, clock)
    silence.began("a")
    return silence


def test_before_its_first_epoch_a_trial_may_take_half_an_hour(tmp_path, clock):
    silence = begun(tmp_path, clock)
    clock.now += FIRST
    assert silence.too_long() == {}
    clock.now += 1
    assert silence.too_long() == {"a": 1801.0}
    silence.ended("a")
    assert silence.too_long() == {}


def test_afterwards_ten_times_its_longest_epoch_and_never_less_than_a_minute(tmp_path, clock):
    silence = begun(tmp_path, clock)
    silence.heard("a", 30.0)
    silence.heard("a", 20.0)
    clock.now += 300
    assert silence.too_long() == {}
    clock.now += 1
    assert silence.too_long() == {"a": 301.0}
    silence.began("b")
    silence.heard("b", 0.1)
    clock.now += LEAST
    assert set(silence.too_long()) == {"a"}
    clock.now += 1
    assert set(silence.too_long()) == {"a", "b"}


def test_a_trial_that_is_tried_again_keeps_what_its_epochs_took(tmp_path, clock):
    silence = begun(tmp_path, clock)
    silence.heard("a", 30.0)
    silence.ended("a")
    silence.began("a")
    clock.now += 301
    assert set(silence.too_long()) == {"a"}


def test_a_step_is_a_sign_of_life_though_an_epoch_takes_hours(tmp_path, clock):
    home = cell_folder(tmp_path, "a")
    home.mkdir(parents=True)
    begin_pulse(home)
    silence = begun(tmp_path, clock)
    for hour in range(1, 5):
        clock.now += 1200
        os.utime(home / ".pulse", ns=(hour, hour))
        assert silence.too_long() == {}
        assert silence.seconds() == {"a": 0.0}
    clock.now += 1801
    assert set(silence.too_long()) == {"a"}


def test_where_the_space_says_so_a_trial_may_be_silent_for_ever(tmp_path, clock):
    silence = begun(tmp_path, clock, factor=None)
    silence.heard("a", 1.0)
    clock.now += 1e6
    assert silence.too_long() == {}
    assert silence.seconds() == {"a": 1e6}


def test_a_pulse_is_of_a_process_of_ray_or_of_nobody(tmp_path):
    assert (last_beat(tmp_path), process_of(tmp_path)) == (None, None)
    beat(tmp_path)  # nobody began
    assert last_beat(tmp_path) is None
    begin_pulse(tmp_path)
    first = last_beat(tmp_path)
    os.utime(tmp_path / ".pulse", ns=(1, 1))
    beat(tmp_path)
    assert last_beat(tmp_path) >= first
    assert process_of(tmp_path) is None  # this process is none of Ray's: it may not be ended
    (tmp_path / ".pulse").write_text('{"pid": [], "host": 5}')
    assert process_of(tmp_path) is None


@pytest.fixture
def smi(tmp_path, monkeypatch):
    """An `nvidia-smi` that names, at each call, the next line of a file, and at last the last."""

    def answers(*lines):
        (tmp_path / "lines").write_text("".join(f"{line}\n" for line in lines))
        script = tmp_path / "nvidia-smi"
        script.write_text(
            f"#!/bin/sh\ncd {tmp_path}\nhead -n 1 lines | tr ' ' '\\n'\n"
            "[ $(wc -l < lines) -gt 1 ] && sed -i 1d lines\nexit 0\n"
        )
        script.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    return answers


def test_a_gpu_is_free_when_it_names_none_of_what_was_killed(smi):
    smi("5 77", "77 [N/A]", "5")
    assert wait_until_free({77, 78}) == set()


def test_a_gpu_that_is_not_freed_is_told_and_not_waited_for(smi):
    smi("77 5")
    assert wait_until_free({77, 78}, seconds=0.1) == {77}


def test_without_a_gpu_nothing_is_waited_for(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert wait_until_free({77}) == set()


def test_a_group_is_a_process_and_what_it_started():
    code = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'input()'])"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, process_group=0
    ) as first:
        while len(found := group_of(first.pid)) < 2:
            assert first.poll() is None
        first.stdin.close()
    assert first.pid in found
    assert os.getpid() not in found
