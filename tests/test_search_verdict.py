"""Seeds in rounds until a question is answered: when it ends, what it says, what it refuses."""

import random

import pytest
from search_drive import decisions, drive
from search_fixtures import make_plan

from freelb_tune.errors import FreeLBTuneError
from freelb_tune.results.analysis import analyse
from freelb_tune.results.outputs import write_outputs
from freelb_tune.search import run_search
from freelb_tune.store import CellState, Journal, load_store, new_look

SEARCH = "{algorithm: verdict, margin: 2.0}"
SEEDS = tuple(range(1, 13))


def planned(base, search=SEARCH, **changed):
    """A clean arm and three settings; `adv_lr` is what each gains."""
    plan = {"adv_lr": (0.001, 0.002, 0.003), "seeds": SEEDS, "clean_arm": True, **changed}
    return make_plan(base, search=search, **plan)


def scored(wobble):
    """Scores that move so much with the seed, and by `adv_lr` with the configuration."""

    def score(cell, epoch):
        lr = float(str(cell.settings.get("adversary.adv_lr", 0.0)))
        chance = random.Random(f"{lr} {cell.seed}").gauss(0, wobble)
        return round(0.7 + lr + chance, 6)

    return score


def told(base):
    return analyse(load_store(base / "results")).verdict


def states(base, arm="adversarial"):
    return [r.state for r in load_store(base / "results").cells if r.cell.arm == arm]


def test_it_ends_when_a_configuration_is_better_and_says_by_how_much(tmp_path):
    drive(tmp_path, *planned(tmp_path, adv_lr=(0.05, 0.001, 0.002)), scored(0.004))
    last = decisions(tmp_path)[-1]
    assert (last["ended"], last["over"]) == ("better", True)
    assert sum(state is CellState.DONE for state in states(tmp_path)) < 3 * 5  # of 36
    said = told(tmp_path)
    assert said.sentence.startswith("adv_lr 0.05 is better than the clean arm, +")
    (best,) = [one for one in said.comparisons if one.better]
    assert said.better == {best.config_id}
    assert said.margin == pytest.approx(0.02)


def test_it_ends_when_none_gains_the_margin(tmp_path):
    drive(tmp_path, *planned(tmp_path), scored(0.004))
    assert decisions(tmp_path)[-1]["ended"] == "none"
    assert set(states(tmp_path)) == {CellState.DONE, CellState.DROPPED}
    assert set(states(tmp_path, "clean")) == {CellState.DONE, CellState.SPARED}
    said = told(tmp_path)
    assert said.sentence.startswith("No setting is better than the clean arm by 2.0 points or more")
    write_outputs(tmp_path / "results", lambda *_: said)
    text = (tmp_path / "results" / "table.md").read_text()
    assert "12 seeds not run: known not to gain the margin" in text
    assert "race" not in text


def test_nothing_of_a_fixed_plan_is_said_of_seeds_that_were_added(tmp_path):
    drive(tmp_path, *planned(tmp_path), scored(0.004))
    for one in told(tmp_path).comparisons:
        assert one.difference is not None
        assert (one.low, one.p, one.p_adjusted, one.gain_below) == (None,) * 4
    assert "wrong with at most 4 % chance, whatever ended the search" in " ".join(
        told(tmp_path).footnotes
    )


def test_a_budget_is_kept_and_what_is_open_is_said_with_what_it_would_take(tmp_path):
    budget = "{algorithm: verdict, margin: 2.0, budget: 14}"
    drive(tmp_path, *planned(tmp_path, budget), scored(0.03))
    done = [*states(tmp_path), *states(tmp_path, "clean")]
    assert sum(state is CellState.DONE for state in done) == 12  # a further round has 4
    sentence = told(tmp_path).sentence
    assert sentence.startswith("Open: the budget is spent, and a gain by 2.0 points or more is")
    assert "To tell takes about" in sentence


