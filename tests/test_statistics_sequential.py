"""The question that is asked after every round of seeds, and its chance of a wrong answer."""

import math

import numpy as np
import pytest
from scipy.special import ndtr, stdtrit

from bench.statistics.sequential import rounds
from freelb_tune.results.statistics.numbers.anova import Estimate, differences
from freelb_tune.results.statistics.numbers.sequential import Question, needed


def test_with_a_known_variance_it_is_walds_test():
    # d = m / 2 - log(ratio) e^2 / (n m) refutes a gain of m; a part of a seed's weight is let off
    far, ratio = 4.0, math.log(40)
    let_off = ratio - 0.583 * far / 10  # Siegmund's correction, far / 10 being a seed's weight
    assert needed(far, ratio, 100, 1e9) == pytest.approx(far / 2 + let_off / far, rel=1e-4)


def test_where_the_variance_is_estimated_the_least_that_is_asked_is_students_t():
    ratio, free = 3.0, 6.0
    asked = ratio * (1 + 2 / free)
    least = -stdtrit(free, ndtr(-math.sqrt(2 * asked)))
    found = min(needed(far, ratio, 1e12, free) for far in np.linspace(1, 20, 400))
    assert found == pytest.approx(least, rel=1e-3)


def test_answers_are_better_below_and_open():
    question = Question(0.01, 4)
    said = {m: question.answer(Estimate(m, 0.001, 60), 10) for m in (0.0, 0.005, 0.01, -0.02)}
    assert said == {0.0: "below", 0.005: "open", 0.01: "better", -0.02: "below"}


def test_more_configurations_and_later_looks_ask_for_more():
    one, many, later = Question(0.01, 1), Question(0.01, 32), Question(0.01, 1, 0.1)
    assert many.better - one.better == pytest.approx(math.log(32))
    assert many.below == one.below  # wrong only if one certain configuration is called so
    assert later.below - one.below == pytest.approx(math.log(10))


def test_the_study_and_the_search_answer_alike():
    rng = np.random.default_rng(3)
    question = Question(1.4, 3)  # one deviation of a paired difference
    drawn = rng.standard_normal((6, 4, 60))
    drawn[:3, 2] += 1.4
    ended = rounds(drawn, question)
    for search in range(6):
        table, open_, cells = np.full((4, 60), np.nan), [1, 2, 3], 0
        for n in range(1, 61):
            table[[0, *open_], n - 1] = drawn[search, [0, *open_], n - 1]
            cells += 1 + len(open_)
            if n < 2:
                continue
            (found,) = differences([table[:, :n]])
            answers = {at: question.answer(found[at - 1], n) for at in open_}
            better = [at for at in open_ if answers[at] == "better"]
            open_ = [at for at in open_ if answers[at] == "open"]
            if better or not open_:
                break
        assert cells == ended.cells[search]
        assert (ended.better[search] or None) in (better or [None])


@pytest.mark.parametrize("configurations", [1, 4])
@pytest.mark.parametrize("gain", [0.0, 1.0])
def test_it_is_wrong_in_at_most_one_of_twenty_whenever_it_ends(configurations, gain):
    rng = np.random.default_rng(configurations)
    drawn = rng.standard_normal((600, configurations + 1, 60)) * 0.5**0.5
    drawn[:, 1] += gain
    ended = rounds(drawn, Question(1.0, configurations))
    right = ended.better == 1 if gain else ended.better == 0
    assert (~right & ~ended.is_open).mean() < 0.05 + 2 * 0.009  # two standard errors
    assert ended.is_open.mean() < 0.03
