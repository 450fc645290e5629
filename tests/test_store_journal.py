import errno
import fcntl
import itertools
import json
import os
import resource
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
import store_fixtures
from store_fixtures import Search, cell, epoch

from freelb_tune.errors import DamagedError, DiskError, DivergedError, FreeLBTuneError
from freelb_tune.results import write_outputs
from freelb_tune.results.page.times import spans
from freelb_tune.store import (
    EpochLog,
    Journal,
    check_results,
    load_store,
    read_epochs,
    read_journal,
    write_whole,
)
from freelb_tune.store.disk.files import append_lines, parse_lines, read_lines
from freelb_tune.store.journal.journal import OWNER, is_held
from freelb_tune.watching.snapshot import snapshot

HOLDER = """
import sys
from pathlib import Path
from freelb_tune.store import Journal
journal = Journal(Path(sys.argv[1])).__enter__()
journal.append("opened", name="a", task="b", cells=[], seeds=[])
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def file_size_limit(size):
    """Let no file of this process grow beyond a size: a disk that is full, for real."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_events_come_back_in_the_order_of_writing(tmp_path):
    with Journal(tmp_path / "a" / "b") as journal:
        journal.append("started", cell_id="é\ud800\n", at="now")
        journal.append_all([("retried", {"cell_id": "1"}), ("retried", {"cell_id": "2"})])
    assert read_journal(tmp_path / "a" / "b") == [
        {"event": "started", "cell_id": "é\ud800\n", "at": "now"},
        {"event": "retried", "cell_id": "1"},
        {"event": "retried", "cell_id": "2"},
    ]


def test_a_torn_last_line_is_passed_over_and_cut_off_wherever_it_is_torn(tmp_path):
    with Journal(tmp_path) as journal:
        journal.append("started", cell_id="first")
        journal.append("started", cell_id="sécond {}")
    path = tmp_path / "journal.jsonl"
    whole = path.read_bytes()
    first, second = read_journal(tmp_path)
    start = whole.index(b"\n") + 1
    for length in range(start, len(whole)):
        path.write_bytes(whole[:length])
        # without its newline alone the line is whole: it counts, for reading as for appending
        kept = [first, second] if length == len(whole) - 1 else [first]
        assert read_journal(tmp_path) == kept
        with Journal(tmp_path) as journal:
            journal.append("closed")
        assert read_journal(tmp_path) == [*kept, {"event": "closed"}]
        assert path.read_bytes().count(b"\n") == len(kept) + 1


def test_a_long_torn_line_is_cut_off_too(tmp_path):
    path = tmp_path / "journal.jsonl"
    path.write_bytes(b'{"event":"closed"}\n{"event":"' + b"x" * 10_000)
    with Journal(tmp_path) as journal:
        journal.append("closed")
    assert path.read_bytes() == b'{"event":"closed"}\n' * 2


@pytest.mark.parametrize(
    "bad", [b"{torn", b"", b"[1]", b'{"event": 3}', b'{"event":"a","x":NaN}', b"\xff{}"]
)
def test_any_other_bad_line_is_named(tmp_path, bad):
    (tmp_path / "journal.jsonl").write_bytes(b'{"event":"closed"}\n' + bad + b'\n{"event":"a"}\n')
    with pytest.raises(FreeLBTuneError, match=r"journal\.jsonl, line 2: expected"):
        read_journal(tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param('{"a": 0.1000000000000000055511151231257827, "b": -0.0}', id="floats"),
        pytest.param('{"a": 5e-324, "b": 1.7976931348623157e308, "c": 1e400}', id="limits"),
        pytest.param('{"a": 10000000000000000000000000000000}', id="long"),
        pytest.param('{"a": 1, "a": 2}', id="twice"),
        pytest.param(r'{"a": "\ud800"}', id="half-a-character"),
        pytest.param('{"a": ' + "[" * 29 + "]" * 29 + "}", id="deep"),
    ],
)
def test_a_line_says_what_pythons_own_reader_finds(tmp_path, text):
    # it is read several times faster by pydantic's: no digit may differ
    assert repr(parse_lines(f"{text}\n".encode(), tmp_path)) == repr([json.loads(text)])


def test_a_folder_without_a_journal_has_no_events(tmp_path):
    assert read_journal(tmp_path) == []