def test_more_budget_goes_on_with_the_same_question_and_is_no_new_look(tmp_path):
    drive(
        tmp_path, *planned(tmp_path, "{algorithm: verdict, margin: 2.0, budget: 8}"), scored(0.02)
    )
    results = tmp_path / "results"
    look = new_look(load_store(results))
    with Journal(results) as journal:
        journal.append("looked", at="", **look)
    first = decisions(tmp_path)[-1]["answers"]
    drive(tmp_path, *planned(tmp_path), scored(0.02))
    assert new_look(load_store(results)) is None
    again = [entry for entry in decisions(tmp_path) if entry["round"] == 2]
    assert again[1]["answers"] == first  # the first round's answer stands
    assert decisions(tmp_path)[-1]["ended"] in ("none", "better", "seeds")


def look_at(base):
    """What a search does at its end; gives the look's number."""
    look = new_look(load_store(base / "results"))
    if look is not None:
        with Journal(base / "results") as journal:
            journal.append("looked", at="", **look)
    return look and look["look"]


@pytest.mark.parametrize(
    "changed",
    [
        {"adv_lr": (0.0011, 0.0021, 0.0031)},
        {"adv_lr": (0.003,)},
        {"seeds": (1, 2, *range(13, 23))},
        {"seeds": range(13, 25)},
    ],
    ids=["other values", "fewer values", "other seeds to come", "other seeds"],
)
def test_another_question_is_another_look_with_less_of_the_chance(tmp_path, changed):
    drive(tmp_path, *planned(tmp_path), scored(0.02))
    assert (look_at(tmp_path), look_at(tmp_path)) == (1, None)
    drive(tmp_path, *planned(tmp_path, **changed), scored(0.02))
    assert (look_at(tmp_path), look_at(tmp_path)) == (2, None)
    assert "at most 0.5 % chance, whatever ended" in " ".join(told(tmp_path).footnotes)
    drive(tmp_path, *planned(tmp_path), scored(0.02))
    assert look_at(tmp_path) is None
    assert "at most 4 % chance, whatever ended" in " ".join(told(tmp_path).footnotes)


def test_after_a_fixed_plans_look_it_has_less_of_the_chance(tmp_path):
    drive(tmp_path, *planned(tmp_path, "{algorithm: grid}", seeds=(1, 2)), scored(0.004))
    with Journal(tmp_path / "results") as journal:
        journal.append("looked", at="", **new_look(load_store(tmp_path / "results")))
    drive(tmp_path, *planned(tmp_path), scored(0.004))
    assert "at most 0.5 % chance, whatever ended" in " ".join(told(tmp_path).footnotes)


def test_a_failed_seed_leaves_its_configuration_out(tmp_path):
    space, plan = planned(tmp_path)
    struck = next(cell for cell in plan.cells if cell.settings.get("adversary.adv_lr") == 0.003)
    drive(tmp_path, space, plan, scored(0.004), fails=((struck.id, 1),))
    assert decisions(tmp_path)[-1]["answers"][struck.config_id] == "failed"
    assert told(tmp_path).sentence.endswith("1 of 3 had a failed seed and is left out.")


def test_constant_scores_vary_by_their_rounding_at_least(tmp_path):
    # RTE's 277 dev examples: a deviation of 1 / 277 / sqrt(12), a tenth of a point
    drive(tmp_path, *planned(tmp_path, seeds=(1, 2, 3)), lambda cell, epoch: 0.5)
    assert decisions(tmp_path)[-1]["ended"] == "none"
    small = tmp_path / "small"
    drive(small, *planned(small, SEARCH.replace("2.0", "0.1")), lambda cell, epoch: 0.5)
    assert decisions(small)[0]["ended"] == ""


@pytest.mark.parametrize(
    ("search", "changed", "match"),
    [
        pytest.param(
            "{algorithm: verdict, budget: 7}",
            {},
            "4 arms.*need 8 cells, 2 seeds each, and the bud",
            id="budget",
        ),
        pytest.param(SEARCH, {"seeds": (1,)}, "verdict needs 2 seeds or more, got 1", id="seed"),
        pytest.param(SEARCH, {"clean_arm": False}, "and there is none; take clean_arm", id="clean"),
    ],
)
def test_what_cannot_be_answered_is_refused_before_anything_begins(
    tmp_path, search, changed, match
):
    space, plan = planned(tmp_path, search, **changed)
    with pytest.raises(FreeLBTuneError, match=match):
        run_search(space, plan, tmp_path / "results")
    assert not (tmp_path / "results").exists()
