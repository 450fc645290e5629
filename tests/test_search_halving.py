"""ASHA over seeds without Ray: what a rung compares, who waits, and that no order changes it."""

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import search_fixtures
from ray.tune.schedulers import ASHAScheduler, TrialScheduler
from search_drive import decisions, drive, ends, starts
from search_fixtures import make_plan

from freelb_tune.search.algorithms.frame.rungs import Rungs
from freelb_tune.search.driver.ledger import Ledger
from freelb_tune.space import Cell, Plan
from freelb_tune.store import CellState, EpochLog, cell_folder, take_results

ASHA = "{algorithm: asha, grace_epochs: 1, reduction_factor: 3}"

# Means in the order in which they arrive: (configuration, epoch, mean). 1, 3 and 9 are rungs.
SEQUENCE = [
    ("a", 1, 0.50),
    ("b", 1, 0.70),
    ("c", 1, 0.60),
    ("d", 1, 0.72),
    ("b", 3, 0.75),
    ("d", 3, 0.74),
    ("a", 3, 0.90),
    ("e", 1, 0.70),
    ("b", 9, 0.80),
    ("a", 9, 0.79),
]


class Vanilla:
    """What Ray's ASHA says, from a fresh start."""

    def __init__(self, max_epochs: int, mode: str = "max") -> None:
        self._ray = ASHAScheduler(
            time_attr="epoch",
            metric="score",
            mode=mode,
            max_t=max_epochs,
            grace_period=1,
            reduction_factor=3,
        )
        self._trials: dict[str, Any] = {}

    def __call__(self, name: str, epoch: int, score: float) -> str:
        if name not in self._trials:
            self._trials[name] = type("Trial", (), {"trial_id": name})
            self._ray.on_trial_add(None, self._trials[name])
        result = {"epoch": epoch, "score": score}
        said = self._ray.on_trial_result(None, self._trials[name], result)
        return "stop" if said == TrialScheduler.STOP else "continue"


@pytest.mark.parametrize(("mode", "sign"), [("max", 1.0), ("min", -1.0)])
def test_decisions_are_rays_own(mode, sign):
    rungs, vanilla = Rungs(1, 3, 81, sign), Vanilla(81, mode)
    assert rungs.epochs == [1, 3, 9, 27]
    chance = random.Random(1)
    sequence = SEQUENCE + [
        (f"x{place}", chance.choice(rungs.epochs), round(chance.random(), 3)) for place in range(99)
    ]
    said = []
    for name, epoch, value in sequence:
        said.append(rungs.judge(name, epoch, value, is_complete=True))
        rungs.enter(name, epoch, value, is_complete=True)
        assert said[-1] == vanilla(name, epoch, value)
    assert 20 < said.count("stop") < 90


def test_a_rung_stands_before_the_last_epoch_only():
    assert Rungs(1, 3, 9, 1.0).epochs == [1, 3]
    assert Rungs(4, 2, 4, 1.0).epochs == []


def test_a_lucky_survivor_takes_no_place_from_complete_configurations():
    rungs = Rungs(1, 3, 9, 1.0)
    assert rungs.judge("a", 1, 0.99, is_complete=False) == "continue"  # nobody has been there
    rungs.enter("a", 1, 0.99, is_complete=False)
    assert rungs.judge("a", 1, 0.9, is_complete=False) == "stop"  # among its like it is compared
    assert rungs.judge("a", 1, 0.5, is_complete=True) == "continue"  # 0.99 is of another class
    rungs.enter("a", 1, 0.5, is_complete=True)
    assert rungs.judge("a", 1, 0.99, is_complete=False) == "stop"
    assert rungs.judge("a", 1, 0.6, is_complete=True) == "continue"


def by_lr(plan: Plan) -> dict[str, str]:
    """The configurations by their `adv_lr`."""
    return {str(cell.settings["adversary.adv_lr"]): cell.config_id for cell in plan.cells}


