"""The sentence under the table."""

import re

import numpy as np
import pytest
from statistics_fixtures import arm, run, scored, searched

from bench.statistics.counts import counts_verdict, possible_discordance
from bench.statistics.paragen_readme import CELLS, CLEAN, N_DEV
from freelb_tune.errors import FreeLBTuneError
from freelb_tune.results.statistics.answers.verdict import verdict
from freelb_tune.results.statistics.comparing.arms import Arm
from freelb_tune.results.statistics.numbers.mcnemar import Discordance
from freelb_tune.results.statistics.numbers.power import Trial, smallest

POINTS = r"[+-]\d+\.\d"
INTERVAL = (
    rf"\(95 % interval over seeds {POINTS} to {POINTS}; on other examples {POINTS} to {POINTS}\)"
)


def chance(share, arms=2, seeds=3, examples=100, seed=0):
    """Right answers by chance, `(arms, seeds, examples)`, the same examples hard for all."""
    return (np.random.default_rng(seed).random((arms, seeds, examples)) < share).astype(int)


def losing(table, arm):
    """The same answers, but for a quarter of the examples that one arm always gets wrong."""
    table = table.copy()
    table[arm, :, : table.shape[2] // 4] = 0
    return table


def test_no_difference_is_said_with_the_best_its_interval_and_what_would_have_been_seen():
    told = verdict(searched(chance(0.7, arms=4, seeds=4)), "accuracy")
    assert re.fullmatch(
        r"No setting is distinguishable from the clean arm: the best of them, "
        rf"c\d, is {POINTS} points "
        rf"{INTERVAL}\. Any gain is below \d+\.\d points \(95 %\)\. A difference of \d+\.\d points "
        r"or more would have been seen\.",
        told.sentence,
    )
    assert told.better == frozenset()
    assert len(told.comparisons) == 3


def test_two_or_three_seeds_say_that_they_cannot_tell_and_how_many_would():
    table = chance(0.7, arms=2, seeds=3, seed=5)
    told = verdict(searched(table), "accuracy")
    assert re.fullmatch(
        r"After 3 seeds no setting is distinguishable from the clean arm: the best of them, c1, is "
        rf"{POINTS} points {INTERVAL}\. Any gain is below \d+\.\d points \(95 %\)\. A difference "
        r"of \d+\.\d points or more would have been seen; to tell \+\d\.\d from luck takes about "
        r"\d+ seeds of each\.",
        told.sentence,
    )


@pytest.mark.parametrize(("margin", "size"), [(None, "1.0"), (0.03, "3.0")])
def test_few_seeds_without_a_gain_say_how_many_would_see_a_point_or_the_margin(margin, size):
    table = chance(0.7, arms=2, seeds=3, seed=5)[::-1]  # the other way round
    sentence = verdict(searched(table), "accuracy", margin=margin).sentence
    assert re.search(
        rf"would have been seen; to see {size} points takes about \d+ seeds of each\.", sentence
    )


def test_what_would_have_been_seen_follows_the_plans_power():
    table = chance(0.7, arms=2, seeds=4)
    told = verdict(searched(table), "accuracy")
    differences = table.mean(axis=2)[1] - table.mean(axis=2)[0]
    plan = Trial(1, 4, differences.std(ddof=1) / 2**0.5)
    assert f"A difference of {100 * smallest(plan):.1f} points" in told.sentence


def test_a_clear_gain_is_better_and_in_bold():
    table = chance(0.6, arms=3)
    table[1, :, :50] = 1  # half of the examples always right: about 20 points more
    told = verdict(searched(table), "accuracy")
    assert re.match(
        rf"c1 is better than the clean arm by \+2\d\.\d points {INTERVAL}\.$", told.sentence
    )
    assert told.better == {"c1"}


def test_two_clear_gains_are_counted_and_the_best_is_named():
    table = chance(0.6, arms=3)
    table[1, :, :50], table[2, :, :60] = 1, 1
    told = verdict(searched(table), "accuracy")
    assert told.sentence.startswith(
        "2 of 2 settings are better than the clean arm; the best, c2, by +"
    )
    assert told.better == {"c1", "c2"}


def test_a_clear_loss_is_said_beside_the_best():
    told = verdict(searched(losing(chance(0.85, arms=3, seeds=4), 1)), "accuracy")
    assert told.sentence.startswith(
        "No setting is better than the clean arm: the best of them, c2, is "
    )
    assert re.search(
        rf"c1 is worse than the clean arm by -\d+\.\d points {INTERVAL}\.", told.sentence
    )
    assert told.better == frozenset()


def test_a_single_loss_is_the_whole_sentence():
    told = verdict(searched(losing(chance(0.85, seeds=4), 1)), "accuracy")
    assert re.fullmatch(
        rf"c1 is worse than the clean arm by -\d+\.\d points {INTERVAL}\.", told.sentence
    )


def test_several_losses_are_counted_and_the_worst_is_named():
    table = losing(chance(0.85, arms=4, seeds=4), 1)
    table[3, :, :40] = 0  # of 100 examples; c1 loses 25
    told = verdict(searched(table), "accuracy")
    assert re.search(
        rf"2 of 3 are worse; the worst, c3, by -\d+\.\d points {INTERVAL}\.", told.sentence
    )
    assert told.sentence.startswith("No setting is better than the clean arm: the best of them, c2")


def test_an_incomplete_configuration_is_not_called_the_best():
    table = chance(0.7)[[0, 0]]  # c1 is as the clean arm
    lucky = table[0, :1].copy()
    lucky[0, np.flatnonzero(lucky[0] == 0)[:5]] = 1  # one seed of three, 5 points better
    told = verdict([*searched(table), arm("lucky", lucky, planned=3)], "accuracy")
    assert told.comparisons[1].difference == pytest.approx(0.05)
    assert told.comparisons[0].difference == 0.0
    assert "the best of them, c1, is" in told.sentence


def test_one_seed_is_said():
    told = verdict(searched(chance(0.7, arms=3, seeds=1)), "accuracy")
    assert re.fullmatch(
        rf"One seed: cannot be told from luck\. The best setting, c\d, is {POINTS} points \(95 % "
        rf"interval of these two models on other examples {POINTS} to {POINTS}\) against the clean "
        r"arm\.",
        told.sentence,
    )
    assert told.better == frozenset()
    assert told.footnotes[0].startswith("One seed: how far another seed would move these numbers")


def test_one_seed_that_gets_everything_right_is_not_better():
    table = np.stack([chance(0.7, arms=1, seeds=1)[0], np.ones((1, 100), dtype=int)])
    told = verdict(searched(table), "accuracy")
    assert told.sentence.startswith("One seed: cannot be told from luck.")
    assert told.better == frozenset()


def test_collapsed_runs_are_named_and_whole_runs_compared():
    table = chance(0.8, arms=3, seeds=4)
    table[0, 2] = np.arange(100) % 2  # always the same answer: right on half of the examples
    told = verdict(searched(table), "accuracy")
    assert "Collapsed, no better than always giving one answer (50.0): 1 of 4 of clean." in (
        told.sentence
    )
    assert re.search(
        rf"Among whole runs the best, c\d, is {POINTS} points \(95 % interval over seeds {POINTS} "
        rf"to {POINTS}\)\.$",
        told.sentence,
    )
    assert "Collapsed: clean, seed 3 (50.0)." in told.footnotes
    for one in told.comparisons:
        assert one.clean_collapsed == (3,)
        assert one.difference > one.whole.difference + 0.05


def test_collapsed_runs_are_named_where_there_is_no_verdict_too():
    table = chance(0.8, arms=2, seeds=3)
    table[0, 1] = np.arange(100) % 2  # always the same answer
    told = verdict(searched(table)[:1], "accuracy")
    assert told.sentence == (
        "No verdict: every cell is the clean arm, so there is nothing to compare it with. "
        "Collapsed, no better than always giving one answer (50.0): 1 of 3 of clean."
    )
    assert told.footnotes == ("Collapsed: clean, seed 2 (50.0).",)


def test_a_collapsed_arm_does_not_hide_another_ones_gain():
    table = chance(0.6, arms=3, seeds=4)
    table[1, :, :50], table[2] = 1, np.arange(100) % 2
    told = verdict(searched(table), "accuracy")
    assert told.better == {"c1"}
    assert "4 of 4 of c2" in told.sentence


@pytest.mark.parametrize(
    ("margin", "said"),
    [
        (
            0.3,
            "Both settings are within 30.0 points of the clean arm (two one-sided tests, 95 %)",
        ),
        (0.01, "That any setting is within 1.0 points of the clean arm is not shown."),
    ],
)
def test_equivalence_is_said_where_it_is_shown(margin, said):
    told = verdict(searched(chance(0.7, arms=3, seeds=5)), "accuracy", margin=margin)
    assert said in told.sentence


def test_some_settings_are_equivalent():
    table = chance(0.85, arms=3, seeds=6)
    table[1] = table[0]
    told = verdict(searched(losing(table, 2)), "accuracy", margin=0.1)
    assert "1 of 2 settings is within 10.0 points of the clean arm (two" in told.sentence


def test_missing_predictions_are_said_and_seeds_are_compared():
    told = verdict([scored("clean", [0.70, 0.72]), scored("a", [0.71, 0.74])], "accuracy")
    assert "Predictions are missing: nothing is said about other examples." in told.footnotes
    assert told.sentence.startswith("After 2 seeds no setting is distinguishable from the clean")


def test_one_seed_without_predictions_claims_nothing_either():
    told = verdict([scored("clean", [0.70]), scored("a", [0.74])], "accuracy")
    assert told.sentence == (
        "One seed: cannot be told from luck. "
        "The best setting, a, is +4.0 points against the clean arm."
    )


def test_seeds_without_a_spread_give_no_verdict():
    told = verdict([scored("clean", [0.70, 0.70]), scored("a", [0.74, 0.74])], "accuracy")
    assert told.sentence == (
        "No verdict: without predictions and without a spread over seeds nothing can be tested. "
        "The best setting, a, is +4.0 points against the clean arm."
    )


def test_one_example_gives_no_verdict():
    told = verdict([arm("clean", [[0], [1]]), arm("a", [[1], [0]])], "accuracy")
    assert told.better == frozenset()


def test_a_clean_arm_switched_off_gives_no_verdict():
    told = verdict([arm("a", chance(0.7)[0], clean=None)], "accuracy")
    assert told.sentence.startswith("No verdict: the clean arm is switched off")
    assert told.comparisons == ()


def test_all_failed_is_said():
    arms = [Arm("clean", "clean", "clean", 2, (), 2), Arm("a", "clean", "a", 2, (), 2)]
    assert verdict(arms, "accuracy").sentence == "No verdict: all 4 cells failed."


def test_nothing_finished_yet_is_said():
    arms = [Arm("clean", "clean", "clean", 2), Arm("a", "clean", "a", 2)]
    assert verdict(arms, "accuracy").sentence == "No verdict: no cell has finished yet."
    assert verdict([], "accuracy").sentence == "No verdict: no cell has finished yet."


def test_a_failed_clean_arm_gives_no_verdict():
    told = verdict([scored("clean", [], planned=2), scored("a", [0.7, 0.8])], "accuracy")
    assert told.sentence == (
        "No verdict: no seed has finished both in a configuration and in its clean arm."
    )


def test_only_normal_training_gives_no_verdict():
    told = verdict([scored("clean", [0.7, 0.8])], "accuracy")
    assert told.sentence.startswith("No verdict: every cell is the clean arm")


@pytest.mark.parametrize("seeds", [1, 3])
def test_identical_predictions_are_not_significant_and_make_one_ask(seeds):
    table = chance(0.7, seeds=seeds)
    table[1] = table[0]
    told = verdict(searched(table), "accuracy")
    one = told.comparisons[0]
    assert (one.difference, one.p, one.better) == (0.0, 1.0 if seeds > 1 else None, False)
    assert one.low < 0 < one.high
    assert any("Is the perturbation active?" in note for note in told.footnotes)


def test_two_dev_sets_are_refused():
    with pytest.raises(FreeLBTuneError, match="two different dev sets under one name"):
        verdict([arm("clean", np.ones((1, 30))), arm("a", np.ones((1, 20)))], "accuracy")


def test_as_many_examples_with_other_labels_are_refused():
    flipped = [run(1, np.ones(30), labels=1 - np.arange(30) % 2)]
    arms = [arm("clean", np.ones((1, 30))), Arm("a", "clean", "a", 1, tuple(flipped))]
    with pytest.raises(FreeLBTuneError, match="30 for a, seed 1, with other labels"):
        verdict(arms, "accuracy")


def test_a_clean_arm_that_was_tuned_less_is_said():
    told = verdict(searched(chance(0.7, arms=4)), "accuracy")
    assert any(
        note.startswith("Unequal budgets: 3 adversarial configurations against 1 clean one;")
        for note in told.footnotes
    )


def test_paragens_published_cells_are_not_distinguishable():
    told = counts_verdict(CELLS, CLEAN, N_DEV)
    assert told.sentence.startswith(
        "One seed: cannot be told from luck. The best setting, adv_lr 0.05, "
    )
    assert told.better == frozenset()
    # net +4: exact p 0.125 with 4 discordant examples; other_systems.md has p 0.34 with 10
    shown = {one.config_id: one for one in told.comparisons}
    assert (
        "p over examples is 0.12 with 4, the fewest"
        in shown["adv_lr 0.1, init_mag 0.2, batch 32"].note
    )


def test_published_counts_agree_with_the_exact_test_at_a_given_discordance():
    told = counts_verdict({"a": 226}, 222, 277, discordance=10 / 277)
    assert "10 examples assumed to differ" in told.comparisons[0].note
    assert Discordance(7, 3, 277).p == pytest.approx(0.34375)  # 7 of 10: 2 x 176 / 1024
    low, high = Discordance(7, 3, 277).interval()
    assert (told.comparisons[0].low, told.comparisons[0].high) == (low, high)


@pytest.mark.parametrize("discordance", [0.0, 0.05, 0.15, 1.0])
def test_counts_keep_their_difference_whatever_is_assumed(discordance):
    told = counts_verdict({"a": 226}, 222, 277, discordance)
    assert told.comparisons[0].difference == pytest.approx(4 / 277)


def test_what_two_counts_leave_open():
    # 8 and 6 of 10: at least 2 differ; at most 2 + 4 wrong ones on either side
    assert possible_discordance(8, 6, 10) == (2, 6)


def test_a_count_above_its_dev_set_is_refused():
    with pytest.raises(FreeLBTuneError, match=r"a: 278 right answers of 277"):
        counts_verdict({"a": 278}, 222, 277)


def test_where_every_run_gives_one_answer_there_is_nothing_to_compare():
    table = np.tile(np.arange(100) % 2, (3, 4, 1))  # always the answer 1
    told = verdict(searched(table), "accuracy")
    assert told.sentence == (
        "No verdict: none of the 12 runs is better than always giving one answer, so nothing was "
        "learned that could be compared."
    )
    assert told.comparisons == ()


def test_one_dev_example_tells_nothing():
    told = verdict(searched(np.array([[[1], [0], [1]], [[1], [1], [1]]])), "accuracy")
    assert told.sentence == (
        "No verdict: the dev set has one example, which tells no setting from another."
    )
