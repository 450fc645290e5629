"""Trackers show what the store knows, each read back by its own reader; a kill doubles nothing."""

import json
import re
import signal
import socket
import sqlite3
from contextlib import closing
from dataclasses import replace

import pytest
from page_fixtures import Made
from store_fixtures import SPACE, epoch
from test_search_run import start, wait_until
from typer.testing import CliRunner

from freelb_tune.cli.root import app
from freelb_tune.errors import FreeLBTuneError
from freelb_tune.results.tables.contents.metric import Measure
from freelb_tune.search.driver.board import Board
from freelb_tune.search.driver.showing.tracking import Tracking
from freelb_tune.space.cells.naming import trial_namer
from freelb_tune.space.reading.track_section import TRACKERS
from freelb_tune.store import EPOCHS, CellState, EpochLog, Journal, cell_folder, load_store
from freelb_tune.watching.tracking import registry
from freelb_tune.watching.tracking.feed import Feed


def feed(folder, *names, final=True):
    """Show a folder to trackers as a search that begins anew does."""
    problems = []
    told = Feed(folder, list(names), problems.append)
    told.everything(final=final)
    told.close()
    assert not problems
    return told


def in_tensorboard(folder):
    """Runs by cell id: scalars as (step, value) by tag, and texts."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = {}
    for home in (folder / "tracking" / "tensorboard").iterdir():
        read = EventAccumulator(str(home)).Reload()
        scalars = {tag: read.Scalars(tag) for tag in read.Tags()["scalars"]}
        points = {tag: [(e.step, pytest.approx(e.value)) for e in said]
                  for tag, said in scalars.items()}  # fmt: skip
        texts = {tag: read.Tensors(tag)[-1].tensor_proto.string_val[0].decode()
                 for tag in ("verdict", "difference") if tag in read.Tags()["tensors"]}  # fmt: skip
        found[home.name.rpartition("_")[2]] = (points, texts)
    return found


def in_mlflow(folder):
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{folder}/tracking/mlflow/mlflow.db")
    experiment = client.get_experiment_by_name(load_store(folder).name)
    found = {}
    for run in client.search_runs([experiment.experiment_id], "", max_results=1000):
        histories = {m: client.get_metric_history(run.info.run_id, m) for m in run.data.metrics}
        points = {m: [(e.step, e.value) for e in said] for m, said in histories.items()}
        assert run.data.tags["cell"] not in found
        assert run.info.run_name.endswith(run.data.tags["cell"])
        found[run.data.tags["cell"]] = points, run.data.tags
        assert run.data.params["trainer.learning_rate"] == "2e-05"
        assert (run.info.status == "RUNNING") == (run.data.tags["state"] in ("running", "waiting"))
    return found


def in_trackio(folder):
    """By SQL, as trackio's own reader looks in one folder for as long as a process lives."""
    with closing(
        sqlite3.connect(folder / "tracking" / "trackio" / f"{load_store(folder).name}.db")
    ) as base:
        points, rows = {}, base.execute("SELECT run_id, step, metrics FROM metrics ORDER BY step")
        for cell, step, metrics in rows:
            for name, value in json.loads(metrics).items():
                points.setdefault(cell, {}).setdefault(name, []).append((step, value))
        configs = dict(base.execute("SELECT run_id, config FROM configs").fetchall())
    told = {cell: json.loads(config) for cell, config in configs.items()}
    assert all(each["_Group"] == each["configuration"] for each in told.values())
    return {cell: (points[cell], told[cell]) for cell in points}


def in_wandb(folder):
    """From the records of the offline files, which `wandb sync` sends."""
    from wandb.proto.wandb_internal_pb2 import Record

    found = {}
    for path in (folder / "tracking" / "wandb").rglob("*.wandb"):
        points, summary = {}, {}
        for raw in levels(path.read_bytes()):
            record = Record.FromString(raw)
            items = {item.key or item.nested_key[0]: json.loads(item.value_json)
                     for item in record.history.item}  # fmt: skip
            for name, value in items.items():
                points.setdefault(name, []).append((record.history.step.num, value))
            for item in record.summary.update:
                summary[item.key or item.nested_key[0]] = json.loads(item.value_json)
        cell = path.stem.removeprefix("run-")
        assert cell not in found
        found[cell] = points, summary
    assert not any(path.is_symlink() for path in folder.rglob("*"))
    return found


def levels(raw):
    """The records of a file in LevelDB's log format, after a head of 7 bytes."""
    at, parts = 7, b""
    while at + 7 <= len(raw):
        left = 32768 - at % 32768
        if left < 7:
            at += left
            continue
        length, kind = int.from_bytes(raw[at + 4 : at + 6], "little"), raw[at + 6]
        parts += raw[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):
            yield parts
            parts = b""


READERS = {
    "tensorboard": in_tensorboard,
    "mlflow": in_mlflow,
    "trackio": in_trackio,
    "wandb": in_wandb,
}