def test_a_rung_compares_means_over_seeds(tmp_path):
    # Cell by cell, 0.02's seed 1 would go on and its seed 2 stop; 0.03 the other way round.
    scores = {(0.01, 1): 0.6, (0.01, 2): 0.6, (0.02, 1): 0.9, (0.02, 2): 0.1, (0.03, 1): 0.5,
              (0.03, 2): 0.9}  # fmt: skip
    space, plan = make_plan(tmp_path, adv_lr=(0.01, 0.02, 0.03), seeds=(1, 2), search=ASHA)
    drive(
        tmp_path,
        space,
        plan,
        lambda cell, epoch: scores[float(str(cell.settings["adversary.adv_lr"])), cell.seed],
        slots=3,
    )
    lr, found = by_lr(plan), ends(tmp_path)
    first = {d["config_id"]: d for d in decisions(tmp_path) if d["epoch"] == 1}
    assert [first[lr[name]]["score"] for name in ("0.01", "0.02", "0.03")] == [0.6, 0.5, 0.7]
    assert [first[lr[name]]["decision"] for name in ("0.01", "0.02", "0.03")] == [
        "continue", "stop", "continue",
    ]  # fmt: skip
    assert found[lr["0.02"], 1] == found[lr["0.02"], 2] == (CellState.STOPPED, 1)
    assert found[lr["0.03"], 1] == found[lr["0.03"], 2] == (CellState.DONE, 4)
    assert {starts(tmp_path)[c.id] for c in plan.cells if c.config_id == lr["0.02"]} == {1}


def wobbly(cell: Cell, epoch: int) -> float:
    """A score that moves more with the seed and the epoch than with the configuration."""
    return round(random.Random(f"{cell.id} {epoch}").random(), 4)


GRID = tuple(round(0.01 * (1 + place), 2) for place in range(7))


@pytest.mark.parametrize("slots", [1, 2, 5, 40])
def test_the_seeds_of_a_configuration_end_together_whatever_order_and_slots(tmp_path, slots):
    space, plan = make_plan(tmp_path, adv_lr=GRID, seeds=(1, 2, 3), search=ASHA)
    trained = drive(tmp_path, space, plan, wobbly, slots=slots, chance=random.Random(slots))
    assert len(set(trained)) == len(trained)
    found = ends(tmp_path)
    for config_id in {cell.config_id for cell in plan.cells}:
        (end,) = {found[config_id, seed] for seed in (1, 2, 3)}
        assert end in ((CellState.DONE, 4), (CellState.STOPPED, 1), (CellState.STOPPED, 3))
    # each configuration once at each rung, and Ray's ASHA says the same of these means
    said = decisions(tmp_path)
    keys = [(entry["config_id"], entry["epoch"]) for entry in said]
    assert len(set(keys)) == len(keys)
    vanilla = Vanilla(4)
    for entry in said:
        assert entry["seeds"] == [1, 2, 3]
        assert entry["decision"] == vanilla(entry["config_id"], entry["epoch"], entry["score"])


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    """A search with one slot that ran to its end, and how many epochs it trained."""
    base = tmp_path_factory.mktemp("whole")
    space, plan = make_plan(base, adv_lr=GRID, seeds=(1, 2), search=ASHA)
    return base, len(drive(base, space, plan, wobbly))


@pytest.mark.parametrize("cut", range(1, 36, 5))
def test_with_one_slot_a_kill_anywhere_changes_nothing(tmp_path, whole, cut):
    base, epochs = whole
    space, plan = make_plan(tmp_path, adv_lr=GRID, seeds=(1, 2), search=ASHA)
    first = drive(tmp_path, space, plan, wobbly, kill_after=cut)
    assert len(first) == cut
    second = drive(tmp_path, space, plan, wobbly)
    assert len(set(first + second)) == len(first) + len(second) == epochs
    assert decisions(tmp_path) == decisions(base)
    assert ends(tmp_path) == ends(base)


@pytest.mark.parametrize("decision", ["continue", "stop"])
def test_a_kill_between_a_decision_and_its_effect_changes_nothing(
    tmp_path, whole, decision, monkeypatch
):
    class Killed(Exception):
        pass

    def write_and_die(ledger: Ledger, entry: dict[str, Any]) -> None:
        decided(ledger, entry)
        if entry["decision"] == decision:
            raise Killed

    decided = Ledger.decided
    space, plan = make_plan(tmp_path, adv_lr=GRID, seeds=(1, 2), search=ASHA)
    monkeypatch.setattr(Ledger, "decided", write_and_die)
    with pytest.raises(Killed):
        drive(tmp_path, space, plan, wobbly)
    monkeypatch.undo()
    drive(tmp_path, space, plan, wobbly)
    assert decisions(tmp_path) == decisions(whole[0])
    assert ends(tmp_path) == ends(whole[0])
    for cell in plan.cells:  # nothing is started only to be stopped
        stopped = ends(tmp_path)[cell.config_id, cell.seed] == (CellState.STOPPED, 1)
        assert starts(tmp_path)[cell.id] == 1 or not stopped


