"""What is luck over seeds: the two-way layout, arms set apart, and other examples."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.api import OLS

from bench.statistics.batch import estimated, reach_with_examples
from bench.statistics.draws import CONDITIONS, scores
from freelb_tune.results.statistics.numbers.anova import (
    differences,
    pooled_spread,
    reach_over_examples,
)

TABLES = st.builds(
    lambda seed, arms, seeds: np.random.default_rng(seed).standard_normal((arms, seeds)),
    st.integers(0, 10**6),
    st.integers(2, 6),
    st.integers(2, 6),
)


def numbers(estimates):
    return [(one.mean, one.error, one.freedom) for one in estimates]


def least_squares(table):
    """Residual sum of squares and degrees of freedom of arms and seeds, by statsmodels."""
    arms, seeds = np.nonzero(~np.isnan(table))
    design = np.hstack([np.eye(table.shape[0])[arms], np.eye(table.shape[1])[seeds]])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a column too many, as in every layout of this kind
        fit = OLS(table[arms, seeds], design).fit()
        return fit.ssr, fit.df_resid


@settings(max_examples=40)
@given(TABLES, st.integers(0, 10**6))
def test_the_residual_is_that_of_least_squares_with_and_without_missing_seeds(table, seed):
    table = table.copy()
    table[np.random.default_rng(seed).random(table.shape) < 0.25] = np.nan
    there = ~np.isnan(table)
    table = table[there.any(axis=1)][:, there.any(axis=0)]
    spread, freedom = pooled_spread([table])
    squares, expected = least_squares(table)
    assert freedom == expected
    assert spread**2 * freedom == pytest.approx(squares if expected else 0.0, abs=1e-9)


def test_one_configuration_is_the_paired_t_test():
    table = np.random.default_rng(0).standard_normal((2, 5))
    (one,) = differences([table])[0]
    expected = stats.ttest_rel(table[1], table[0])
    assert one.p == pytest.approx(expected.pvalue)
    assert one.interval() == pytest.approx(tuple(expected.confidence_interval()))
    one_sided = stats.ttest_rel(table[1], table[0] + 0.3, alternative="less")
    assert one.p_below(0.3) == pytest.approx(one_sided.pvalue)
    assert one.p_above(0.3) == pytest.approx(1 - one_sided.pvalue)


def test_steady_arms_share_one_residual():
    # by hand: 3 arms x 2 seeds; seeds' differences 2, 4, 3 have mean 3, so residuals are
    # -/+ half of -1, 1, 0: their squares sum to 4 x 0.25 = 1 on (3 - 1)(2 - 1) = 2 degrees
    table = np.array([[0.0, 2.0], [0.0, 4.0], [1.0, 4.0]])
    first, second = differences([table])[0]
    assert numbers([first]) == [(1.0, pytest.approx((2 * 0.5 / 2) ** 0.5), 2.0)]
    assert (second.mean, second.error) == (1.5, first.error)


@settings(max_examples=40)
@given(TABLES, st.integers(0, 10**6))
def test_what_a_seed_gives_to_all_arms_changes_nothing(table, seed):
    luck = 10 * np.random.default_rng(seed).standard_normal(table.shape[1])
    before, after = differences([table])[0], differences([table + luck])[0]
    np.testing.assert_allclose(numbers(before), numbers(after), rtol=1e-6)


@settings(max_examples=40)
@given(TABLES, st.floats(0.01, 100), st.randoms(use_true_random=False))
def test_units_and_order_change_nothing(table, factor, random):
    before = differences([table])[0]
    order = list(range(1, len(table)))
    random.shuffle(order)
    mixed = differences([factor * table[[0, *order]][:, ::-1]])[0]
    for at, one in zip(order, mixed, strict=True):
        assert one.mean == pytest.approx(factor * before[at - 1].mean)
        assert one.error == pytest.approx(factor * before[at - 1].error)
        assert one.freedom == pytest.approx(before[at - 1].freedom)


def test_two_clean_arms_pool_their_residuals():
    rng = np.random.default_rng(3)
    first, second = rng.standard_normal((3, 4)), rng.standard_normal((2, 5))
    spread, freedom = pooled_spread([first, second])
    parts = [least_squares(first), least_squares(second)]
    assert freedom == sum(part[1] for part in parts) == 6 + 4
    assert spread**2 == pytest.approx(sum(part[0] for part in parts) / 10)
    assert [len(row) for row in differences([first, second])] == [2, 1]


def test_a_family_beyond_doubt_unsteadier_is_a_search_of_its_own_and_any_other_is_pooled():
    rng = np.random.default_rng(5)
    steady = [rng.standard_normal((2, 4)) for _ in range(3)]
    wild = 40 * rng.standard_normal((2, 4))
    *kept, alone = differences([*steady, wild])
    assert numbers([row[0] for row in kept]) == numbers([row[0] for row in differences(steady)])
    assert alone[0].error == pytest.approx(stats.sem(wild[1] - wild[0]))
    assert alone[0].freedom == 3.0
    mild = differences([*steady, 1.5 * wild / 40])
    assert mild[0][0].error != kept[0][0].error


def test_an_arm_that_is_unsteadier_is_set_apart_and_leaves_the_others_alone():
    rng = np.random.default_rng(4)
    table = rng.standard_normal((6, 8))
    wild = table.copy()
    wild[1] *= 12
    before, after = differences([table])[0], differences([wild])[0]
    own = stats.sem(wild[1] - wild[0])
    assert after[0].error == pytest.approx(own, rel=0.1)
    assert after[0].freedom < 10 < before[0].freedom
    assert {one.freedom for one in after[1:]} == {35.0}


def test_an_unsteady_clean_arm_widens_every_difference():
    rng = np.random.default_rng(5)
    table = rng.standard_normal((6, 8))
    table[0] *= 12
    found = differences([table])[0]
    assert all(one.freedom < 10 for one in found)
    for row, one in zip(table[1:], found, strict=True):
        assert one.error == pytest.approx(stats.sem(row - table[0]), rel=0.1)


def test_two_unsteady_arms_are_compared_by_their_own_differences():
    rng = np.random.default_rng(6)
    table = rng.standard_normal((6, 20))
    table[0] *= 12
    table[1] *= 12
    one = differences([table])[0][0]
    assert numbers([one])[0] == pytest.approx(
        ((table[1] - table[0]).mean(), stats.sem(table[1] - table[0]), 19.0)
    )


def test_two_seeds_take_a_multiple_of_the_rest_for_an_arm_set_apart():
    # 8 configurations whose seeds differ by 1 or -1, and a clean arm whose differ by 3. Against the
    # mean of the others (0) that is 3^2 / 2 = 4.5, of one score 4.5 x 8 / 9 = 4, on one degree of
    # freedom; the rest is 8 x 1/2 on 7: 4 / 7. Five times that and once again, 6 x 4 / 7, is
    # taken for it: it reaches less far than 4 x 9 / 8 + 4 / 7 x 7 / 8 = 5 with one degree
    steps = np.array([3.0, 1, -1, 1, -1, 1, -1, 1, -1])
    table = np.stack([-steps / 2, steps / 2], axis=1)
    found = differences([table])[0]
    for one in found:
        assert one.freedom == pytest.approx(1.24, abs=0.05)
        assert one.error**2 * 2 == pytest.approx(5.0)
    steps[0] = 2.0
    table = np.stack([-steps / 2, steps / 2], axis=1)
    for one in differences([table])[0]:
        assert one.freedom == 7.0
        assert one.error**2 * 2 == pytest.approx(6 * 4 / 7)


def test_a_rounded_score_is_never_without_error():
    table = np.array([[0.70, 0.70], [0.72, 0.72]])
    assert differences([table])[0] == [None]
    (one,) = differences([table], least=1 / (12 * 100**2))[0]
    assert one.error == pytest.approx((2 / 12) ** 0.5 / 100 / 2**0.5)
    assert one.p > 0.05


def test_one_common_seed_gives_no_estimate():
    nan = np.nan
    table = np.array([[1.0, 2.0, 3.0], [1.0, nan, nan], [2.0, 1.0, 5.0]])
    alone, other = differences([table])[0]
    assert alone is None
    assert other.freedom == 2.0
    assert differences([np.ones((2, 1))]) == [[None]]


def test_studies_test_as_the_package_does():
    rng = np.random.default_rng(7)
    for arms, seeds in ((2, 2), (3, 3), (9, 2), (9, 5)):
        drawn = rng.standard_normal((60, arms, seeds)) * rng.choice([1, 1, 3], (60, arms, 1))
        found = estimated(drawn, 0.0)
        for at, table in enumerate(drawn):
            mine = np.array(numbers(differences([table])[0]))
            theirs = np.stack([found.difference[at], found.error[at], found.freedom[at]], axis=1)
            np.testing.assert_allclose(mine, theirs, rtol=1e-9)


def test_other_examples_reach_by_the_variance_over_them():
    # four seeds that agree on every example: the mean differs over examples by 1, 0, -1, 0, and
    # single runs flip nothing, so all of var([1, 0, -1, 0]) / 4 = 1/6 counts, on 3 degrees
    table = np.tile([1.0, 0.0, -1.0, 0.0], (4, 1))
    assert reach_over_examples(table) == pytest.approx(stats.t.ppf(0.975, 3) * (1 / 6) ** 0.5)


def test_independent_flips_are_the_seeds_part_alone():
    rng = np.random.default_rng(8)
    right = (rng.random((400, 2, 3, 50)) < 0.7).astype(np.float32)
    over_seeds = estimated(right.mean(axis=3, dtype=float), 1 / (12 * 50**2))
    wide = reach_with_examples(over_seeds, right)
    # half of the estimates of nothing are below 0 and cut off there
    assert np.mean(wide == over_seeds.reach) == pytest.approx(0.5, abs=0.15)
    one = np.hypot(over_seeds.reach[0, 0], reach_over_examples(right[0, 1] - right[0, 0]))
    assert wide[0, 0] == pytest.approx(one, rel=1e-5)


@pytest.mark.parametrize(
    ("name", "most", "held"),
    [
        ("steady, dispersion 4", 5, (93, 98)),
        ("steady, dispersion 20, 71 examples", 5, (93, 98)),
        ("correlated by seed, 0.95", 5, (93, 98)),
        ("heavy tails (t, 3)", 5, (93, 98.5)),
        ("one configuration, variance x 5", 8, (85, 98)),
        ("the clean arm, variance x 5", 8, (85, 98)),
    ],
)
@pytest.mark.parametrize(("arms", "seeds"), [(2, 2), (5, 3), (9, 2), (9, 5)])
def test_false_claims_are_as_rare_as_promised(name, most, held, arms, seeds):
    drawn = scores(CONDITIONS[name], 3000, arms, seeds, np.random.default_rng(arms * seeds))
    found = estimated(drawn, 1 / (12 * CONDITIONS[name].n_dev ** 2))
    limit = 5 if seeds > 3 else most
    # 3,000 searches: two standard errors of 5 % are 0.8 points
    assert 100 * (found.adjusted <= 0.05).any(axis=1).mean() <= limit + 0.8
    low, high = held
    assert low - 0.8 <= 100 * found.holds(0.0)[:, 0].mean() <= high + 0.8
