"""What a search can show, before it runs."""

import math
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from bench.statistics.generator import Truth, ease_spread
from bench.statistics.studies import powers, seed_sd, total
from freelb_tune.errors import FreeLBTuneError
from freelb_tune.results.statistics.power import (
    Plan,
    _uneven_effect,
    chance_to_see,
    power,
    spread_of,
)
from freelb_tune.results.statistics.prior import prior_discordance, prior_seed_sd


@pytest.mark.parametrize(
    ("seeds", "grid", "dispersion"), [(1, 1, 1.5), (2, 8, 1.0), (3, 4, 2.0), (5, 8, 1.5)]
)
def test_stated_power_is_what_simulation_finds(seeds, grid, dispersion):
    truth = Truth(277, seeds, grid, seed_sd(277, dispersion))
    plan = truth.plan
    effect = power(277, grid, seeds, seed_sd=plan.seed_sd, discordance=0.15).smallest
    assert chance_to_see(plan, effect) == pytest.approx(0.8, abs=0.001)
    around_half = replace(truth, effects=(effect,), accuracy=0.5 - effect / 2)
    seen = total(
        around_half,
        400,
        np.random.default_rng(1),
        lambda found, _: np.array(
            [((found.adjusted <= 0.05) & (found.difference > 0))[:, 0].sum()]
        ),
        dispersion,
    )
    # 400 searches: two standard errors of 0.8 are 0.04; 0.03 is what may be stated wrongly
    assert seen[0] / 400 == pytest.approx(0.8, abs=0.04 + 0.03)


def test_a_gain_is_as_uneven_over_examples_as_in_the_studies():
    # a level that moves by a little: each example's chance moves by the density at its ease
    ease = ease_spread(0.5, 0.15) * np.random.default_rng(0).standard_normal(400_000)
    gains = np.exp(-(ease**2) / 2)
    assert gains.var() / gains.mean() ** 2 == pytest.approx(1 / math.sin(0.15 * math.pi) - 1, 0.02)


def test_an_uneven_gain_needs_more_than_an_even_one():
    # 5 seeds, 6 points: 5 x 0.06^2 x 1.2 / 0.15 = 0.144 of the flips' variance on top of 1.5
    plan = Plan(277, 8, 5, prior_seed_sd(277), 0.15)
    uneven, allowed = _uneven_effect(plan, 0.06)
    assert uneven == pytest.approx(5 * 0.06**2 * (1 / math.sin(0.15 * math.pi) - 1) / 0.15)
    # the estimate of it is cut off at 0: above it on average, by less than its own error
    assert uneven < allowed < uneven + math.sqrt(2 / 276) * (1 + uneven)
    none, spurious = _uneven_effect(plan, 0.0)
    assert none == 0
    assert spurious == pytest.approx(math.sqrt(2 / 276 / 2 / math.pi))


def test_the_sentence_has_every_number():
    told = power(277, 8, 3)
    assert told.sentence.startswith(
        "Smallest true difference that this search would show with 80 %"
    )
    for part in (
        "277 dev examples",
        "8 configurations",
        "3 seeds",
        "2.0 points",
        "To show 1 point",
    ):
        assert part in told.sentence


def test_one_configuration_has_no_luck_in_choosing():
    assert power(277, 1, 3).luck == pytest.approx(0.0, abs=1e-9)
    assert "look" not in power(277, 1, 3).sentence


def test_the_best_of_sixteen_is_lucky_by_1_77_deviations():
    # the expected maximum of 16 standard normals is 1.766
    told = power(277, 16, 1, seed_sd=0.024)
    assert told.luck == pytest.approx(1.766 * 0.024, rel=1e-3)


def test_many_seeds_are_needed_for_a_point_on_rte():
    # by hand, one configuration and known variance: 2 (1.96 + 0.84)^2 (sd / 0.01)^2 = 63 at 2.0
    # points; Student's t and the steadying prior move that by a few
    needed = power(277, 1, 3, seed_sd=0.02).seeds_for_a_point
    assert needed == pytest.approx(63, rel=0.1)


def test_more_of_anything_shows_more():
    base = power(277, 8, 3).smallest
    assert power(1500, 8, 3).smallest < base
    assert power(277, 8, 5).smallest < base
    assert power(277, 1, 3).smallest < base
    assert power(277, 8, 3, seed_sd=0.01).smallest < base


def test_measured_spread_is_said_to_be_measured():
    assert "as measured in finished cells" in power(277, 8, 3, seed_sd=0.02).sentence
    assert "assumed" in power(277, 8, 3).sentence


@pytest.mark.parametrize("metric", ["f1", "matthews", "pearson", "spearman", "rmse"])
def test_other_metrics_have_a_power_too(metric):
    told = power(1043, 8, 3, metric=metric)
    assert told.smallest is not None
    assert told.plan.dispersion == pytest.approx(1.5)


def test_a_dev_set_of_a_few_examples_shows_nothing():
    told = power(4, 16, 1)
    assert told.smallest is None
    assert "no difference at all" in told.sentence


def test_the_prior_is_rtes_on_rte():
    # dispersion 1.5 x flips of 15 % / 2 over 277 examples: sqrt(1.5 x 0.075 / 277) = 2.02 points
    assert prior_seed_sd(277) == pytest.approx(0.0202, abs=1e-4)
    assert prior_discordance(71) == 0.15
    assert prior_discordance(40_430) == 0.05


def test_the_measured_spread_is_within_configurations():
    # deviations -1, 1 and -2, 0, 2 points: (2 + 8) / (1 + 2) squared points
    found = spread_of([[0.70, 0.72], [0.80, 0.82, 0.84], [0.5]])
    assert found == pytest.approx(0.01 * math.sqrt(10 / 3))
    assert spread_of([[0.7], [0.8]]) is None


@pytest.mark.parametrize(
    ("asked", "match"),
    [
        pytest.param((1, 8, 3), "dev examples must be 2 or more, got 1", id="dev"),
        pytest.param((277, 0, 3), "configurations must be 1 or more, got 0", id="configurations"),
        pytest.param((277, 8, 0), "seeds must be 1 or more, got 0", id="seeds"),
    ],
)
def test_a_search_that_cannot_be_is_refused(asked, match):
    with pytest.raises(FreeLBTuneError, match=match):
        power(*asked)


def test_a_spread_of_zero_is_refused():
    with pytest.raises(FreeLBTuneError, match=r"spread over seeds must be above 0, got 0\.0"):
        power(277, 8, 3, seed_sd=0.0)


def test_power_loads_nothing_heavy():
    code = (
        "import sys; from freelb_tune.results.statistics.power import power;"
        "power(277, 8, 3).sentence;"
        "print(sorted({'torch', 'ray', 'scipy.stats', 'statsmodels', 'sklearn', 'pandas'}"
        " & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_power_study_yields_a_row_per_setting():
    first = next(iter(powers(4, np.random.default_rng(0))))
    assert first[:4] == ["277", "1", "1", "1.0"]


def test_chance_without_an_effect_is_the_level():
    plan = Plan(277, 1, 1000, 0.02, 0.15)
    assert chance_to_see(plan, 0.0) == pytest.approx(0.05, abs=0.005)