def test_nothing_is_written_of_an_event_with_a_number_that_is_not_finite(tmp_path):
    with Journal(tmp_path) as journal:
        with pytest.raises(ValueError, match="not JSON compliant"):
            journal.append_all([("closed", {}), ("decided", {"score": float("nan")})])
        assert read_journal(tmp_path) == []


def test_a_closed_journal_refuses_to_write(tmp_path):
    with pytest.raises(RuntimeError, match="the journal is not open"):
        Journal(tmp_path).append("closed")


def test_threads_do_not_tear_each_others_lines(tmp_path):
    with Journal(tmp_path) as journal, ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: journal.append("started", cell_id=str(n) * 500), range(40)))
    assert len(read_journal(tmp_path)) == 40


def test_a_second_driver_is_refused_with_the_firsts_pid(tmp_path):
    said = rf"another run .*\(pid {os.getpid()} on "
    with Journal(tmp_path), pytest.raises(FreeLBTuneError, match=said):
        Journal(tmp_path).__enter__()
    with Journal(tmp_path):  # and let in once the first is gone
        pass


@pytest.mark.parametrize("owner", ["", "{}", "[1]", '{"pid": 3'])
def test_a_run_that_has_not_said_who_it_is_is_told_all_the_same(tmp_path, owner):
    with Journal(tmp_path):
        (tmp_path / OWNER).write_text(owner)
        with pytest.raises(FreeLBTuneError, match="another run is writing here .it has only just"):
            Journal(tmp_path).__enter__()
        assert not is_held(tmp_path)


def test_a_killed_driver_leaves_no_lock(tmp_path):
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    with holder:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(FreeLBTuneError, match=rf"\(pid {holder.pid} on "):
            Journal(tmp_path).__enter__()
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    with Journal(tmp_path) as journal:
        journal.append("closed")
    assert [entry["event"] for entry in read_journal(tmp_path)] == ["opened", "closed"]


def test_a_full_disk_is_said_and_leaves_whole_lines(tmp_path):
    with Journal(tmp_path) as journal:
        journal.append("started", cell_id="x" * 300)
        with file_size_limit(350), pytest.raises(FreeLBTuneError, match="make room and run the"):
            journal.append("started", cell_id="y" * 300)
        assert (tmp_path / "journal.jsonl").read_bytes().endswith(b"\n")
        journal.append("closed")
    assert [entry["event"] for entry in read_journal(tmp_path)] == ["started", "closed"]


def test_epochs_come_back_and_one_told_twice_counts_once(tmp_path):
    log = EpochLog(tmp_path / "cells" / "1" / "epochs.jsonl")
    told = [epoch("1", 1, 0.5, peak_gib=1.25), epoch("1", 2, 0.6)]
    for record in [*told, epoch("1", 2, 0.9)]:
        log.append(record)
    assert read_epochs(log.path) == told


def test_a_torn_epoch_is_trained_again(tmp_path):
    log = EpochLog(tmp_path / "epochs.jsonl")
    log.append(epoch("1", 1, 0.5))
    log.append(epoch("1", 2, 0.6))
    log.path.write_bytes(log.path.read_bytes()[:-20])
    assert read_epochs(log.path) == [epoch("1", 1, 0.5)]
    log.append(epoch("1", 2, 0.7))
    assert read_epochs(log.path) == [epoch("1", 1, 0.5), epoch("1", 2, 0.7)]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"train_loss": float("inf")}, "epoch 3: train_loss is inf"),
        ({"metrics": {"accuracy": float("nan")}}, "epoch 3: accuracy is nan"),
    ],
)
def test_an_epoch_that_is_not_finite_diverged_and_is_not_written(tmp_path, changed, said):
    log = EpochLog(tmp_path / "epochs.jsonl")
    with pytest.raises(DivergedError, match=said):
        log.append(epoch("1", 3, 0.5, **changed))
    assert read_epochs(log.path) == []


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"score": None}, "score is 'None'"),
        ({"score": "0.5"}, "score is '0.5'"),
        ({"epoch": 1.5}, "epoch is '1.5'"),
        ({"epoch": True}, "epoch is 'True'"),
        ({"metrics": [0.5]}, "metrics is"),
        ({"metrics": {"accuracy": {}}}, r"metrics\.accuracy is"),
    ],
)
def test_a_line_that_is_no_epoch_is_named(tmp_path, changed, said):
    path = tmp_path / "epochs.jsonl"
    path.write_text(json.dumps({**epoch("1", 1, 0.5).to_json(), **changed}) + "\n")
    with pytest.raises(FreeLBTuneError, match=rf"epochs\.jsonl, line 1: .* {said}.* from a copy"):
        read_epochs(path)