@pytest.mark.parametrize("cut", range(3, 36, 8))
def test_with_many_slots_a_kill_anywhere_changes_no_decision_that_was_made(tmp_path, cut):
    space, plan = make_plan(tmp_path, adv_lr=GRID, seeds=(1, 2), search=ASHA)
    chance = random.Random(cut)
    first = drive(tmp_path, space, plan, wobbly, slots=4, chance=chance, kill_after=cut)
    before = decisions(tmp_path)
    second = drive(tmp_path, space, plan, wobbly, slots=4, chance=chance)
    said = decisions(tmp_path)
    assert said[: len(before)] == before
    assert len(set(first + second)) == len(first) + len(second)
    vanilla = Vanilla(4)
    for entry in said:
        assert entry["decision"] == vanilla(entry["config_id"], entry["epoch"], entry["score"])


def test_with_one_seed_the_cells_run_one_after_another_as_rays_asha_would_have_them(tmp_path):
    space, plan = make_plan(tmp_path, adv_lr=GRID, seeds=(1,), search=ASHA)
    trained = drive(tmp_path, space, plan, wobbly)
    vanilla, want = Vanilla(4), []
    for cell in plan.cells:
        for epoch in range(1, 5):
            want.append((cell.id, epoch))
            if vanilla(cell.id, epoch, wobbly(cell, epoch)) == "stop" and epoch < 4:
                break
    assert trained == want
    assert len(trained) < 4 * len(plan.cells)


@pytest.mark.parametrize("slots", [1, 3])
@pytest.mark.parametrize("epoch", [1, 2, 3])
def test_a_configuration_whose_seed_failed_is_judged_by_the_rest_and_promoted_over_none(
    tmp_path, slots, epoch
):
    space, plan = make_plan(tmp_path, adv_lr=(0.01, 0.02, 0.03), seeds=(1, 2, 3), search=ASHA)
    broken = plan.cells[4]  # the second configuration's second seed

    def score(cell: Cell, epoch: int) -> float:
        return 0.99 if cell.config_id == broken.config_id else 0.5

    drive(tmp_path, space, plan, score, slots=slots, fails=((broken.id, epoch),))
    found = ends(tmp_path)
    rung = 1 if epoch == 1 else 3
    assert [found[broken.config_id, seed] for seed in (1, 2, 3)] == [
        (CellState.STOPPED, rung),
        (CellState.FAILED, epoch - 1),
        (CellState.STOPPED, rung),
    ]
    last = [d for d in decisions(tmp_path) if d["config_id"] == broken.config_id][-1]
    assert (last["seeds"], last["missing"], last["score"]) == ([1, 3], [2], 0.99)
    if epoch == 1:  # its 0.99 is no hurdle for the next one
        assert found[plan.cells[6].config_id, 1] == (CellState.DONE, 4)


def test_where_every_configuration_has_lost_a_seed_the_best_goes_on(tmp_path):
    space, plan = make_plan(tmp_path, adv_lr=(0.03, 0.01, 0.04), seeds=(1, 2), search=ASHA)
    fails = tuple((cell.id, 1) for cell in plan.cells if cell.seed == 2)
    drive(tmp_path, space, plan, search_fixtures.score_of, fails=fails)
    lr, found = by_lr(plan), ends(tmp_path)
    assert [found[lr[name], 1][0] for name in ("0.03", "0.01", "0.04")] == [
        CellState.DONE, CellState.STOPPED, CellState.DONE,
    ]  # fmt: skip


def test_a_seed_that_is_added_later_follows_what_was_decided(tmp_path):
    grid = (0.03, 0.01, 0.04)
    drive(tmp_path, *make_plan(tmp_path, adv_lr=grid, search=ASHA), search_fixtures.score_of)
    before = decisions(tmp_path)
    space, plan = make_plan(tmp_path, adv_lr=grid, seeds=(1, 2), search=ASHA)
    trained = drive(tmp_path, space, plan, lambda cell, epoch: 1 - wobbly(cell, epoch))
    assert decisions(tmp_path) == before
    assert {cell_id for cell_id, _ in trained} == {cell.id for cell in plan.cells if cell.seed == 2}
    found = ends(tmp_path)
    for config_id in {cell.config_id for cell in plan.cells}:
        assert found[config_id, 1] == found[config_id, 2]


def test_a_seed_that_failed_late_in_a_grid_search_is_missing_from_the_first_rung(tmp_path):
    space, plan = make_plan(tmp_path, adv_lr=(0.01,), seeds=(1, 2))
    with take_results(
        tmp_path / "results", space_yaml=space.to_yaml(), name="standin", task="rte"
    ) as journal:
        log = EpochLog(cell_folder(tmp_path / "results", plan.cells[0].id) / "epochs.jsonl")
        log.append(search_fixtures.record_of(plan.cells[0], 1, 0.9))
        journal.append("started", cell_id=plan.cells[0].id, at="")
        journal.append("failed", cell_id=plan.cells[0].id, state="failed", message="no")
    drive(tmp_path, *make_plan(tmp_path, adv_lr=(0.01,), seeds=(1, 2), search=ASHA), wobbly)
    assert [(entry["seeds"], entry["missing"]) for entry in decisions(tmp_path)] == [([2], [1])] * 2