def expected(folder, metric="accuracy"):
    return {
        each.cell.id: [(record.epoch, record.metrics[metric]) for record in each.epochs]
        for each in load_store(folder).cells
        if each.epochs
    }


def test_every_tracker_of_a_space_is_registered_and_read_back_here():
    assert set(TRACKERS) == set(registry.TRACKERS) == set(READERS)


SLOW = pytest.mark.slow  # MLflow's database takes some seconds to create
EACH = pytest.mark.parametrize(
    "name", [pytest.param(name, marks=SLOW if name == "mlflow" else ()) for name in READERS]
)


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    """Trackers are local here, whatever the environment says, and ask nobody on the network."""
    for name in ("MLFLOW_TRACKING_URI", "TRACKIO_DIR", "WANDB_MODE"):
        monkeypatch.delenv(name, raising=False)
    asked, connect = [], socket.socket.connect

    def watched(self, address):
        if self.family != socket.AF_UNIX and address[0] not in ("127.0.0.1", "::1"):
            asked.append(address)
            raise OSError("a test has no network")
        return connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", watched)
    yield
    assert not asked


@EACH
def test_a_finished_search_is_read_back_from_the_tracker_with_its_verdict(tmp_path, name):
    made = Made(rates=1, epochs=2)
    feed(made.write(tmp_path), name)
    found = READERS[name](tmp_path)
    assert {cell: points["accuracy"] for cell, (points, _) in found.items()} == expected(tmp_path)
    clean, adversarial = (found[made.cells()[at].id] for at in (0, 2))
    assert "adv_loss_gain" not in clean[0]
    assert adversarial[0]["adv_loss_gain"] == [(1, 0.05), (2, 0.05)]
    assert "After 2 seeds" in adversarial[1]["verdict"]
    assert re.fullmatch(r"[+-]\d+\.\d\d \(.* to .*\)", adversarial[1]["difference"])


@EACH
def test_a_search_that_goes_on_doubles_no_point_and_misses_none(tmp_path, name):
    made = Made(rates=1, ends={1: None, 3: None}, closed=False)
    feed(made.write(tmp_path), name, final=False)
    first, last = made.cells()[1], made.cells()[3]
    log = EpochLog(cell_folder(tmp_path, first.id) / EPOCHS)
    log.append(epoch(first.id, 2, 0.71))  # the driver was killed before anybody was told
    again = Feed(tmp_path, [name], pytest.fail)
    again.everything()
    log.append(epoch(first.id, 3, 0.72))
    again.news(first.id, CellState.RUNNING)
    again.news(first.id, CellState.RUNNING)
    EpochLog(cell_folder(tmp_path, last.id) / EPOCHS).append(epoch(last.id, 2, 0.5))
    again.news(last.id, CellState.RUNNING)
    again.close()
    feed(tmp_path, name)
    feed(tmp_path, name)
    found = READERS[name](tmp_path)
    assert {cell: points["accuracy"] for cell, (points, _) in found.items()} == expected(tmp_path)
    assert len(found[first.id][0]["accuracy"]) == 3
    assert not any(texts.get("verdict") for _, texts in found.values())  # not before the end


def test_wandb_has_a_run_again_that_was_closed_before_its_verdict_came(tmp_path, monkeypatch):
    from freelb_tune.watching.tracking import wandb

    monkeypatch.setattr(wandb, "_MOST_OPEN", 1)
    told = Feed(Made(rates=1, seeds=1).write(tmp_path), ["wandb"], pytest.fail)
    told.everything()
    told.everything(final=True)
    told.close()
    found = in_wandb(tmp_path)
    assert {cell: points["accuracy"] for cell, (points, _) in found.items()} == expected(tmp_path)
    assert all(summary["verdict"] for _, summary in found.values())


def test_a_file_that_was_torn_by_a_kill_is_made_whole(tmp_path):
    feed(Made(rates=1).write(tmp_path), "tensorboard")
    files = sorted((tmp_path / "tracking").rglob("*tfevents*"))
    whole = [path.read_bytes() for path in files]
    files[0].write_bytes(whole[0][:-7])
    files[1].write_bytes(whole[1][:200] + b"x" * 90)
    files[2].write_bytes(b"")
    feed(tmp_path, "tensorboard")
    assert [path.read_bytes() for path in files[:2]] == whole[:2]
    assert READERS["tensorboard"](tmp_path).keys() == expected(tmp_path).keys()


def test_a_larger_plan_takes_the_verdict_back_and_renames_the_runs(tmp_path):
    small, large = Made(rates=1), Made(rates=2)
    feed(small.write(tmp_path / "a"), "tensorboard")
    large.ends = dict.fromkeys(range(4, 6), "waiting")
    folder = large.write(tmp_path / "b")
    (tmp_path / "a" / "tracking").rename(folder / "tracking")
    feed(folder, "tensorboard")
    assert not any(texts for _, texts in in_tensorboard(folder).values())
    namer = trial_namer(large.cells())
    homes = {path.name for path in (folder / "tracking" / "tensorboard").iterdir()}
    assert homes == {namer(cell) for cell in large.cells()[:4]}


