"""What choosing the best does to its number, which setting mattered, and who gets another seed."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from statistics_fixtures import compare

from bench.statistics import __main__ as studies_main
from bench.statistics import batch
from bench.statistics.generator import Truth, correct
from bench.statistics.metrics import search_of
from bench.statistics.racing import informed, race
from freelb_tune.errors import FreeLBTuneError
from freelb_tune.results.statistics.choosing.best_of import best_of, optimism
from freelb_tune.results.statistics.choosing.importance import importances, pair_table
from freelb_tune.results.statistics.choosing.racing import race_decide
from freelb_tune.results.statistics.numbers.spending import share_of

SCORES = st.lists(st.floats(0, 1), min_size=1, max_size=7)


@given(SCORES)
def test_the_curve_is_the_mean_best_of_every_possible_draw(scores):
    for point in best_of(scores):
        draws = [max(draw) for draw in combinations(scores, point.trials)]
        assert point.expected == pytest.approx(np.mean(draws))


def test_a_score_that_counts_down_has_a_falling_curve():
    curve = best_of([0.3, 0.1, 0.2], better="lower")
    assert [point.expected for point in curve] == pytest.approx([0.2, 0.4 / 3, 0.1])


def test_the_curve_counts_device_hours():
    assert [point.hours for point in best_of([0.5, 0.6], hours=[1.0, 3.0])] == [2.0, 4.0]
    assert best_of([]) == []


def test_choosing_among_equals_is_all_optimism():
    # 16 equal configurations, independent answers: the best half-mean of 200 examples is expected
    # 1.77 x sqrt(0.25 / 200) above the truth, and falls back to it on the other half
    rng = np.random.default_rng(0)
    drops = [optimism((rng.random((16, 400)) < 0.5) * 1.0).drop for _ in range(12)]
    assert np.mean(drops) == pytest.approx(1.77 * (0.25 / 200) ** 0.5, rel=0.25)


def test_a_clear_winner_has_no_optimism():
    values = np.stack([np.full(100, 0.9), np.full(100, 0.1)])
    assert optimism(values).drop == pytest.approx(0.0)


def test_optimism_is_the_same_each_time_and_needs_a_choice():
    values = np.random.default_rng(1).random((4, 50))
    assert optimism(values) == optimism(values)
    assert optimism(values[:1]) is None


def test_the_setting_that_makes_the_scores_is_the_important_one():
    rows = [{"lr": lr, "steps": k, "same": 1} for lr in (0.01, 0.1, 1.0) for k in (1, 2, 3)]
    found = importances(rows, [row["lr"] for row in rows])
    assert [one.setting for one in found] == ["lr", "steps"]
    assert found[0].low > 0.6
    assert found[1].share == found[1].low == 0


def test_a_settings_share_by_hand():
    # squares: 10 in all, 1 within the values; adjusted 1 - (1 / 2) / (10 / 3); F 18, p 0.051
    rows = [{"lr": 0.1}, {"lr": 0.1}, {"lr": 1.0}, {"lr": 1.0}]
    (found,) = importances(rows, [1.0, 2.0, 4.0, 5.0])
    assert found.share == pytest.approx(0.85)
    assert found.low == 0
    assert found.high == pytest.approx(np.tanh(np.arctanh(0.9**0.5) + 1.6448536) ** 2)


def test_shares_are_right_on_average_and_their_intervals_hold_the_truth():
    # effects of -1, 0, 1 and of 0, 1 and errors of 1: variances of 2 / 3, 1 / 4 and 1
    rows = [{"a": a, "b": b, "c": c} for a in (-1, 0, 1) for b in (0, 1) for c in range(4)]
    effect = np.array([row["a"] + row["b"] for row in rows])
    truth = {"a": 8 / 23, "b": 3 / 23, "c": 0.0}
    rng = np.random.default_rng(0)
    tries = [importances(rows, effect + rng.standard_normal(24)) for _ in range(300)]
    for name, true in truth.items():
        found = [one for each in tries for one in each if one.setting == name]
        assert np.mean([one.share for one in found]) == pytest.approx(true, abs=0.03)
        assert np.mean([one.low <= true <= one.high for one in found]) > 0.9


def test_settings_without_a_name_for_their_order_can_be_important():
    rows = [{"norm": norm, "ball": ball} for norm in ("l2", "linf") for ball in (None, 0.1, 0.2)]
    found = importances(rows, [0.5 if row["ball"] is None else 0.9 for row in rows])
    assert found[0].setting == "ball"


@pytest.mark.parametrize(
    ("rows", "scores"),
    [
        pytest.param([{"a": 1}, {"a": 2}], [0.1, 0.2], id="too-few"),
        pytest.param([{"a": 1}] * 5, [0.1, 0.2, 0.3, 0.4, 0.5], id="nothing-varies"),
        pytest.param([{"a": at} for at in range(5)], [0.5] * 5, id="equal-scores"),
    ],
)
def test_importance_is_silent_where_nothing_can_be_said(rows, scores):
    assert importances(rows, scores) == []


def methods(*tried):
    """Configurations as settings by name: a method's name, then its own."""
    return [{"adversary.method": name, **own} for name, own in tried]


