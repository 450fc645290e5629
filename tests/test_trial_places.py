"""A cell that trials on other machines train, at its place: what is there when one of them dies."""

import json
import shutil
from pathlib import Path

import pytest
import search_fixtures
from ray import cloudpickle
from search_fixtures import EPOCHS, Prepare, Ready, ensure_ray, make_plan, train
from store_fixtures import Search, cell

from freelb_tune import __version__
from freelb_tune.api.remote import kept_at
from freelb_tune.errors import FreeLBTuneError
from freelb_tune.search import SearchOptions, Work, run_search
from freelb_tune.search.ray_tune.machines.preflight import _reach
from freelb_tune.search.ray_tune.workers.desk import taken_desk
from freelb_tune.store import CellState, cell_folder, read_epochs
from freelb_tune.store.cells.checkpoints import CHECKPOINT
from freelb_tune.store.remote.parcel import Parcel
from freelb_tune.store.remote.place import RemoteError, open_place
from freelb_tune.store.trial_places import TrialPlaces

cloudpickle.register_pickle_by_value(search_fixtures)  # workers have no path to the tests

NAME = "rte_grid"
CELL = cell(1)


class Died(Exception):
    """A machine is gone."""


@pytest.fixture
def uri(tmp_path):
    (tmp_path / "far").mkdir()
    return f"file://{tmp_path}/far/{NAME}"


@pytest.fixture
def places(uri, tmp_path):
    """What the driver sees; whatever waits for the results folder's own place is done at once."""
    return TrialPlaces(open_place(uri), tmp_path / "work" / NAME, lambda action: action())


def trial(uri, tmp_path, until=EPOCHS):
    """One trial of the cell, which the machine's death ends after an epoch."""
    told = []

    def report(desk, record):
        desk.keep()
        told.append(record.epoch)
        if record.epoch == until < EPOCHS:
            (desk.home / "epochs.jsonl").write_text("half of what comes next")
            raise Died

    with taken_desk(Path("/nowhere"), uri, CELL.id) as desk:
        ready = Ready(EPOCHS, tmp_path)
        train(CELL, ready, desk.home, lambda record: report(desk, record), 1)
    return told


def here(places):
    home = cell_folder(places.folder, CELL.id)
    return {str(path.relative_to(home)) for path in home.rglob("*") if path.is_file()}


def test_a_cell_goes_on_on_another_machine_from_its_last_whole_epoch(uri, caches, places, tmp_path):
    with pytest.raises(Died):
        trial(uri, tmp_path, until=2)
    assert not list((tmp_path / "one" / "freelb-tune" / "trials").glob("*-*"))
    caches("two")
    assert trial(uri, tmp_path) == [1, 2, 3, 4]
    Parcel(open_place(f"{uri}/trials/{CELL.id}"), tmp_path / "looked").bring()
    assert (tmp_path / "looked" / "trained.txt").read_text().split() == ["1", "2", "3", "4"]


def test_the_driver_fetches_no_weights_before_it_wants_them(uri, caches, places, tmp_path):
    places.fetch(CELL.id)  # nothing is there yet
    trial(uri, tmp_path)
    places.fetch(CELL.id, epoch=1)
    assert here(places) == {"epochs.jsonl"}
    (tmp_path / "far").rename(tmp_path / "away")
    places.fetch(CELL.id, epoch=EPOCHS)  # it is known, and nobody is asked
    (tmp_path / "away").rename(tmp_path / "far")
    places.fetch(CELL.id, model=True)
    assert here(places) == {"epochs.jsonl", "model/config.json"}
    places.drop(CELL.id)
    assert open_place(uri).folders("trials") == []


def test_a_trial_that_was_given_up_changes_nothing_any_more(uri, caches, tmp_path):
    with taken_desk(Path("/nowhere"), uri, CELL.id) as first:
        (first.home / "epochs.jsonl").write_text("old\n")
        caches("two")
        with taken_desk(Path("/nowhere"), uri, CELL.id) as second:
            (second.home / "epochs.jsonl").write_text("new\n")
            second.keep()
            with pytest.raises(FreeLBTuneError, match="another trial has gone on with this cell"):
                first.keep()
    Parcel(open_place(f"{uri}/trials/{CELL.id}"), tmp_path / "looked").bring()
    assert (tmp_path / "looked" / "epochs.jsonl").read_text() == "new\n"


def test_a_place_that_does_not_answer_is_asked_again_and_then_told(
    uri, caches, tmp_path, monkeypatch
):
    with taken_desk(Path("/nowhere"), uri, CELL.id) as desk:
        (desk.home / "epochs.jsonl").write_text("one\n")
        (tmp_path / "far").rename(tmp_path / "away")
        monkeypatch.setattr("freelb_tune.store.remote.parcel.patiently.__defaults__", (0.3,))
        with pytest.raises(RemoteError, match="there is no such bucket or folder"):
            desk.keep()
        (tmp_path / "away").rename(tmp_path / "far")
        desk.keep()