def tracking(folder, names=("tensorboard",)):
    said = []
    cells = [each.cell for each in load_store(folder).cells]
    board = Board(cells, Measure("accuracy", "higher", "RTE"), {cell.id: cell.id for cell in cells})
    return Tracking(folder, names, said.append), board, said


def test_a_search_has_its_trackers_fed_as_it_runs_and_waits_for_them_at_its_end(tmp_path):
    made = Made(rates=1, ends={3: None}, closed=False)
    listener, board, said = tracking(made.write(tmp_path))
    last = made.cells()[3]
    listener.opened(board)
    board[last.id].state = CellState.RUNNING
    listener.changed(last.id)
    with Journal(tmp_path) as journal:
        journal.append("failed", cell_id=last.id, state="failed", message="no")
    listener.closed()
    found = in_tensorboard(tmp_path)
    assert {cell: points["accuracy"] for cell, (points, _) in found.items()} == expected(tmp_path)
    assert "verdict" in found[last.id][1]
    assert said == []


def test_a_tracker_that_breaks_is_one_line_and_harms_nobody(tmp_path):
    made = Made(rates=1, ends={3: None}, closed=False)
    listener, board, said = tracking(made.write(tmp_path))
    (tmp_path / "tracking").write_text("in the way")
    listener.opened(board)
    for cell in made.cells():
        listener.changed(cell.id)
    listener.closed()
    (line,) = said
    assert line.startswith("track: tensorboard takes nothing more (")
    assert f"`freelb-tune track {tmp_path}` feeds trackers afterwards" in line


def test_a_tracker_that_hangs_is_left_behind_at_the_end(tmp_path, monkeypatch):
    from freelb_tune.watching.tracking.tensorboard import TensorBoard

    listener, board, said = tracking(Made(rates=1).write(tmp_path))
    listener.patience = 0.3
    hang = listener._news.__class__()
    monkeypatch.setattr(TensorBoard, "show", lambda self, run: hang.get())
    listener.opened(board)
    listener.closed()
    hang.put(None)
    assert "no tracker has taken anything for 0 seconds" in said[0]


def test_a_package_that_is_absent_is_said_with_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(registry.TRACKERS, "tensorboard", ("no_such_package",))
    listener, board, said = tracking(Made(rates=1).write(tmp_path))
    listener.opened(board)
    listener.closed()
    assert (
        "needs no_such_package, which is not installed: pip install 'freelb_tune[track]'" in said[0]
    )
    assert not (tmp_path / "tracking").exists()
    done = CliRunner().invoke(app, ["track", str(tmp_path), "--to", "tensorboard"])
    assert "pip install 'freelb_tune[track]'" in str(done.exception)


def test_a_folder_is_fed_afterwards_by_its_space_or_by_name(tmp_path):
    run, folder = CliRunner(), Made(rates=1).write(tmp_path / "plain")
    with pytest.raises(FreeLBTuneError, match="names no tracker; say which with --to: tensorboard"):
        run.invoke(app, ["track", str(folder)], catch_exceptions=False)
    with pytest.raises(FreeLBTuneError, match="did you mean 'tensorboard'"):
        run.invoke(app, ["track", str(folder), "--to", "tensorbord"], catch_exceptions=False)
    named = replace(Made(rates=1), space=SPACE + "track: [tensorboard]\n").write(tmp_path / "named")
    assert run.invoke(app, ["track", str(named)]).exit_code == 0
    found = in_tensorboard(named)
    assert {cell: points["accuracy"] for cell, (points, _) in found.items()} == expected(named)


def test_a_link_in_a_folder_of_somebody_else_leads_no_tracker_out(tmp_path):
    folder = Made(rates=1).write(tmp_path / "theirs")
    (tmp_path / "elsewhere").mkdir()
    (folder / "tracking").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FreeLBTuneError, match="is a link"):
        CliRunner().invoke(
            app, ["track", str(folder), "--to", "tensorboard"], catch_exceptions=False
        )
    assert not list((tmp_path / "elsewhere").iterdir())


@pytest.mark.slow
def test_a_search_that_was_killed_and_goes_on_has_every_point_once_in_every_tracker(tmp_path):
    plan = {"resources": f"{{}}\ntrack: [{', '.join(TRACKERS)}]", "adv_lr": [0.01, 0.02, 0.03]}
    process = start(tmp_path, "{algorithm: grid}", 4.0, **plan)
    files = tmp_path / "results" / "tracking" / "tensorboard"
    wait_until(lambda: len(list(files.rglob("*tfevents*"))) >= 2, process)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert 0 < sum(map(len, expected(tmp_path / "results").values())) < 3 * 4
    process = start(tmp_path, "{algorithm: grid}", 0.0, **plan)
    assert process.wait(240) == 0
    for name, read in READERS.items():
        found = read(tmp_path / "results")
        points = {cell: points["accuracy"] for cell, (points, _) in found.items()}
        assert points == expected(tmp_path / "results"), name
        assert [len(each) for each in points.values()] == [4] * 3
