"""Runs that learned nothing: found, and what a claim needs where there are some."""

import itertools

import numpy as np
import pytest
from sklearn.metrics import f1_score, matthews_corrcoef
from statistics_fixtures import arm, run, scored

from bench.statistics.draws import Condition
from bench.statistics.studies import simulated
from freelb_tune.results.statistics.comparing.arms import Run
from freelb_tune.results.statistics.comparing.collapse import (
    collapses,
    constant_score,
    dealt_p,
    has_collapsed,
)
from freelb_tune.space.cells.cell import Block

LABELS = np.array([0, 0, 0, 1, 1, 0, 1, 0, 0, 0])  # three of ten are 1


@pytest.mark.parametrize(
    ("metric", "score"),
    [
        ("accuracy", lambda said: np.mean(said == LABELS)),
        ("f1", lambda said: f1_score(LABELS, said)),
        ("macro_f1", lambda said: f1_score(LABELS, said, average="macro", zero_division=0)),
        ("matthews", lambda said: matthews_corrcoef(LABELS, said)),
    ],
)
def test_a_constant_answer_scores_what_it_scores(metric, score):
    best = max(score(np.full(10, answer)) for answer in (0, 1))
    assert constant_score(metric, LABELS) == pytest.approx(best)


def test_a_constant_value_is_off_by_the_deviation_of_the_labels():
    labels = np.array([1.0, 2.0, 6.0])
    assert constant_score("rmse", labels) == pytest.approx(np.std(labels))
    assert constant_score("pearson", labels) == 0.0
    assert constant_score("bleu", labels) is None


def test_a_run_no_better_than_a_constant_answer_has_collapsed():
    known = Run(1, labels=LABELS)
    assert has_collapsed(known, 0.7, "accuracy", 1.0)
    assert not has_collapsed(known, 0.8, "accuracy", 1.0)
    assert has_collapsed(known, 0.9, "rmse", -1.0)
    assert not has_collapsed(known, 0.1, "rmse", -1.0)
    assert not has_collapsed(Run(1), 0.0, "accuracy", 1.0)  # nobody knows what a constant scores


def test_collapses_are_counted_by_arm_and_named_by_seed():
    half, whole = np.arange(10) % 2, np.r_[0, np.ones(9)]
    found = collapses(
        [arm("clean", [whole, half, half]), arm("a", [whole, whole])], "accuracy", "higher"
    )
    assert found.constant == 0.5
    assert [(one.name, one.of, one.runs) for one in found.arms] == [
        ("clean", 3, ((Block(2), 0.5), (Block(3), 0.5))),
        ("a", 2, ()),
    ]
    assert collapses([arm("clean", [whole])], "accuracy", "higher") is None
    assert collapses([scored("clean", [0.1])], "accuracy", "higher") is None
    assert run(1, whole).score == 0.9


def test_dealing_out_is_the_permutation_test():
    # 2 arms x 3 seeds: all 8 ways to swap within seeds; the largest mean difference has 2 of them
    table = np.array([[0.1, 0.2, 0.3], [0.4, 0.6, 0.9]])
    ways = [
        abs(np.mean([sign * (b - a) for sign, a, b in zip(signs, *table, strict=True)]))
        for signs in itertools.product((1, -1), repeat=3)
    ]
    exact = np.mean([way >= ways[0] - 1e-12 for way in ways])
    assert dealt_p([table])[0] == pytest.approx([exact], abs=0.03)


def test_dealing_out_takes_the_farthest_of_all_configurations():
    rng = np.random.default_rng(0)
    table = rng.standard_normal((5, 4))
    table[2] += 4
    p = np.array(dealt_p([table])[0])
    assert p.argmin() == 1
    assert (np.array(dealt_p([table[[0, 2]]])[0]) >= 1 / 8 - 0.03).all()  # of 16 swaps two


def test_seeds_that_are_missing_are_not_dealt():
    table = np.array([[0.1, 0.2, np.nan], [0.4, 0.6, 0.9], [0.2, np.nan, 0.8]])
    (p,) = dealt_p([table])
    assert len(p) == 2
    assert all(0 < one <= 1 for one in p)


@pytest.mark.parametrize(("share", "arms", "seeds"), [(0.1, 1, 2), (0.2, 1, 3), (0.1, 4, 3)])
def test_collapses_in_all_arms_alike_make_no_claims(share, arms, seeds):
    rng = np.random.default_rng(arms)
    called, held, _, count = simulated(Condition(collapse=share), 4000, arms, seeds, rng)
    # 400 searches: two standard errors of 5 % are 2.2 points
    assert called / count <= 0.05 + 0.022
    assert held / count >= 0.90 - 0.03