def test_what_a_killed_trial_left_on_its_machine_goes_with_the_next_one(uri, caches, tmp_path):
    left = tmp_path / "one" / "freelb-tune" / "trials" / "0123456789ab-x"
    left.mkdir(parents=True)
    with taken_desk(Path("/nowhere"), uri, CELL.id) as desk:
        assert not left.exists()
        with taken_desk(Path("/nowhere"), uri, cell(2).id):
            assert desk.home.exists()  # it is held


def test_what_trials_read_is_sent_once_and_brought_once_to_each_machine(
    uri, caches, places, tmp_path
):
    tokens = tmp_path / "tokens"
    (tokens / "train").mkdir(parents=True)
    (tokens / "train" / "data.arrow").write_bytes(b"rows")
    name = places.carry(tokens)
    assert places.carry(tokens) == name
    caches("two")
    for _ in "ab":
        with taken_desk(Path("/nowhere"), uri, CELL.id) as desk:
            found = desk.carried(name)
            assert (found / "train" / "data.arrow").read_bytes() == b"rows"
        shutil.rmtree(tmp_path / "far" / NAME / "inputs", ignore_errors=True)
    assert (tmp_path / "two") in found.parents


def test_a_machine_says_why_it_does_not_reach_the_place(uri, tmp_path):
    place, secret = open_place(uri), "0" * 16
    place.make()
    assert "it reads another place there" in _reach(uri, secret)
    place.write(f".preflight-{secret}", secret.encode())
    assert _reach(uri, secret) == __version__
    assert place.read(f".preflight-{secret}.back") == secret.encode()
    assert "Protocol not known: xyz" in _reach("xyz://bucket/results", secret)


def run(uri, state, more=lambda places: None):
    """A run of a search at a place; the first one knows a cell with two epochs."""
    with kept_at(uri.rpartition("/")[0], NAME, [].append) as (home, uploader):
        folder = home / NAME
        if not folder.exists():
            Search([CELL]).end(CELL, 0.52, 0.54, state=state).write(folder)
        more(TrialPlaces(uploader.place, folder, uploader.once_sent))
    return cell_folder(folder, CELL.id)


def test_a_cell_goes_from_this_machine_to_others_and_back_with_its_checkpoint(
    uri, caches, tmp_path
):
    def leave(places):
        checkpoint = cell_folder(places.folder, CELL.id) / CHECKPOINT
        checkpoint.mkdir()
        (checkpoint / "epoch").write_text("2")

    home = run(uri, None, leave)
    run(uri, None, lambda places: places.hand_out())
    assert not (home / CHECKPOINT).exists()
    with pytest.raises(Died):
        trial(uri, tmp_path, until=3)
    caches("two")
    home = run(uri, None, lambda places: places.take_back())
    assert len(read_epochs(home / "epochs.jsonl")) == 3
    assert (home / CHECKPOINT / "epoch").read_text() == "3"
    assert open_place(uri).folders("trials") == []
    caches("three")
    assert (run(uri, None) / CHECKPOINT / "epoch").read_text() == "3"  # the search's place has it


def test_the_place_of_a_cell_that_is_over_goes_and_brings_nothing_back(uri, caches, tmp_path):
    home = run(uri, "done")
    trial(uri, tmp_path)
    run(uri, "done", lambda places: places.take_back())
    assert len(read_epochs(home / "epochs.jsonl")) == 2
    assert open_place(uri).folders("trials") == []


def test_a_search_takes_from_the_places_what_its_trials_leave_there(uri, tmp_path):
    ensure_ray()
    space, plan = make_plan(tmp_path / "space", adv_lr=(0.04, 0.03, 0.02))
    best, dies, fails = (each.id for each in plan.cells)
    (tmp_path / "orders").mkdir()
    (tmp_path / "orders" / dies).write_text("die_once 3")
    (tmp_path / "orders" / fails).write_text("fail 2")
    folder, later = tmp_path / "results", []
    places = TrialPlaces(open_place(uri), folder, later.append)
    places.place.make()
    options = SearchOptions(address="auto", places=places)
    done = run_search(space, plan, folder, options, work=Work(Prepare(tmp_path / "orders"), train))
    assert (done.best, done.counts[CellState.DONE], done.counts[CellState.FAILED]) == (best, 2, 1)
    assert json.loads((folder / "best" / "config.json").read_text()) == {"cell": best, "epoch": 4}
    assert "the layer is too wide" in (cell_folder(folder, fails) / "error.txt").read_text()
    for cell_id, epochs in ((best, 4), (dies, 4), (fails, 1)):
        home = cell_folder(folder, cell_id)
        assert len(read_epochs(home / "epochs.jsonl")) == epochs
        assert not {"checkpoint", "trained.txt", ".lock"} & {path.name for path in home.iterdir()}
    Parcel(open_place(f"{uri}/trials/{dies}"), tmp_path / "looked").bring()
    assert (tmp_path / "looked" / "trained.txt").read_text().split() == ["1", "2", "3", "4"]
    for action in later:
        action()
    assert open_place(uri).folders("trials") == []
