"""ASHA replayed on recorded curves: what it saves, and what it loses where a curve misleads."""

import pytest
from store_fixtures import Search, cell

from bench.replay import curves, replay


def test_curves_that_keep_their_order_lose_nothing_and_save_epochs():
    rising = {str(step): [step / 10, step / 5, step / 2, float(step)] for step in range(9)}
    got = replay(rising, 3, 100)
    assert (got.found, got.lost, got.most_lost) == (1.0, 0.0, 0.0)
    assert 0.25 < got.share < 0.7


def test_a_slow_starter_is_lost_in_most_orders_and_kept_where_it_is_first():
    misleading = {"slow": [0.0, 0.0, 0.0, 9.0]}
    misleading |= {str(step): [1.0 + step] * 4 for step in range(5)}
    got = replay(misleading, 3, 200)
    assert got.found == pytest.approx(1 / 6, abs=0.09)  # the first at a rung always goes on
    assert got.most_lost == 4.0


def test_curves_are_means_over_seeds_of_the_compared_arm_and_a_hole_is_told(tmp_path):
    arms = ({}, {"adv_lr": 0.1}, {"adv_lr": 0.2})
    cells = [cell(seed, **arm) for seed in (1, 2) for arm in arms]
    search = Search(cells)
    for each in cells:
        if each.arm == "adversarial":
            search.end(each, 0.5 + 0.01 * each.seed, 0.6 + 0.01 * each.seed)
    found = curves(search.write(tmp_path / "whole"))
    assert len(found) == 2
    assert all(curve == pytest.approx([51.5, 61.5]) for curve in found.values())
    hole = Search(cells[1:3] + cells[4:5])
    hole.end(cells[1], 0.5, 0.6).end(cells[4], 0.5)
    with pytest.raises(SystemExit, match="only a whole grid can be replayed"):
        curves(hole.write(tmp_path / "hole"))
