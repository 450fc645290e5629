"""What every registered algorithm keeps: no kill and no order changes what it decides."""

import os
import random
from pathlib import Path

import pytest
import search_fixtures
from ray import cloudpickle
from search_drive import drive, ends
from search_fixtures import Prepare, make_plan, train

from freelb_tune.search import SearchOptions, Silent, Work, run_search
from freelb_tune.search.driver.board import Board
from freelb_tune.space import ALGORITHMS, Cell, Plan, Space
from freelb_tune.space.settings.algorithms import Sampling
from freelb_tune.store import read_journal

cloudpickle.register_pickle_by_value(search_fixtures)  # workers have no path to the tests

ONE_AT_A_TIME = "{max_concurrent: 1}"
PLAN = {"adv_lr": (0.03, 0.01, 0.05), "seeds": (1, 2, 3), "clean_arm": True}


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch):
    """A killed process loses nothing that the system has; only a power failure would."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


def planned(base, name) -> tuple[Space, Plan]:
    return make_plan(base, search=f"{{algorithm: {name}}}", resources=ONE_AT_A_TIME, **PLAN)


def wobbly(cell: Cell, epoch: int) -> float:
    """A score that moves about as much with the seed and the epoch as with the configuration."""
    lr = float(str(cell.settings.get("adversary.adv_lr", 0.0)))
    return round(10 * lr + random.Random(f"{cell.id} {epoch}").random(), 4)


SAMPLED = [name for name, kind in ALGORITHMS.items() if issubclass(kind, Sampling)]


def sampled(base, name) -> tuple[Space, Plan]:
    """The same with adv_lr proposed."""
    search = f"{{algorithm: {name}, sampler: tpe, samples: 4}}"
    drawn = {"adv_lr": (0.01, 0.2), "domain": "loguniform", "seeds": (1, 2), "clean_arm": True}
    return make_plan(base, search=search, resources=ONE_AT_A_TIME, **drawn)


def said(base) -> list[dict[str, object]]:
    """What was proposed and decided, in that order."""
    events = ("proposed", "decided")
    return [entry for entry in read_journal(base / "results") if entry["event"] in events]


@pytest.mark.parametrize(
    ("name", "plan"),
    [*((name, planned) for name in ALGORITHMS), ("random", sampled), ("asha", sampled)],
)
def test_with_one_slot_a_kill_after_any_epoch_changes_nothing(tmp_path, name, plan):
    whole = tmp_path / "whole"
    epochs = drive(whole, *plan(whole, name), wobbly)
    for cut in range(1, len(epochs)):
        base = tmp_path / str(cut)
        first = drive(base, *plan(base, name), wobbly, kill_after=cut)
        second = drive(base, *plan(base, name), wobbly)
        assert sorted([*first, *second]) == sorted(epochs)  # none is trained twice
        assert said(base) == said(whole)
        assert ends(base) == ends(whole)


@pytest.mark.parametrize(
    ("name", "plan"),
    [*((name, planned) for name in ALGORITHMS), *((name, sampled) for name in SAMPLED)],
)
@pytest.mark.parametrize("cut", [3, 11, 19])
def test_with_many_slots_what_was_said_before_a_kill_stands(tmp_path, name, plan, cut):
    chance = random.Random(cut)
    first = drive(tmp_path, *plan(tmp_path, name), wobbly, slots=4, chance=chance, kill_after=cut)
    before = said(tmp_path)
    second = drive(tmp_path, *plan(tmp_path, name), wobbly, slots=4, chance=chance)
    assert said(tmp_path)[: len(before)] == before
    assert len(set(first + second)) == len(first) + len(second)
    assert all(state.is_over for state, _ in ends(tmp_path).values())
    # and a look at what is over says nothing more
    entries = said(tmp_path)
    assert drive(tmp_path, *plan(tmp_path, name), wobbly) == []
    assert said(tmp_path) == entries


class Impatient(Silent):
    """A reader who presses Ctrl-C after some epochs."""

    def __init__(self, epochs: int) -> None:
        self._left = epochs

    def changed(self, cell_id: str) -> None:
        if self._board[cell_id].scores:
            self._left -= 1
        if self._left == 0:
            raise KeyboardInterrupt

    def opened(self, board: Board) -> None:
        self._board = board


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "plan"),  # grid, asha and a race are killed in tests of their own
    [("random", planned), ("hyperband", planned), ("median", planned), ("asha", sampled)],
)
def test_on_ray_an_interrupted_search_says_and_ends_alike(tmp_path, name, plan):
    def run(base: Path, listener: Silent) -> bool:
        work = Work(Prepare(base / "orders"), train)
        options = SearchOptions(dashboard=False)
        return run_search(*plan(base, name), base / "results", options, listener, work).interrupted

    search_fixtures.ensure_ray()
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    assert not run(whole, Silent())
    assert run(broken, Impatient(9))
    before = said(broken)
    assert not run(broken, Silent())
    assert said(broken)[: len(before)] == before
    assert said(broken) == said(whole)
    assert ends(broken) == ends(whole)
    for table in ("trials.csv", "table.md"):
        assert (broken / "results" / table).read_bytes() == (whole / "results" / table).read_bytes()
