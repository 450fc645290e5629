"""The chance of a false claim, shared out over looks."""

import numpy as np
import pytest

from bench.statistics.batch import estimated
from freelb_tune.results.statistics.numbers.spending import ALPHA, share_of


def test_all_looks_together_have_no_more_than_the_whole():
    shares = [share_of(look) for look in range(1, 2000)]
    assert shares[0] == 0.8
    assert sum(shares) == pytest.approx(1.0, abs=1e-3)
    assert sum(shares) <= 1.0


@pytest.mark.parametrize("configurations", [1, 4])
def test_looking_after_every_seed_calls_no_more_than_5_percent_different(configurations):
    rng = np.random.default_rng(configurations)
    drawn = rng.standard_normal((3000, configurations + 1, 8))
    called = np.zeros(3000, dtype=bool)
    for look, seeds in enumerate((2, 3, 4, 5, 6, 8), start=1):
        adjusted = estimated(drawn[:, :, :seeds], 0.0).adjusted.min(axis=1)
        called |= adjusted <= ALPHA * share_of(look)
    assert called.mean() <= 0.05 + 0.008  # two standard errors of 3,000 searches


def test_stopping_where_it_looks_best_calls_no_more_than_5_percent_different():
    # as unfair as can be: after each look as many seeds are added as will make it look best
    rng = np.random.default_rng(3)
    drawn = rng.standard_normal((3000, 2, 12))
    p = np.stack([estimated(drawn[:, :, :s], 0.0).p[:, 0] for s in range(2, 13)], axis=1)
    first = p[:, 0] <= ALPHA * share_of(1)
    second = p[:, 1:].min(axis=1) <= ALPHA * share_of(2)
    assert (first | second).mean() <= 0.05 + 0.025  # a peek at all ten is ten looks
