"""What a search lacks, its table says: one seed, predictions gone, two dev sets, no clean arm."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
from store_fixtures import Search, cell

from freelb_tune.errors import FreeLBTuneError
from freelb_tune.results import write_outputs
from freelb_tune.results.analysis import analyse, judge
from freelb_tune.store import load_store


def predict(folder, each, right, count=100):
    """Keep predictions of a cell's only epoch: the first so many of the dev examples are right."""
    labels = np.arange(count) % 2
    guesses = np.where(np.arange(count) < right, labels, 1 - labels)
    home = folder / "cells" / each.id / "predictions"
    home.mkdir()
    arrays = {"dev.logits": np.eye(2, dtype=np.float32)[guesses], "dev.labels": labels}
    np.savez(home / "epoch_0001.npz", **arrays)


def searched(
    folder, *, seeds=(1, 2, 3), sizes=(100, 100), arms=({}, {"adv_lr": 0.1}), state="done"
):
    """A clean arm and a slightly better one; dev examples by arm, 0 for no predictions."""
    search, kept = Search([cell(seed, **arm) for arm in arms for seed in seeds]), []
    for at, each in enumerate(search.cells):
        size = sizes[at // len(seeds)]
        right = 70 + at % 2 + 3 * (each.arm == "adversarial")
        search.end(each, right / (size or 100), state=state)
        kept.append((each, right, size))
    search.write(folder)
    for each, right, size in kept:
        if size:
            predict(folder, each, right, size)
    return folder


def table(folder):
    write_outputs(folder, judge)
    return (folder / "table.md").read_text()


def test_one_seed_has_no_spread_and_claims_nothing(tmp_path):
    text = table(searched(tmp_path, seeds=(1,)))
    assert "One seed (1): nothing here tells how much a seed alone moves these numbers." in text
    assert (
        "One seed: cannot be told from luck. The best setting, adv_lr 0.1, batch size 16, is +4"
        in text
    )
    assert analyse(load_store(tmp_path)).verdict.better == frozenset()


def test_where_predictions_are_missing_seeds_are_compared_and_that_is_said(tmp_path):
    text = table(searched(tmp_path, sizes=(100, 0)))
    assert "Predictions are missing: nothing is said about other examples." in text
    assert "95 % interval over seeds" in text


def test_one_cell_without_predictions_is_named_with_the_setting_it_is_of(tmp_path):
    arms = ({}, {"adv_lr": 0.1}, {"adv_lr": 0.2})
    folder = searched(tmp_path, sizes=(100,) * 3, arms=arms)
    lost = load_store(folder).cells[-1]
    shutil.rmtree(lost.folder / "predictions")
    text = table(folder)
    assert "nothing is said about other examples for adv_lr 0.2." in text
    assert f"Without the predictions of cell {lost.cell.id}: there are none." in text


def test_one_seed_without_predictions_claims_nothing(tmp_path):
    text = table(searched(tmp_path, seeds=(1,), sizes=(0, 0)))
    assert (
        "One seed: cannot be told from luck. The best setting, adv_lr 0.1, batch size 16, is +"
        in text
    )


def test_two_dev_sets_under_one_name_are_refused_and_the_rows_are_kept(tmp_path):
    folder = searched(tmp_path, sizes=(100, 90))
    write_outputs(folder)  # as while the search ran
    with pytest.raises(FreeLBTuneError, match="two different dev sets under one name: 100 .* 90"):
        table(folder)
    assert "0.7" in (folder / "trials.csv").read_text()


def test_without_a_clean_arm_there_is_no_verdict_and_that_is_said(tmp_path):
    cells = [replace(cell(seed, adv_lr=lr), clean_id=None) for lr in (0.1, 0.2) for seed in (1, 2)]
    search = Search(cells)
    for at, each in enumerate(cells):
        search.end(each, 0.7 + at / 100)
    text = table(search.write(tmp_path))
    assert "No verdict: the clean arm is switched off (clean_arm: false)" in text
    assert "was not measured: the clean arm is switched off." in text
    assert "**" not in text  # nothing is bold


def test_a_search_whose_cells_all_failed_has_a_table_that_says_so(tmp_path):
    text = table(searched(tmp_path, sizes=(0, 0), state="failed"))
    assert "No verdict: all 6 cells failed." in text
    assert "0 of 6 cells done, 6 failed; there is nothing to compare" in text
    assert "3 of 3 seeds failed" in text
    assert "## Choosing" not in text
