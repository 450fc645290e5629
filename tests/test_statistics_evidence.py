"""What a spread over seeds is estimated from, and what intervals make of it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statistics_fixtures import searched

from bench.statistics import __main__ as studies_main
from bench.statistics import batch
from bench.statistics.generator import Truth
from bench.statistics.racing import informed
from bench.statistics.studies import drawn, total
from freelb_tune.results.statistics.anova import Evidence
from freelb_tune.results.statistics.contrast import compare
from freelb_tune.results.statistics.prior import TEST_DISPERSION

SEEDS = st.integers(0, 10**6)


def flips(seed, arms=3, seeds=3, examples=80):
    return (np.random.default_rng(seed).random((arms, seeds, examples)) < 0.7).astype(int)


def width(table, at=0):
    one = compare(searched(table), "accuracy")[at]
    return one.high - one.low


def unstable(table, arm):
    """The same answers with one arm's seeds far apart."""
    table = table.copy()
    table[arm, 0], table[arm, 1] = 0, 1
    return table


def test_without_other_evidence_the_prior_is_half_as_strong_as_its_degrees_of_freedom():
    # one difference, two seeds: 1 for it, 1 for the pair's sum, 1 / (1/4 + 1/4) = 2 for the search
    evidence = Evidence(1.0, 0.0)
    assert evidence.total == pytest.approx(4.0)
    assert evidence.dispersion(2.0, 3.0, 0.0) == pytest.approx((2.0 + 3.0 + 2 * 1.75) / 4)
    # the prior is a constant: 4^2 / (1 + 1)
    assert evidence.freedom == pytest.approx(8.0)


def test_what_others_show_takes_the_priors_place_and_no_more():
    evidence = Evidence(1.0, 1e9)
    assert evidence.search == pytest.approx(4.0)
    assert evidence.dispersion(1.0, 1.0, 3.0) == pytest.approx((1 + 1 + 4 * 3) / 6)
    assert evidence.dispersion(1.0, 1.0, 0.2) == pytest.approx(1.0)  # never below flips alone


def test_a_run_that_collapsed_elsewhere_does_not_hide_a_difference():
    # as 6, three times the upper end, and not as 50
    evidence = Evidence(4.0, 28.0)
    whole = evidence.own * 1.5 + (evidence.pair + evidence.search * 28 / 32) * 6
    known = whole + evidence.search * 4 / 32 * TEST_DISPERSION
    assert evidence.dispersion(1.5, 50.0, 50.0) == pytest.approx(known / evidence.total)
    assert evidence.dispersion(50.0, 1.5, 1.5) > 15  # one of its own runs does


def test_many_seeds_of_its_own_count_alone():
    evidence = Evidence(4000.0, 0.0)
    assert evidence.dispersion(1.2, 5.0, 0.0) == pytest.approx(1.2, rel=0.01)
    assert evidence.freedom == pytest.approx(4000.0, rel=0.01)


@given(st.integers(1, 60), st.integers(0, 400))
def test_evidence_never_weighs_a_wrong_guess_more_than_its_limits(own, others):
    evidence = Evidence(float(own), float(others))
    assert evidence.pair <= 4
    assert 2 <= evidence.search <= 4
    assert own <= evidence.freedom
    at_prior = evidence.dispersion(TEST_DISPERSION, TEST_DISPERSION, TEST_DISPERSION)
    assert at_prior == pytest.approx(TEST_DISPERSION)


def test_another_configuration_that_is_unstable_widens_an_interval():
    table = flips(0)
    assert width(unstable(table, arm=2)) > 1.1 * width(table)


def test_two_arms_that_move_together_widen_an_interval_too():
    # both arms bad with one seed and good with the next: their difference shows nothing of it
    table = flips(1, arms=2)
    moved = unstable(unstable(table, arm=0), arm=1)
    difference = moved[1] - moved[0]
    assert not difference[:2].any()
    calm = moved.copy()
    calm[:, :2] = np.random.default_rng(2).permuted(table[:1, :2], axis=2)  # the same differences
    assert width(moved) > 1.1 * width(calm)


@settings(max_examples=30, deadline=None)
@given(SEEDS)
def test_another_configuration_counts_by_its_own_spread_alone(seed):
    table = flips(seed)
    other = table.copy()
    other[2] = other[2][:, np.random.default_rng(seed).permutation(table.shape[2])]
    assert width(other) == pytest.approx(width(table))


def covered(found, right):
    inside = (found.low[:, 0] <= 0) & (found.high[:, 0] >= 0)
    called = (found.adjusted <= 0.05).any(axis=1)
    return np.array([inside.sum(), called.sum()], dtype=float)


@pytest.mark.parametrize(("seeds", "grid"), [(2, 1), (3, 4), (5, 8)])
def test_intervals_hold_what_they_say_over_the_measured_range(seeds, grid):
    held, called = total(Truth(71, seeds, grid), 1000, np.random.default_rng(seeds), covered, None)
    # 1,000 searches: two standard errors are 1.4 points
    assert 0.93 - 0.014 <= held / 1000 <= 0.97 + 0.014
    assert called / 1000 <= 0.05 + 0.014


@pytest.mark.parametrize(("seeds", "grid"), [(2, 1), (5, 1), (3, 8)])
def test_false_alarms_stay_rare_at_the_upper_end_of_the_range(seeds, grid):
    held, called = total(Truth(71, seeds, grid), 1000, np.random.default_rng(9), covered, 2.0)
    assert held / 1000 >= 0.95 - 0.02
    assert called / 1000 <= 0.05 + 0.014


def test_a_drawn_dispersion_is_of_the_range_and_never_below_flips():
    spreads = drawn(4000, np.random.default_rng(0))
    assert spreads.min() == 1.0
    assert spreads.max() == pytest.approx(2.1, abs=0.01)
    assert spreads.mean() == pytest.approx(1.504, abs=0.02)


def test_searches_of_one_study_differ_in_dispersion_if_it_is_drawn():
    found = []
    total(
        Truth(300, 80, 1),
        200,
        np.random.default_rng(0),
        lambda _, right: found.append(right[:, 0].mean(axis=2).var(axis=1)) or np.zeros(1),
        None,
    )
    variances = np.concatenate(found)
    # 80 seeds measure a variance to sqrt(2 / 79) = 0.16; dispersions of 1 to 2.1 add 0.23 to that
    assert variances.std() / variances.mean() == pytest.approx((0.16**2 + 0.23**2) ** 0.5, abs=0.05)


def test_one_seed_has_nothing_to_estimate_a_spread_from():
    right = flips(3, arms=2, seeds=1)[None].astype(np.float32)
    assert batch.tested(right).freedom[0, 0] == 1e6


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