@pytest.mark.parametrize("bad", ["{line} {line}", "", "[{line}]", "NaN"])
def test_whatever_is_wrong_with_one_line_its_number_is_told(tmp_path, bad):
    path = tmp_path / "epochs.jsonl"
    first, second = (json.dumps(epoch("1", n, 0.5).to_json()) for n in (1, 2))
    line = second.replace("0.5", "NaN") if bad == "NaN" else bad.format(line=second)
    path.write_text(f"{first}\n{line}\n{second}\n")
    with pytest.raises(DamagedError, match=r"epochs\.jsonl, line 2: expected one JSON mapping"):
        read_epochs(path)


def test_a_field_more_or_fewer_than_we_know_makes_no_epoch_unreadable(tmp_path):
    path, line = tmp_path / "epochs.jsonl", epoch("1", 1, 0.5).to_json()
    later = {**line, "joules": 12.5}
    earlier = {name: value for name, value in line.items() if name != "peak_gib"}
    for content in (later, earlier):
        path.write_text(json.dumps(content) + "\n")
        assert read_epochs(path) == [epoch("1", 1, 0.5)]
    path.write_text(json.dumps({"epoch": 1, "score": 0.5}) + "\n")
    with pytest.raises(FreeLBTuneError, match="it lacks cell_id, step, metrics, dev_loss"):
        read_epochs(path)


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP])
def test_where_the_file_system_has_no_locks_a_second_driver_is_refused_all_the_same(
    tmp_path, monkeypatch, number
):
    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with Journal(tmp_path) as journal:
        journal.append("closed", at="now")
        with (
            pytest.raises(FreeLBTuneError, match=f"another run .*pid {os.getpid()}"),
            Journal(tmp_path),
        ):
            pass
    with Journal(tmp_path):
        pass
    check_results(tmp_path, name="rte_grid", task="rte")


@pytest.mark.parametrize("number", [errno.ESTALE, errno.EBUSY])
def test_what_a_network_disk_refuses_once_is_done_again(tmp_path, monkeypatch, number):
    refused = []

    def once(call):
        def may(*args: object, **named: object) -> object:
            if call.__name__ not in refused:
                refused.append(call.__name__)
                raise OSError(number, os.strerror(number))
            return call(*args, **named)

        return may

    monkeypatch.setattr(os, "open", once(os.open))
    monkeypatch.setattr(Path, "replace", once(Path.replace))
    write_whole(tmp_path / "table.md", "whole")
    append_lines(tmp_path / "epochs.jsonl", [{"epoch": 1}])
    assert refused == ["replace", "open"]
    assert read_lines(tmp_path / "epochs.jsonl") == [{"epoch": 1}]
    assert (tmp_path / "table.md").read_text() == "whole"


def test_a_disk_that_goes_on_refusing_is_said(tmp_path, monkeypatch):
    def stale(*_: object, **__: object) -> None:
        raise OSError(errno.ESTALE, "Stale file handle")

    monkeypatch.setattr(time, "sleep", lambda _: None)
    monkeypatch.setattr(Path, "replace", stale)
    with pytest.raises(DiskError, match="Stale file handle; see to the disk and run the same"):
        write_whole(tmp_path / "table.md", "whole")
    assert not list(tmp_path.iterdir())


def test_a_clock_that_is_set_back_changes_no_number_and_makes_no_time_negative(
    tmp_path, monkeypatch
):
    one, two = cell(1), cell(2)
    for name, step in (("forth", 60), ("back", -3600)):
        ticks = itertools.count(10**9, step)
        monkeypatch.setattr(
            store_fixtures,
            "utc_now",
            lambda ticks=ticks: datetime.fromtimestamp(next(ticks), UTC).isoformat(),
        )
        Search([one, two]).end(one, 0.5, 0.6).end(two, 0.7).write(tmp_path / name)
        write_outputs(tmp_path / name)
    for name in ("trials.csv", "epochs.csv", "table.md"):
        assert (tmp_path / "back" / name).read_bytes() == (tmp_path / "forth" / name).read_bytes()
    store = load_store(tmp_path / "back")
    assert all(span.end >= span.start for span in spans(store))
    assert snapshot(tmp_path / "back").elapsed >= 0