def test_of_many_methods_with_a_setting_of_their_own_nothing_is_said():
    # as a search of ten methods, one configuration each: rho is what sam and asam alone have
    names = ("freelb", "pgd", "freeat", "tavat", "noise", "fgm", "rdrop", "vat")
    rows = methods(*((name, {"adv_lr": 0.1}) for name in names), ("sam", {"rho": 0.05}),
                   ("asam", {"rho": 0.5}))  # fmt: skip
    assert importances(rows, [0.8] * 7 + [0.79, 0.7, 0.3]) == []


def test_methods_are_judged_each_by_itself_where_each_was_tried_often():
    # in the order of their names freelb and sam are no neighbours of pgd's
    scores = {"freelb": 0.9, "pgd": 0.1, "sam": 0.9, "vat": 0.1}
    rows = methods(*((name, {"adv_lr": lr}) for name in scores for lr in (0.1, 0.2)))
    found = importances(rows, [scores[row["adversary.method"]] for row in rows])
    assert [(one.setting, round(one.share, 2)) for one in found] == [
        ("adversary.method", 1.0),
        ("adv_lr", 0.0),
    ]


def test_a_setting_is_judged_among_the_methods_that_were_tried_with_several_values_of_it():
    # pgd and noise had one value each, and are worse: that is no worth of max_norm's
    freelb = [("freelb", {"max_norm": size}) for size in (None, 0.1) for _ in range(3)]
    rows = methods(*freelb, *[("pgd", {"max_norm": 0.1})] * 2, *[("noise", {"max_norm": None})] * 2)
    found = {one.setting: one for one in importances(
        rows, [0.8, 0.81, 0.82, 0.81, 0.8, 0.82, 0.5, 0.5, 0.2, 0.2])}  # fmt: skip
    assert (found["max_norm"].count, found["max_norm"].share) == (6, 0)
    assert found["adversary.method"].share > 0.95


def test_settings_that_go_together_have_one_share():
    rows = [{"init_mag": a, "max_norm": a, "steps": k} for a in (0.1, 0.2, 0.3) for k in (1, 2)]
    found = importances(rows, [row["init_mag"] + row["steps"] / 100 for row in rows])
    assert [(one.setting, one.tied) for one in found] == [
        ("init_mag", ("max_norm",)),
        ("steps", ()),
    ]


def test_a_pair_table_is_over_the_configurations_that_have_both():
    table = pair_table([{"a": 1, "b": 2}, {"a": 1}, {"b": 3}], [0.2, 0.4, 0.6], "a", "b")
    assert (table.rows, table.columns, table.means) == ((1,), (2,), ((0.2,),))


def test_a_pair_table_has_means_and_counts():
    rows = [{"a": 1, "b": None}, {"a": 1, "b": None}, {"a": 2, "b": 0.5}]
    table = pair_table(rows, [0.2, 0.4, 0.9], "a", "b")
    assert (table.rows, table.columns) == ((1, 2), (None, 0.5))
    assert table.means[0] == (pytest.approx(0.3), None)
    assert table.counts == ((2, 0), (0, 1))


def test_a_race_begins_with_two_seeds_for_all():
    decision = race_decide({"a": [], "b": [0.5]}, seeds=4)
    assert decision.run == (("a", 0), ("a", 1), ("b", 1))
    assert not decision.is_over


def test_a_race_drops_what_is_clearly_worse():
    scores = {"a": [0.80, 0.82], "b": [0.79, 0.83], "bad": [0.20, 0.22], "worse": [0.10, 0.12]}
    decision = race_decide(scores, seeds=5)
    assert decision.contenders == ("a", "b")
    assert decision.out_by_test == {"bad": 2, "worse": 2}
    assert decision.run == (("a", 2), ("b", 2))


def test_more_looks_and_more_rivals_need_a_larger_gap():
    # differences of 0.065 and 0.055: t = 0.06 / 0.005 = 12 with 1 degree of freedom, one-sided p
    # 0.026: out at 0.05 with one look, in at 0.05 / 7 with seven
    scores = {"a": [0.80, 0.81], "b": [0.735, 0.755]}
    assert race_decide(scores, seeds=2).out_by_test == {"b": 2}
    assert race_decide(scores, seeds=8).out_by_test == {}


def test_a_race_ends_with_one_contender():
    scores = {"a": [0.80, 0.82], "b": [0.50, 0.53], "c": [0.51, 0.52]}
    decision = race_decide(scores, seeds=5)
    assert decision.is_over
    assert decision.contenders == ("a",)
    assert decision.reason == "a is ahead of all others"


def test_a_race_keeps_to_its_budget_and_says_who_went_for_it():
    rng = np.random.default_rng(0)
    table = 0.8 + 0.02 * rng.standard_normal((16, 5))
    _, spent, _ = race(table, 48)
    assert 32 <= spent <= 48
    decision = race_decide({str(at): list(row[:2]) for at, row in enumerate(table)}, 5, 48)
    assert decision.out_by_budget
    assert set(decision.out_by_budget.values()) == {2}


