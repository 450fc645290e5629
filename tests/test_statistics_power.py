"""What a search can show, before it runs."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from bench.statistics.batch import estimated
from bench.statistics.studies import powers
from freelb_tune.errors import FreeLBTuneError
from freelb_tune.results.statistics.numbers.power import (
    Power,
    Trial,
    chance_to_see,
    luck,
    seeds_for,
    smallest,
)
from freelb_tune.results.statistics.numbers.prior import prior_discordance, prior_spreads
from freelb_tune.results.statistics.numbers.spending import share_of


def measured(trial, source):
    return Power(trial, trial, 277, source)


@pytest.mark.parametrize(("configurations", "seeds"), [(1, 2), (2, 3), (4, 3), (8, 2), (8, 5)])
@pytest.mark.parametrize("part", [1.0, 0.6])
def test_stated_power_is_what_simulation_finds(configurations, seeds, part):
    plan = Trial(configurations, seeds, 1.0)
    effect = part * smallest(plan)
    drawn = np.random.default_rng(1).standard_normal((3000, configurations + 1, seeds))
    drawn[:, 1] += effect
    seen = (estimated(drawn, 0.0).adjusted[:, 0] <= 0.05 * share_of(1)).mean()
    # 3,000 searches: two standard errors are 0.018; 0.02 is what may be stated wrongly
    assert chance_to_see(plan, effect) == pytest.approx(seen, abs=0.018 + 0.02)


def test_one_configuration_has_the_power_of_the_paired_t_test():
    from statsmodels.stats.power import TTestPower

    # differences of two scores have sqrt(2) times a score's deviation
    expected = TTestPower().power(1.5 / 2**0.5, nobs=6, alpha=0.05 * share_of(1))
    assert chance_to_see(Trial(1, 6, 1.0), 1.5) == pytest.approx(expected, abs=0.005)


def test_the_smallest_difference_is_seen_in_four_of_five_searches():
    plan = Trial(8, 3, 0.02)
    assert chance_to_see(plan, smallest(plan)) == pytest.approx(0.8, abs=0.001)
    assert smallest(Trial(8, 1, 0.02)) is None
    assert chance_to_see(Trial(8, 1, 0.02), 1.0) == 0.0


def test_chance_without_an_effect_is_the_level():
    assert chance_to_see(Trial(1, 50, 0.02), 0.0) == pytest.approx(0.04, abs=0.003)
    later = Trial(1, 50, 0.02, look=2)
    assert chance_to_see(later, 0.0) == pytest.approx(0.005, abs=0.0005)


def test_many_seeds_are_needed_for_a_point_on_rte():
    # by hand, one configuration and known variance, at the first look's 4 %:
    # 2 (2.054 + 0.842)^2 (2.0)^2 = 67; Student's t adds a few
    assert seeds_for(Trial(1, 3, 0.02), 0.01) == pytest.approx(69, abs=2)
    assert seeds_for(Trial(1, 3, 2.0), 0.01) is None


@pytest.mark.parametrize(
    ("configurations", "spread", "look"),
    [(1, 0.004, 1), (1, 0.02, 3), (5, 0.002, 1), (5, 0.05, 1), (1000, 0.016, 1), (1000, 0.08, 2)],
)
def test_one_seed_fewer_than_needed_is_too_few(configurations, spread, look):
    trial = Trial(configurations, 10, spread, look)
    needed = seeds_for(trial, 0.01)
    assert chance_to_see(replace(trial, seeds=needed), 0.01) >= 0.8
    assert chance_to_see(replace(trial, seeds=needed - 1), 0.01) < 0.8


def test_more_of_anything_shows_more():
    base = smallest(Trial(8, 3, 0.02))
    assert smallest(Trial(8, 5, 0.02)) < base
    assert smallest(Trial(4, 5, 0.02)) < smallest(Trial(32, 5, 0.02))
    assert smallest(Trial(8, 3, 0.01)) == pytest.approx(base / 2, rel=1e-4)


def test_one_configuration_has_no_luck_in_choosing():
    assert luck(Trial(1, 3, 0.02)) == pytest.approx(0.0, abs=1e-9)
    assert "look" not in measured(Trial(1, 3, 0.02), "somewhere").sentence


def test_the_best_of_sixteen_is_lucky_by_1_77_deviations():
    # the expected maximum of 16 standard normals is 1.766
    assert luck(Trial(16, 1, 0.024)) == pytest.approx(1.766 * 0.024, rel=1e-3)


def test_the_sentence_has_every_number():
    told = measured(Trial(8, 3, 0.02), "measured somewhere").sentence
    assert told.startswith("Smallest true difference that this search would show with 80 % power: ")
    for part in (
        "277 dev examples",
        "8 configurations",
        "3 seeds",
        "spread over seeds 2.0 points: measured somewhere",
        "To show 1 point: ",
        "points better than it is",
    ):
        assert part in told


def test_without_evidence_the_sentence_has_a_range():
    low, high = (Trial(2, 5, one) for one in prior_spreads(277))
    told = Power(low, high, 277, "assumed").sentence
    smallest_of = [f"{100 * smallest(one):.1f}" for one in (low, high)]
    assert f"80 % power: {' to '.join(smallest_of)} points" in told
    assert f"To show 1 point: {seeds_for(low, 0.01)} to {seeds_for(high, 0.01):,} seeds" in told
    few = [Trial(2, 2, one) for one in prior_spreads(277)]
    assert smallest(few[1]) > 1  # more than two scores can differ by
    assert " to more than 100 points" in Power(*few, 277, "assumed").sentence


def test_one_seed_has_no_power():
    assert measured(Trial(8, 1, 0.02), "x").sentence.startswith("Power: none with one seed")


def test_the_assumed_range_is_rtes_on_rte():
    # flips of 15 % / 2 over 277 examples: sqrt(0.075 / 277) = 1.65 points; sqrt(40) times that
    assert prior_spreads(277) == pytest.approx((0.01645, 0.1041), abs=1e-4)
    assert prior_discordance(71) == 0.15
    assert prior_discordance(40_430) == 0.05


@pytest.mark.parametrize(
    ("asked", "match"),
    [
        pytest.param((0, 3, 0.02), "configurations must be 1 or more, got 0", id="configurations"),
        pytest.param((8, 0, 0.02), "seeds must be 1 or more, got 0", id="seeds"),
        pytest.param((8, 3, 0.0), r"spread over seeds must be above 0, got 0\.0", id="spread"),
    ],
)
def test_a_search_that_cannot_be_is_refused(asked, match):
    with pytest.raises(FreeLBTuneError, match=match):
        Trial(*asked)


def test_power_loads_nothing_heavy():
    code = (
        "import sys; from freelb_tune.results.statistics.numbers.power import Power, Trial;"
        "t = Trial(8, 3, 0.02); Power(t, t, 277, 'x').sentence;"
        "print(sorted({'torch', 'ray', 'scipy.stats', 'statsmodels', 'sklearn', 'pandas'}"
        " & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_power_study_yields_a_row_per_setting():
    first = next(iter(powers(4, np.random.default_rng(0))))
    assert first[:2] == ["2", "1"]
    assert len(first) == 8
