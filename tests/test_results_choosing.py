"""What choosing does, as a search's outputs say it: curves, importance, pairs, figures."""

import json
import re
import time

import numpy as np
import pytest
from store_fixtures import Search, cell, grid

from freelb_tune.results import write_outputs
from freelb_tune.results.analysis import judge
from freelb_tune.results.statistics.choosing.best_of import best_of
from freelb_tune.results.statistics.choosing.importance import importances

FILES = ("selection.json", "cost.json", "report.html", "table.md")


def searched(folder, scores=None):
    """ParaGen's grid, finished: two clean arms, eight adversarial ones, scores by adv_lr."""
    search = Search(grid())
    for at, each in enumerate(search.cells):
        lr = each.settings.get("adversary.adv_lr", 0.0)
        search.end(each, scores[at] if scores else 0.7 + lr + at / 1000)
    return search.write(folder)


@pytest.fixture(scope="module")
def paragen(tmp_path_factory):
    """The grid with everything written."""
    folder = searched(tmp_path_factory.mktemp("paragen"))
    write_outputs(folder, judge)
    return folder


def read(folder, name="selection.json"):
    return json.loads((folder / name).read_text())


def test_every_arm_has_its_curve(paragen):
    clean, freelb = read(paragen)["best_of"]
    assert (clean["arm"], freelb["arm"]) == ("clean arm", "freelb")
    assert [point["trials"] for point in freelb["points"]] == list(range(1, 9))
    assert freelb["points"][-1]["expected"] == pytest.approx(0.809)  # all 8: the best itself
    assert clean["points"][0]["expected"] == pytest.approx(0.7025)  # 1: the mean
    text = (paragen / "table.md").read_text()
    assert "| best of | 1 | 2 | 4 | 8 |" in text
    assert "| clean arm | 70.25 | 70.50 | - | - |" in text


def test_device_hours_stand_apart_as_they_differ_from_run_to_run(paragen):
    points = read(paragen, "cost.json")["best_of"][1]["points"]
    assert points[1]["hours"] == pytest.approx(2 * 2.0 / 3600)  # an epoch takes 1.5 + 0.5 s
    assert "hours" not in (paragen / "selection.json").read_text()


def test_importance_and_the_pair_that_matters_most_are_said(paragen):
    found = read(paragen)
    assert found["importance"][0]["setting"] == "adversary.adv_lr"
    assert {"share", "low", "high"} < set(found["importance"][0])
    assert [pair["first"] for pair in found["pairs"]].count("adversary.adv_lr") == 2
    text = (paragen / "table.md").read_text()
    assert re.search(r"\| adv_lr \| 8 \| \d+ % \| \d+ to \d+ % \|", text)
    assert "| init_mag with max_norm | 8 |" in text
    assert "(n=2)" in text


def test_a_seed_short_is_not_chosen_from(tmp_path):
    cells = [cell(seed, adv_lr=lr) for lr in (0.1, 0.2, 0.3) for seed in (1, 2)]
    search = Search(cells)
    for each in cells[:-1]:
        search.end(each, 0.5)
    write_outputs(search.end(cells[-1], 0.99, state="failed").write(tmp_path), judge)
    (curve,) = read(tmp_path)["best_of"]
    assert [point["expected"] for point in curve["points"]] == [pytest.approx(0.5)] * 2


def test_where_less_is_better_the_curve_falls(tmp_path):
    space = "search: {metric: rmse}"
    search = Search(grid())
    for at, each in enumerate(search.cells):
        search.end(each, 0.5 + at / 100)
    write_outputs(search.write(tmp_path, space=space, task="regression"), judge)
    points = [point["expected"] for point in read(tmp_path)["best_of"][1]["points"]]
    assert points == sorted(points, reverse=True)


def test_two_writings_are_the_same_bytes_the_page_included(paragen):
    first = {name: (paragen / name).read_bytes() for name in FILES}
    for name in FILES:
        (paragen / name).unlink()
    write_outputs(paragen, judge)
    assert {name: (paragen / name).read_bytes() for name in FILES} == first


def test_equal_scores_have_a_curve_and_no_importance(tmp_path):
    write_outputs(searched(tmp_path, [0.5] * 10), judge)
    assert read(tmp_path)["importance"] == []
    points = read(tmp_path)["best_of"][1]["points"]
    assert [point["expected"] for point in points] == [pytest.approx(0.5)] * 8


def test_while_a_search_runs_nothing_of_this_is_worked_out(tmp_path):
    write_outputs(searched(tmp_path))
    assert not [name for name in FILES[:2] if (tmp_path / name).exists()]
    assert "## Choosing" not in (tmp_path / "table.md").read_text()


def test_a_search_without_results_has_an_empty_selection(tmp_path):
    write_outputs(Search(grid()).write(tmp_path), judge)
    assert read(tmp_path)["best_of"] == read(tmp_path)["importance"] == []
    assert "## Choosing" not in (tmp_path / "table.md").read_text()


def test_thousands_of_trials_are_told_in_seconds():
    rng = np.random.default_rng(0)
    scores = rng.random(2000).tolist()
    start = time.process_time()
    curve = best_of(scores)
    assert curve[-1].expected == pytest.approx(max(scores))
    assert curve[0].expected == pytest.approx(np.mean(scores))
    rows = [{"lr": lr, "same": 1} for lr in scores]
    assert importances(rows, scores)[0].share > 0.9
    assert time.process_time() - start < 6
