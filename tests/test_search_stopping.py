"""Hyperband's brackets and median stopping: what each judges, and by what."""

import random
from collections import Counter
from statistics import mean

import pytest
from search_drive import decisions, drive, ends
from search_fixtures import make_plan

from freelb_tune.search.algorithms.frame.rungs import Rungs
from freelb_tune.search.algorithms.hyperband import Brackets
from freelb_tune.search.algorithms.median import Medians
from freelb_tune.space import Cell
from freelb_tune.store import CellState

GRID = tuple(round(0.01 * (1 + place), 2) for place in range(12))


def test_brackets_begin_one_rung_later_each_and_get_hyperbands_shares():
    # R 9, eta 3: Hyperband's Algorithm 1 gives 9, 5 and 3 configurations to s = 2, 1 and 0.
    brackets = Brackets(1, 3, 9, 1.0, draw_seed=0)
    assert list(brackets.epochs) == [1, 3]
    found = Counter(tuple(brackets.of(str(number)).epochs) for number in range(3400))
    assert set(found) == {(1, 3), (3,), ()}
    for epochs, share in {(1, 3): 9 / 17, (3,): 5 / 17, (): 3 / 17}.items():
        sd = (3400 * share * (1 - share)) ** 0.5
        assert abs(found[epochs] - 3400 * share) < 4 * sd


def test_a_bracket_compares_its_own_configurations_alone():
    brackets = Brackets(1, 3, 9, 1.0, draw_seed=0)
    inside = [str(n) for n in range(99) if len(brackets.of(str(n)).epochs) == 2]
    later = [str(n) for n in range(99) if len(brackets.of(str(n)).epochs) == 1]
    alone, chance = Rungs(1, 3, 9, 1.0), random.Random(3)
    for name, other in zip(inside, later, strict=False):
        brackets.enter(other, 3, 99.0, is_complete=True)  # no rival of those in the first
        for epoch in (1, 3):
            score = chance.random()
            said = brackets.judge(name, epoch, score, is_complete=True)
            assert said == alone.judge(name, epoch, score, is_complete=True)
            brackets.enter(name, epoch, score, is_complete=True)
            alone.enter(name, epoch, score, is_complete=True)


@pytest.mark.parametrize("slots", [1, 5])
def test_hyperband_ends_each_configuration_at_a_rung_of_its_bracket(tmp_path, slots):
    search = "{algorithm: hyperband, reduction_factor: 2}"
    space, plan = make_plan(tmp_path, adv_lr=GRID, seeds=(1, 2), search=search, clean_arm=True)

    def falling(cell: Cell, epoch: int) -> float:  # each is worse than all before it
        return -float(str(cell.settings.get("adversary.adv_lr", 0.0)))

    drive(tmp_path, space, plan, falling, slots=slots)
    brackets, found = Brackets(1, 2, 4, 1.0, draw_seed=0), ends(tmp_path)
    first: set[tuple[int, ...]] = set()
    for cell in plan.cells:
        if cell.arm == "clean":
            assert found[cell.config_id, cell.seed] == (CellState.DONE, 4)
            continue
        rungs = tuple(brackets.of(cell.config_id).epochs)
        if slots == 1 and cell.seed == 1:
            stops = rungs and rungs in first
            first.add(rungs)
            want = (CellState.STOPPED, rungs[0]) if stops else (CellState.DONE, 4)
            assert found[cell.config_id, 1] == want
        assert found[cell.config_id, 1] == found[cell.config_id, 2]
    assert len(first) == 3 or slots != 1


# Golovin et al.: the best so far against the median of the others' running averages.
# After epoch 2 the others' averages are 0.5, 0.6 and 0.4 (sign 1): their median is 0.5.
OTHERS = {"a": (0.4, 0.6), "b": (0.7, 0.5), "c": (0.2, 0.6)}


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        pytest.param(0.1, 0.51, "continue", id="better"),
        pytest.param(0.1, 0.5, "continue", id="as-good"),
        pytest.param(0.1, 0.49, "stop", id="worse"),
        pytest.param(0.55, 0.1, "continue", id="it-was-better-once"),
    ],
)
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_the_best_so_far_is_compared_with_the_median_of_running_averages(first, second, said, sign):
    medians = Medians([1, 2], 3, sign)
    for name, scores in OTHERS.items():
        for epoch, score in enumerate(scores, start=1):
            medians.enter(name, epoch, sign * score, is_complete=True)
    medians.enter("own", 1, sign * first, is_complete=True)
    assert medians.judge("own", 2, sign * second, is_complete=True) == said


def test_nothing_ends_before_enough_others_were_there_and_the_incomplete_do_not_count():
    medians = Medians([1], 2, 1.0)
    medians.enter("a", 1, 0.9, is_complete=True)
    medians.enter("b", 1, 0.9, is_complete=False)
    assert medians.judge("own", 1, 0.1, is_complete=True) == "continue"
    medians.enter("c", 1, 0.9, is_complete=True)
    assert medians.judge("own", 1, 0.1, is_complete=True) == "stop"
    assert medians.judge("own", 1, 0.99, is_complete=False) == "stop"


def test_median_stopping_goes_by_the_mean_over_seeds(tmp_path):
    search = "{algorithm: median, grace_epochs: 2, least_others: 2}"
    scores = {0.01: (0.6, 0.6), 0.02: (0.5, 0.7), 0.03: (0.2, 0.9), 0.04: (0.1, 1.0)}
    space, plan = make_plan(tmp_path, adv_lr=tuple(scores), seeds=(1, 2), search=search)

    def score(cell: Cell, epoch: int) -> float:
        return scores[float(str(cell.settings["adversary.adv_lr"]))][cell.seed - 1]

    drive(tmp_path, space, plan, score, slots=8)
    said = {(d["config_id"], d["epoch"]): d for d in decisions(tmp_path)}
    assert {epoch for _, epoch in said} == {2, 3}  # the last epoch ends by itself
    for cell in plan.cells:
        values = scores[float(str(cell.settings["adversary.adv_lr"]))]
        entry = said[cell.config_id, 2]
        assert entry["score"] == pytest.approx(mean(values))
        assert entry["decision"] == ("stop" if mean(values) < 0.56 else "continue")
