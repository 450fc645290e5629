"""What every registered algorithm keeps: no kill and no order changes what it decides."""

import os
import random

import pytest
from search_drive import decisions, drive, ends
from search_fixtures import make_plan

from freelb_tune.space import ALGORITHMS, Cell, Plan, Space

PLAN = {"adv_lr": (0.03, 0.01, 0.05), "seeds": (1, 2, 3), "clean_arm": True}


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch):
    """A killed process loses nothing that the system has; only a power failure would."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


def planned(base, name) -> tuple[Space, Plan]:
    return make_plan(base, search=f"{{algorithm: {name}}}", **PLAN)


def wobbly(cell: Cell, epoch: int) -> float:
    """A score that moves about as much with the seed and the epoch as with the configuration."""
    lr = float(str(cell.settings.get("adversary.adv_lr", 0.0)))
    return round(10 * lr + random.Random(f"{cell.id} {epoch}").random(), 4)


@pytest.mark.parametrize("name", ALGORITHMS)
def test_with_one_slot_a_kill_after_any_epoch_changes_nothing(tmp_path, name):
    whole = tmp_path / "whole"
    epochs = drive(whole, *planned(whole, name), wobbly)
    for cut in range(1, len(epochs)):
        base = tmp_path / str(cut)
        first = drive(base, *planned(base, name), wobbly, kill_after=cut)
        second = drive(base, *planned(base, name), wobbly)
        assert sorted([*first, *second]) == sorted(epochs)  # none is trained twice
        assert decisions(base) == decisions(whole)
        assert ends(base) == ends(whole)


@pytest.mark.parametrize("name", ALGORITHMS)
@pytest.mark.parametrize("cut", [3, 11, 19])
def test_with_many_slots_what_was_decided_before_a_kill_stands(tmp_path, name, cut):
    chance = random.Random(cut)
    first = drive(
        tmp_path, *planned(tmp_path, name), wobbly, slots=4, chance=chance, kill_after=cut
    )
    before = decisions(tmp_path)
    second = drive(tmp_path, *planned(tmp_path, name), wobbly, slots=4, chance=chance)
    assert decisions(tmp_path)[: len(before)] == before
    assert len(set(first + second)) == len(first) + len(second)
    assert all(state.is_over for state, _ in ends(tmp_path).values())
    # and a look at what is over decides nothing more
    said = decisions(tmp_path)
    assert drive(tmp_path, *planned(tmp_path, name), wobbly) == []
    assert decisions(tmp_path) == said