def test_a_configuration_with_a_failed_seed_cannot_win_a_race():
    decision = race_decide({"a": [0.99, None], "b": [0.5, 0.51]}, seeds=2)
    assert (decision.contenders, decision.failed) == (("b",), ("a",))
    assert race_decide({"a": [None]}, seeds=2).reason == "every configuration failed"


@settings(max_examples=40)
@given(st.integers(0, 10**6), st.integers(2, 8), st.integers(2, 5))
def test_a_race_decides_the_same_whatever_the_order_or_a_constant(seed, count, seeds):
    table = np.random.default_rng(seed).random((count, 2))
    scores = {str(at): list(row) for at, row in enumerate(table)}
    shifted = {name: [each + 0.25 for each in scores[name]] for name in reversed(scores)}
    first, second = race_decide(scores, seeds), race_decide(shifted, seeds)
    assert first.contenders == second.contenders
    assert set(first.run) == set(second.run)


@pytest.mark.parametrize(
    ("scores", "seeds", "budget", "match"),
    [
        pytest.param({"a": []}, 1, None, "needs 2 seeds or more, got 1", id="seeds"),
        pytest.param({"a": [], "b": []}, 3, 3, "needs 4 cells", id="budget"),
        pytest.param({"a": [0.1, 0.2, 0.3]}, 2, None, "a has 3 scores", id="scores"),
    ],
)
def test_a_race_that_cannot_be_is_refused(scores, seeds, budget, match):
    with pytest.raises(FreeLBTuneError, match=match):
        race_decide(scores, seeds, budget)


@pytest.mark.parametrize("seeds", [2, 4])
def test_the_studies_test_exactly_as_the_package_does(seeds):
    rng = np.random.default_rng(seeds)
    right = correct(Truth(90, seeds, 3, 0.02), 5, rng)
    found = batch.estimated(right.mean(axis=3, dtype=float), 1 / (12 * 90**2))
    reach = batch.reach_with_examples(found, right)
    for at, one_search in enumerate(right):
        made = compare(search_of(one_search, np.arange(90) % 3 % 2), "accuracy")
        for field, theirs in (("difference", found.difference), ("p", found.p)):
            expected = [getattr(one, field) for one in made]
            np.testing.assert_allclose(theirs[at], expected, rtol=1e-4, atol=1e-7)
        # the studies spend the whole level on one look, the package a first look's share
        whole = np.minimum(found.adjusted[at] / share_of(1), 1.0)
        np.testing.assert_allclose(whole, [one.p_adjusted for one in made], rtol=1e-4)
        wider = [one.other_examples.high - one.difference for one in made]
        np.testing.assert_allclose(reach[at], wider, rtol=1e-4)


def test_the_generator_makes_what_it_says():
    truth = Truth(2000, 2, 1, 0.0, effects=(0.05,))
    right = correct(truth, 40, np.random.default_rng(0))
    clean, other = right[:, 0], right[:, 1]
    # 160,000 answers each, in 40 dev sets: accuracy within 0.5 points
    assert clean.mean() == pytest.approx(0.80, abs=0.006)
    assert (other - clean).mean() == pytest.approx(0.05, abs=0.004)
    assert (clean[:, 0] != clean[:, 1]).mean() == pytest.approx(0.15, abs=0.005)


def test_a_player_who_runs_every_cell_is_the_full_grid():
    # 8 configurations, 5 seeds, one better by 1.5 deviations of a score: mean gaps of 1.5 against
    # deviations of 1 / sqrt(5); by quadrature over the best one's mean
    grid = np.linspace(-8, 8, 4001)
    from scipy.stats import norm

    means = norm.pdf(grid, 1.5, 5**-0.5) * norm.cdf(grid, 0, 5**-0.5) ** 7
    found = informed(20_000, 8, 5, 40, np.random.default_rng(0))
    assert found == pytest.approx(means.sum() * (grid[1] - grid[0]), abs=0.005)
    assert informed(2000, 8, 5, 24, np.random.default_rng(0)) < found


def test_a_study_stands_in_its_file_as_it_is_printed(tmp_path, monkeypatch, capsys):
    asked = ["studies", "--quick", "--only", "racing", "--into", str(tmp_path / "tables")]
    monkeypatch.setattr("sys.argv", asked)
    studies_main.main()
    printed = capsys.readouterr().out
    assert (tmp_path / "tables" / "racing.md").read_text() == printed
    assert printed.count("\n| ") == 2 + 14
    assert "racing took" in printed


@given(st.lists(st.floats(0.0, 1.0), min_size=2, max_size=8))
@example([0.9084407144036386] * 3)  # their mean is rounded to another number
@example([0.5, 0.5000000000000001])
def test_a_setting_whose_values_score_the_same_explains_nothing(scores):
    found = importances([{"x": value} for value in (0, 1) for _ in scores], [*scores, *scores])
    assert all(one.share == 0.0 and one.low == 0.0 for one in found)