def test_what_a_grid_search_has_finished_counts_as_having_gone_on(tmp_path):
    space, plan = make_plan(tmp_path, adv_lr=(0.04, 0.01), seeds=(1, 2))
    with take_results(
        tmp_path / "results", space_yaml=space.to_yaml(), name="standin", task="rte"
    ) as journal:
        for cell in plan.cells:
            log = EpochLog(cell_folder(tmp_path / "results", cell.id) / "epochs.jsonl")
            for epoch in range(1, 5):
                score = search_fixtures.score_of(cell, epoch)
                log.append(search_fixtures.record_of(cell, epoch, score))
            journal.append("started", cell_id=cell.id, at="")
            journal.append("finished", cell_id=cell.id, state="done")
    space, plan = make_plan(tmp_path, adv_lr=(0.04, 0.01, 0.02), seeds=(1, 2), search=ASHA)
    drive(tmp_path, space, plan, search_fixtures.score_of)
    said = [(d["config_id"], d["epoch"], d["decision"]) for d in decisions(tmp_path)]
    lr = by_lr(plan)
    old = [(lr[name], epoch, "continue") for name in ("0.04", "0.01") for epoch in (1, 3)]
    assert said == [*old, (lr["0.02"], 1, "stop")]


@pytest.mark.parametrize("slots", [1, 3, 40])
def test_a_clean_arm_goes_on_beside_the_last_configuration_and_is_no_rival(tmp_path, slots):
    def score(cell: Cell, epoch: int) -> float:  # the clean arm is far better, then far worse
        if cell.arm == "clean":
            return 1.0 if epoch == 1 else 0.0
        return search_fixtures.score_of(cell, epoch)

    grid = (0.01, 0.02, 0.03)
    alone, together = tmp_path / "alone", tmp_path / "together"
    drive(alone, *make_plan(alone, adv_lr=grid, seeds=(1, 2), search=ASHA), score, slots=slots)
    space, plan = make_plan(together, adv_lr=grid, seeds=(1, 2), search=ASHA, clean_arm=True)
    drive(together, space, plan, score, slots=slots)

    clean = {cell.config_id for cell in plan.cells if cell.arm == "clean"}
    assert {ends(together)[each, seed] for each in clean for seed in (1, 2)} == {
        (CellState.DONE, 4)
    }
    said = {(d["config_id"], d["epoch"]): d["decision"] for d in decisions(together)}
    others = {key: decision for key, decision in said.items() if key[0] not in clean}
    if slots == 1:  # else the clean arm's place changes who arrives first
        assert others == {(d["config_id"], d["epoch"]): d["decision"] for d in decisions(alone)}
    assert all(said[each, epoch] == "continue" for each in clean for epoch in (1, 3))


def test_a_clean_arm_stops_when_nothing_is_left_that_it_is_compared_with(tmp_path):
    space, plan = make_plan(tmp_path, adv_lr=(0.03,), search=ASHA, clean_arm=True)
    (tried,) = (cell for cell in plan.cells if cell.arm == "adversarial")
    (clean,) = (cell for cell in plan.cells if cell.arm == "clean")
    drive(tmp_path, space, plan, search_fixtures.score_of, fails=((tried.id, 2),))
    assert ends(tmp_path)[clean.config_id, 1] == (CellState.STOPPED, 3)


@pytest.mark.parametrize("cut", range(1, 40, 6))
def test_with_a_clean_arm_a_kill_anywhere_changes_nothing(tmp_path, cut):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    asked = {"adv_lr": GRID[:4], "seeds": (1, 2), "search": ASHA, "clean_arm": True}
    epochs = drive(whole, *make_plan(whole, **asked), wobbly)
    first = drive(killed, *make_plan(killed, **asked), wobbly, kill_after=cut)
    second = drive(killed, *make_plan(killed, **asked), wobbly)
    assert sorted([*first, *second]) == sorted(epochs)
    assert decisions(killed) == decisions(whole)
    assert ends(killed) == ends(whole)


def test_a_search_over_normal_training_alone_is_judged(tmp_path):
    space, plan = make_plan(tmp_path, adv_lr=(0.04, 0.01), search=ASHA, clean_arm=True)
    clean = tuple(cell for cell in plan.cells if cell.arm == "clean")
    drive(tmp_path, space, replace(plan, cells=clean), wobbly)
    assert [entry["decision"] for entry in decisions(tmp_path)] == ["continue"] * 2
