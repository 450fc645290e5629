"""Ends of a search by hours: what runs ends after its epoch, is kept, and goes on later."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import count

import pytest
import search_fixtures
from search_drive import drive, ends
from search_fixtures import make_plan, score_of
from store_fixtures import table_text

from freelb_tune.errors import FreeLBTuneError
from freelb_tune.space import Cell
from freelb_tune.store import CellState, EpochRecord, load_store, read_journal

HOUR = 3600.0


def events(base, name):
    return [entry for entry in read_journal(base / "results") if entry["event"] == name]


def hourly() -> Iterator[float]:
    """A clock on which an hour passes whenever it is looked at."""
    return iter(count(0.0, HOUR))


@pytest.fixture
def slow_epochs(monkeypatch):
    """Every epoch takes half an hour of training and half an hour of evaluation."""

    def record_of(cell: Cell, epoch: int, score: float) -> EpochRecord:
        return replace(quick(cell, epoch, score), train_seconds=HOUR / 2, eval_seconds=HOUR / 2)

    quick = search_fixtures.record_of
    monkeypatch.setattr(search_fixtures, "record_of", record_of)


def test_when_the_wall_hours_are_over_trials_end_after_their_epoch_and_wait(tmp_path):
    space, plan = make_plan(tmp_path, search="{wall_hours: 4}")
    trained = drive(tmp_path, space, plan, score_of, slots=2, clock=hourly().__next__)
    assert 0 < len(trained) < 16
    assert events(tmp_path, "ended") == [{"event": "ended", "by": "wall_hours", "limit": 4.0}]
    states = ends(tmp_path)
    assert sum(epochs for _, epochs in states.values()) == len(trained)  # each is kept
    assert {state for state, _ in states.values()} <= {CellState.WAITING, CellState.DONE}

    # the same command has as many hours again, and goes on from there
    again = drive(tmp_path, space, plan, score_of, slots=2)
    assert len({*trained, *again}) == len(trained) + len(again) == 16
    assert {state for state, _ in ends(tmp_path).values()} == {CellState.DONE}


@pytest.mark.parametrize("algorithm", ["grid", "asha", "race"])
def test_device_hours_count_over_all_runs_and_what_ended_stands_in_the_footer(
    tmp_path, algorithm, slow_epochs
):
    asked = {"seeds": (1, 2), "resources": "{cpu: 2}"}  # a trial has two cores: two device-hours
    space, plan = make_plan(
        tmp_path, search=f"{{algorithm: {algorithm}, device_hours: 10}}", **asked
    )
    first = drive(tmp_path, space, plan, score_of, kill_after=2)
    second = drive(tmp_path, space, plan, score_of)
    assert len(first) + len(second) == 5
    assert drive(tmp_path, space, plan, score_of) == []  # they are spent
    assert load_store(tmp_path / "results").end is not None
    said = "Ended by search.device_hours: 10 device-hours are spent; a higher limit goes on."
    assert said in table_text(tmp_path / "results")

    space, plan = make_plan(tmp_path, search=f"{{algorithm: {algorithm}}}", **asked)
    drive(tmp_path, space, plan, score_of)
    assert "Ended by" not in table_text(tmp_path / "results")
    assert all(state.is_over for state, _ in ends(tmp_path).values())


def test_a_limit_that_keeps_nothing_from_running_is_not_said(tmp_path, slow_epochs):
    space, plan = make_plan(tmp_path, adv_lr=(0.01,), search="{device_hours: 4}")
    assert len(drive(tmp_path, space, plan, score_of)) == 4
    assert events(tmp_path, "ended") == []
    drive(tmp_path, space, plan, score_of)
    assert "Ended by" not in table_text(tmp_path / "results")


@pytest.mark.parametrize("name", ["wall_hours", "device_hours"])
@pytest.mark.parametrize("value", ["0", "-1", ".inf"])
def test_hours_are_positive(tmp_path, name, value):
    with pytest.raises(FreeLBTuneError, match=rf"search.{name}: expected .*, got"):
        make_plan(tmp_path, search=f"{{{name}: {value}}}")
