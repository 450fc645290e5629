import csv
import json

import numpy as np
import pytest
from store_fixtures import SPACE, Search, cell, table_text

from freelb_tune.results import build_table
from freelb_tune.results.analysis import arms_of, judge
from freelb_tune.results.outputs import write_outputs
from freelb_tune.store import load_store


def arms(folder):
    store = load_store(folder)
    return arms_of(store, build_table(store), [])


LABELS = np.arange(100) % 2


def predict(folder, result_cell, epoch, right):
    """Keep predictions of 100 dev examples of which the first so many are right."""
    guesses = np.where(np.arange(100) < right, LABELS, 1 - LABELS)
    logits = np.eye(2, dtype=np.float32)[guesses]
    home = folder / "cells" / result_cell.id / "predictions"
    home.mkdir(exist_ok=True)
    np.savez(
        home / f"epoch_{epoch:04d}.npz", **{"dev.logits": logits, "dev.labels": LABELS}
    )  # as a trial does


def four_cells(folder):
    """A clean arm and one adversarial configuration over two seeds; the best epoch is the first."""
    search = Search([cell(1), cell(2), cell(1, adv_lr=0.1), cell(2, adv_lr=0.1)])
    for place, each in enumerate(search.cells):
        search.end(each, 0.7 + place / 100, 0.6)
    search.write(folder)
    for place, each in enumerate(search.cells):
        predict(folder, each, 1, 70 + place)
        predict(folder, each, 2, 60)
    return search


def test_arms_hold_the_finished_runs_at_the_selected_epoch(tmp_path):
    search = four_cells(tmp_path)
    clean, tried = arms(tmp_path)
    assert clean.is_clean
    assert clean.name == "clean arm, batch size 16"
    assert tried.name == "adv_lr 0.1, batch size 16"
    assert tried.clean_id == clean.config_id == search.cells[0].config_id
    assert [(run.seed, run.score) for run in tried.runs] == [(1, 0.72), (2, 0.73)]
    for run in (*clean.runs, *tried.runs):
        assert (run.logits.argmax(axis=1) == run.labels).mean() == round(run.score, 2)


def test_the_last_epoch_is_judged_where_it_is_shown(tmp_path):
    four_cells(tmp_path)
    (tmp_path / "space.yaml").write_text(SPACE.replace("best_epoch", "last_epoch"))
    assert {run.score for arm in arms(tmp_path) for run in arm.runs} == {0.6}


def test_only_finished_runs_are_judged_and_missing_predictions_are_none(tmp_path):
    search = Search([cell(seed) for seed in range(4)])
    for each, state in zip(search.cells, ("done", "stopped", "failed", "diverged"), strict=True):
        search.end(each, 0.5, state=state)
    search.write(tmp_path)
    (arm,) = arms(tmp_path)
    assert (arm.planned, arm.failed, arm.is_complete) == (4, 2, False)
    assert [(run.seed, run.logits, run.labels) for run in arm.runs] == [(0, None, None)]


def test_the_verdict_of_a_search_stands_under_its_table(tmp_path):
    four_cells(tmp_path)
    store = load_store(tmp_path)
    told = judge(store, build_table(store))
    assert [each.config_id for each in told.comparisons] == [cell(1, adv_lr=0.1).config_id]
    assert round(told.comparisons[0].difference, 6) == 0.02
    assert told.sentence in table_text(tmp_path, judge)


def test_a_margin_that_is_added_later_is_tested_in_the_tables_unit(tmp_path):
    four_cells(tmp_path)  # +2 points with either seed: as steady as 100 examples can tell
    (tmp_path / "space.yaml").write_text(SPACE + "verdict: {margin: 7}\n")
    write_outputs(tmp_path, judge)
    printed = (tmp_path / "table.md").read_text()
    assert "It is within 7.0 points of the clean arm (two one-sided tests, 95 %)" in printed
    told = json.loads((tmp_path / "table.json").read_text())["verdict"]
    assert told["margin"] == 0.07
    assert told["comparisons"][0]["flips"] == {"beneficial": 2.0, "harmful": 0.0}
    ranked = list(csv.DictReader((tmp_path / "configurations.csv").open()))
    row = next(each for each in ranked if each["arm"] == "adversarial")
    assert (row["beneficial"], row["harmful"]) == ("2.0", "0.0")
    exact = told["comparisons"][0]
    assert exact["p_equivalent"] <= 0.05
    assert exact["gain_below"] > 0.02
    for name in ("p_equivalent", "gain_below"):  # to twelve digits there
        assert float(row[name]) == pytest.approx(exact[name], rel=1e-11)


def test_configurations_that_turn_out_to_predict_the_same_are_named(tmp_path):
    cells = [cell(1), cell(1, adv_lr=0.1, max_norm=0.5), cell(1, adv_lr=0.1, max_norm=0.9)]
    search = Search(cells)
    for at, each in enumerate(cells):
        search.end(each, 0.7 + min(at, 1) / 100)
    search.write(tmp_path)
    for at, each in enumerate(cells):
        predict(tmp_path, each, 1, 70 + min(at, 1))
    store = load_store(tmp_path)
    (note,) = (n for n in judge(store, build_table(store)).footnotes if n.startswith("Identical"))
    assert ": max_norm 0.5; max_norm 0.9. They " in note
    assert note.endswith("differ in max_norm alone, which did nothing here.")
