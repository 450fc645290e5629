"""Differences, intervals and p values of configurations against their clean arms."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import accuracy_score, f1_score, matthews_corrcoef
from statistics_fixtures import arm, compare, run, scored, searched
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests

from freelb_tune.errors import FreeLBTuneError
from freelb_tune.results.statistics.comparing.arms import Arm, Run
from freelb_tune.results.statistics.comparing.contrast import contrasts, holm
from freelb_tune.results.statistics.numbers.mcnemar import Discordance
from freelb_tune.results.statistics.numbers.pseudo_values import INFLUENCES, pseudo_values
from freelb_tune.results.statistics.numbers.spending import share_of

SEARCHES = st.builds(
    lambda seed, arms, seeds, examples: (
        np.random.default_rng(seed).random((1 + arms, seeds, examples)) < 0.7
    ).astype(int),
    st.integers(0, 10**6),
    st.integers(1, 4),
    st.integers(1, 4),
    st.integers(8, 40),
)


def numbers(comparisons):
    return {
        one.config_id: (one.difference, one.low, one.high, one.p, one.p_adjusted)
        for one in comparisons
    }


def close(first, second):
    assert first.keys() == second.keys()
    for name in first:
        pairs = zip(first[name], second[name], strict=True)
        assert all(a == b or a == pytest.approx(b, rel=1e-9, abs=1e-12) for a, b in pairs)


def reference(metric, logits, labels):
    if labels.ndim > 1:  # several labels
        said = logits > 0
        if metric == "subset_accuracy":
            return accuracy_score(labels, said)
        average = metric.removesuffix("_f1")
        return f1_score(labels, said, average=average, zero_division=0)
    predicted = logits.argmax(axis=1) if logits.shape[1] > 1 else logits[:, 0]
    return {
        "accuracy": lambda: np.mean(predicted == labels),
        "f1": lambda: f1_score(labels, predicted),
        "macro_f1": lambda: f1_score(labels, predicted, average="macro"),
        "matthews": lambda: matthews_corrcoef(labels, predicted),
        "pearson": lambda: stats.pearsonr(predicted, labels).statistic,
        "spearman": lambda: stats.spearmanr(predicted, labels).statistic,
        "rmse": lambda: np.mean((predicted - labels) ** 2) ** 0.5,
    }[metric]()


OF_SEVERAL = ("several micro_f1", "several macro_f1", "several subset_accuracy")
DRAWN = [*(INFLUENCES.keys() - {"micro_f1", "subset_accuracy"}), *OF_SEVERAL]


def drawn(case, rng, examples=150):
    several, _, metric = case.rpartition(" ")
    if several:  # the last label neither occurs nor is predicted
        labels = (rng.random((examples, 4)) < [0.5, 0.2, 0.4, 0.0]).astype(float)
        return metric, rng.normal(size=labels.shape) + 2 * labels - [1, 1, 1, 99], labels
    return metric, *_drawn(metric, rng, examples)


def _drawn(metric, rng, examples):
    if metric in ("pearson", "spearman", "rmse"):
        labels = rng.standard_normal(examples).round(1)  # rounded, so that there are ties
        return (labels + rng.standard_normal(examples)).round(1)[:, None], labels
    labels = rng.integers(0, 2, examples)
    return np.eye(2)[labels] + rng.standard_normal((examples, 2)), labels


@pytest.mark.parametrize("case", sorted(DRAWN))
def test_the_mean_of_the_pseudo_values_is_the_metric(case):
    metric, logits, labels = drawn(case, np.random.default_rng(3))
    values = pseudo_values(metric, logits, labels)
    assert values.mean() == pytest.approx(reference(metric, logits, labels), abs=1e-12)


@pytest.mark.parametrize("case", sorted(DRAWN))
def test_pseudo_values_are_those_of_leaving_one_example_out(case):
    metric, logits, labels = drawn(case, np.random.default_rng(4))
    count, full = len(labels), reference(metric, logits, labels)
    left_out = [
        reference(metric, np.delete(logits, at, 0), np.delete(labels, at, 0)) for at in range(count)
    ]
    jackknife = full + (count - 1) * (full - np.array(left_out))
    values = pseudo_values(metric, logits, labels)
    assert np.corrcoef(values, jackknife)[0, 1] > 0.999
    assert values.std() == pytest.approx(jackknife.std(), rel=0.03)


def test_a_constant_prediction_has_no_correlation_and_no_influence():
    values = pseudo_values("pearson", np.ones((5, 1)), np.arange(5.0))
    assert not values.any()


@pytest.mark.parametrize(
    ("metric", "logits", "match"),
    [
        pytest.param("acuracy", np.ones((4, 2)), "did you mean 'accuracy'", id="unknown"),
        pytest.param("accuracy", np.ones((3, 2)), r"shape \(3, 2\)", id="shape"),
        pytest.param("accuracy", np.full((4, 2), np.nan), "not all finite", id="nan"),
        pytest.param("micro_f1", np.ones((4, 2)), "under micro_f1", id="one label"),
    ],
)
def test_predictions_that_cannot_be_judged_are_refused(metric, logits, match):
    with pytest.raises(FreeLBTuneError, match=match):
        pseudo_values(metric, logits, np.zeros(4))


def test_one_seed_of_accuracy_is_the_exact_mcnemar_test():
    # 12 gained, 3 lost of 60: difference 9/60; statsmodels has the test, the interval is
    # Clopper-Pearson's for 12 of 15 turned into a difference
    right = np.ones(60, dtype=int)
    clean, other = right.copy(), right.copy()
    clean[:12], other[12:15] = 0, 0
    one = compare([arm("clean", [clean]), arm("a", [other])], "accuracy")[0]
    assert one.difference == pytest.approx(9 / 60)
    assert Discordance(12, 3, 60).p == pytest.approx(mcnemar([[45, 3], [12, 0]], exact=True).pvalue)
    low, high = stats.beta.ppf([0.025, 0.975], [12, 13], [4, 3])
    assert (one.low, one.high) == pytest.approx(((2 * low - 1) / 4, (2 * high - 1) / 4))
    assert one.note == "one seed: interval of these two models on other examples"


def test_one_seed_claims_nothing():
    clean, other = np.zeros(200, dtype=int), np.ones(200, dtype=int)
    one = compare([arm("clean", [clean]), arm("a", [other])], "accuracy")[0]
    assert (one.difference, one.p, one.p_adjusted, one.better) == (1.0, None, None, False)
    assert one.low > 0.9


@given(st.integers(0, 40), st.integers(0, 40))
def test_an_exact_interval_excludes_zero_where_its_p_is_below_5_percent(gained, lost):
    counts = Discordance(gained, lost, 100)
    low, high = counts.interval()
    assert (low > 0 or high < 0) == (counts.p < 0.05)
    assert low <= counts.difference <= high


def test_an_interval_excludes_zero_where_its_p_is_below_5_percent():
    rng = np.random.default_rng(0)
    for _ in range(40):
        table = (rng.random((2, 3, 60)) < np.array([0.6, 0.75])[:, None, None]).astype(int)
        one = compare(searched(table), "accuracy")[0]
        assert (one.low > 0 or one.high < 0) == (one.p < 0.05)


def test_predictions_add_flips_and_other_examples():
    # seed 1: gains examples 0 and 1, loses 2; seed 2: gains 0: 3 / 2 and 1 / 2 a seed
    clean = np.zeros((2, 20), dtype=int)
    clean[:, 2:] = 1
    other = clean.copy()
    other[0, [0, 1]], other[1, 0], other[0, 2] = 1, 1, 0
    one = compare([arm("clean", clean), arm("a", other)], "accuracy")[0]
    assert (one.flips.beneficial, one.flips.harmful) == (1.5, 0.5)
    assert one.other_examples.difference == pytest.approx(one.difference)
    assert one.other_examples.low < one.low < one.high < one.other_examples.high


def test_a_margin_is_tested_from_both_sides():
    rng = np.random.default_rng(1)
    table = (rng.random((3, 6, 400)) < 0.7).astype(int)
    found = contrasts(searched(table), "accuracy", margin=0.1)
    for one in found:
        t = one.estimate
        alone = max(t.p_below(0.1), t.p_above(-0.1))
        # Holm over two configurations, in a first look's share of the level
        assert alone <= one.comparison.p_equivalent <= 2 * alone / share_of(1)
    assert all(one.p_equivalent is None for one in compare(searched(table), "accuracy"))


def test_the_gain_is_below_the_upper_end_of_a_90_percent_interval():
    clean, other = [0.70, 0.73, 0.71], [0.74, 0.75, 0.76]
    one = compare([scored("clean", clean), scored("a", other)], "accuracy")[0]
    bound = stats.ttest_rel(other, clean).confidence_interval(0.9).high
    assert one.gain_below == pytest.approx(bound)


@settings(max_examples=40)
@given(SEARCHES, st.randoms(use_true_random=False))
def test_the_order_of_rows_and_examples_changes_nothing(table, random):
    arms = searched(table)
    rows = list(range(len(table)))
    random.shuffle(rows)
    order = list(range(table.shape[2]))
    random.shuffle(order)
    mixed = [
        Arm(
            one.config_id,
            one.clean_id,
            one.name,
            one.planned,
            tuple(
                Run(each.seed, each.score, each.logits[order], each.labels[order])
                for each in reversed(one.runs)
            ),
        )
        for one in (arms[row] for row in rows)
    ]
    close(numbers(compare(arms, "accuracy")), numbers(compare(mixed, "accuracy")))


@settings(max_examples=30)
@given(SEARCHES)
def test_swapping_the_arms_flips_the_sign(table):
    forth = compare(searched(table[:2]), "accuracy")[0]
    back = compare(searched(table[1::-1]), "accuracy")[0]
    assert back.difference == pytest.approx(-forth.difference)
    assert (back.low, back.high) == pytest.approx((-forth.high, -forth.low))
    assert back.p == pytest.approx(forth.p)


@settings(max_examples=30)
@given(SEARCHES)
def test_names_change_nothing(table):
    arms = searched(table)
    renamed = [Arm(f"x{one.config_id}", "xclean", "other", one.planned, one.runs) for one in arms]
    before = numbers(compare(arms, "accuracy"))
    after = {k.removeprefix("x"): v for k, v in numbers(compare(renamed, "accuracy")).items()}
    close(before, after)


@settings(max_examples=40)
@given(SEARCHES)
def test_adjusting_never_makes_a_p_smaller(table):
    for one in compare(searched(table), "accuracy"):
        assert one.p is None or one.p_adjusted >= one.p - 1e-12


def test_adding_a_constant_to_both_arms_scores_changes_nothing():
    clean, other = [0.70, 0.73, 0.71], [0.74, 0.75, 0.76]
    before = compare([scored("clean", clean), scored("a", other)], "accuracy")
    after = compare(
        [scored("clean", [x + 0.1 for x in clean]), scored("a", [x + 0.1 for x in other])],
        "accuracy",
    )
    close(numbers(before), numbers(after))


def test_without_predictions_it_is_the_paired_t_test_over_seeds():
    clean, other = [0.70, 0.73, 0.71], [0.74, 0.75, 0.76]
    one = compare([scored("clean", clean), scored("a", other)], "accuracy")[0]
    expected = stats.ttest_rel(other, clean)
    assert one.p == pytest.approx(expected.pvalue)
    assert (one.low, one.high) == pytest.approx(tuple(expected.confidence_interval()))
    assert one.other_examples is None


@pytest.mark.parametrize(
    ("clean", "other", "note"),
    [
        pytest.param([0.7], [0.9], "one seed: ", id="one-seed"),
        pytest.param([0.7, 0.8], [0.8, 0.9], "no spread over seeds", id="no-spread"),
    ],
)
def test_scores_that_show_no_spread_are_not_tested(clean, other, note):
    one = compare([scored("clean", clean), scored("a", other)], "accuracy")[0]
    assert one.difference == pytest.approx(other[0] - clean[0])
    assert (one.low, one.p, one.p_adjusted, one.better) == (None, None, None, False)
    assert note in one.note


def test_a_metric_that_counts_down_is_better_when_lower():
    labels = np.linspace(-1, 1, 40)
    rng = np.random.default_rng(0)

    def runs(noise):
        made = [labels + noise * rng.standard_normal(40) for _ in range(3)]
        return tuple(Run(at, None, one[:, None], labels) for at, one in enumerate(made))

    arms = [Arm("clean", "clean", "clean", 3, runs(0.4)), Arm("a", "clean", "a", 3, runs(0.1))]
    one = compare(arms, "rmse", "lower")[0]
    assert one.difference == pytest.approx(0.3, abs=0.1)
    assert one.better


def test_only_seeds_that_both_arms_finished_are_compared():
    rows = np.ones((3, 30), dtype=int)
    rows[:, :9] = 0
    one = compare([arm("clean", rows), arm("a", rows[:2], first_seed=2, planned=3)], "accuracy")[0]
    assert one.n_seeds == 2


def test_no_common_seed_is_said_and_not_tested():
    rows = np.ones((2, 30), dtype=int)
    one = compare([arm("clean", rows), arm("a", rows, first_seed=7)], "accuracy")[0]
    assert (one.n_seeds, one.difference) == (0, None)
    assert one.note == "no seed has finished in both arms"


def test_two_dev_sets_under_one_name_are_refused():
    arms = [arm("clean", np.ones((1, 30))), arm("adv_lr 0.1", np.ones((1, 20)))]
    with pytest.raises(FreeLBTuneError, match=r"30 examples for clean, seed 1, and 20 for adv_lr"):
        compare(arms, "accuracy")


def test_a_seed_that_stands_twice_is_refused():
    twice = Arm("a", "clean", "a", 2, (run(1, np.ones(9)), run(1, np.ones(9))))
    with pytest.raises(FreeLBTuneError, match=r"a: seeds \[1, 1\]"):
        compare([arm("clean", np.ones((1, 9))), twice], "accuracy")


@settings(max_examples=10)  # each call of theirs collects all garbage
@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_is_the_one_of_statsmodels(p_values):
    np.testing.assert_allclose(holm(p_values), multipletests(p_values, method="holm")[1])
