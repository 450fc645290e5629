"""Both arms on every evaluation set: what is shown, what is tested, and when."""

import csv
from dataclasses import replace

import numpy as np
import pytest
from glue_fixtures import glue_cell, write_search
from statistics_fixtures import arm

from freelb_tune import open_results
from freelb_tune.results.analysis import judge
from freelb_tune.results.outputs import write_outputs
from freelb_tune.results.statistics.comparing.contrast import contrasts, holm
from freelb_tune.results.statistics.comparing.further_sets import compare_sets
from freelb_tune.results.statistics.numbers.calibration import calibration_error
from freelb_tune.results.tables.robustness import COLUMNS
from freelb_tune.space.settings.also import TEST
from freelb_tune.store.cells.predictions import predictions_differ

SEEDS = (1, 2, 3, 4)
LABELS = np.arange(200) % 2
# rights of 200 on dev and on the set `hard`, by seed; 0.2 is the best on dev alone
RIGHT = {
    None: ([140, 141, 139, 140], [90, 91, 89, 90]),
    0.1: ([141, 140, 140, 141], [150, 151, 149, 150]),
    0.2: ([150, 151, 149, 151], [80, 81, 79, 80]),
}


def searched(folder, last="done", *, space="", sets=("dev", "hard")):
    """A clean arm and two configurations; the last seed of the last one ends as told."""
    runs, kept = [], []
    for lr, rights in RIGHT.items():
        for at, seed in enumerate(SEEDS):
            cell = glue_cell("rte", seed, **({} if lr is None else {"adv_lr": lr}))
            right = dict(zip(("dev", "hard"), (each[at] for each in rights), strict=True))
            right = {name: right[name] for name in sets}
            scores = {n: right[n] / 200 for n in sets}
            metrics = {"accuracy" if n == "dev" else f"{n}.accuracy": s for n, s in scores.items()}
            runs.append((cell, [metrics], "done"))
            kept.append((cell, right))
    runs[-1] = (*runs[-1][:2], last)
    write_search(folder, "rte", runs, space=space)
    for cell, right in kept:
        home = folder / "cells" / cell.id / "predictions"
        home.mkdir(parents=True, exist_ok=True)
        arrays = {}
        for name, count in right.items():
            guesses = np.where(np.arange(200) < count, LABELS, 1 - LABELS)
            arrays[f"{name}.logits"] = 20 * np.eye(2, dtype=np.float32)[guesses]  # quite sure
            arrays[f"{name}.labels"] = LABELS
        np.savez(home / "epoch_0001.npz", **arrays)
    return folder


def rows_of(folder):
    with (folder / "robustness.csv").open(encoding="utf-8") as file:
        return {row["set"]: row for row in csv.DictReader(file)}


def test_the_configuration_that_dev_chose_stands_beside_its_clean_arm_on_each_set(tmp_path):
    write_outputs(searched(tmp_path), judge)
    rows = rows_of(tmp_path)
    chosen = glue_cell("rte", adv_lr=0.2)
    assert list(rows) == ["dev", "hard"]
    assert list(rows["hard"]) == [column.name for column in COLUMNS]
    assert {row["config_id"] for row in rows.values()} == {chosen.config_id}
    hard = rows["hard"]
    assert (float(hard["best_mean"]), float(hard["clean_mean"])) == (0.4, 0.45)
    assert float(hard["difference"]) == pytest.approx(-0.05)
    assert float(hard["low"]) < -0.05 < float(hard["high"]) < 0
    assert (hard["examples"], hard["best_n"], hard["better"]) == ("200", "4", "False")
    # as sure as can be and right in 40 of 100: the gap is 60
    assert float(hard["best_ece"]) == pytest.approx(0.6, abs=1e-4)
    text = (tmp_path / "robustness.md").read_text("utf-8")
    assert "< 0.001 |" in text  # and in files for programs the number
    assert 0 < float(hard["p_adjusted"]) < 0.001
    assert "| hard | 200 | 45.00 ± 0.41 | 40.00 ± 0.41 | -5.00 |" in text
    assert "Beside the dev set adv_lr 0.2 is worse than its clean arm on hard." in text
    assert "Holm over 2 configurations on 1 further set" in text


def test_page_and_python_have_the_same_table(tmp_path):
    write_outputs(searched(tmp_path), judge)
    page = (tmp_path / "report.html").read_text("utf-8")
    assert "Beside the dev set adv_lr 0.2 is worse than its clean arm on hard." in page
    assert '<td class="num">45.00 ± 0.41</td>' in page
    frame = open_results(tmp_path).robustness
    assert frame["set"].tolist() == ["dev", "hard"]
    assert frame["best_mean"].tolist() == [
        float(r["best_mean"]) for r in rows_of(tmp_path).values()
    ]


def test_the_dev_sets_row_says_what_the_verdict_says(tmp_path):
    write_outputs(searched(tmp_path), judge)
    with (tmp_path / "configurations.csv").open(encoding="utf-8") as file:
        ranked = {row["config_id"]: row for row in csv.DictReader(file)}
    dev = rows_of(tmp_path)["dev"]
    for name in ("difference", "low", "high", "p_adjusted", "better"):
        assert dev[name] == ranked[dev["config_id"]][name]


@pytest.mark.parametrize("is_judged", [True, False])
def test_before_the_planned_end_there_are_means_and_no_difference(tmp_path, is_judged):
    write_outputs(searched(tmp_path, last=None), judge if is_judged else None)
    rows = rows_of(tmp_path)  # 0.2 has a seed to come, so that 0.1 is the best of the complete
    assert rows["hard"]["best_mean"] == "0.75"
    assert {row[n] for row in rows.values() for n in ("difference", "low", "p_adjusted")} == {""}
    text = (tmp_path / "robustness.md").read_text("utf-8")
    assert "Verdict after 1 more cell." in text
    assert "| hard | - | 45.00 ± 0.41 | 75.00 ± 0.41 | - | - | - | - | - |" in text


def test_without_a_further_set_there_is_no_such_table(tmp_path):
    write_outputs(searched(tmp_path, sets=("dev",)), judge)
    assert not list(tmp_path.glob("robustness.*"))
    assert "Other evaluation sets" not in (tmp_path / "report.html").read_text("utf-8")
    assert open_results(tmp_path).robustness.empty


def test_a_search_that_dev_ended_tests_nothing_on_further_sets(tmp_path):
    rounds = "search: {algorithm: verdict, margin: 1.0}\n"
    write_outputs(searched(tmp_path, space=rounds), judge)
    assert rows_of(tmp_path)["hard"]["p_adjusted"] == ""
    text = (tmp_path / "robustness.md").read_text("utf-8")
    assert "end by the dev set, so nothing is tested on other sets" in text


def noisy_arms(rng, gains):
    """Arms over six seeds and 400 examples, each configuration better by so much."""
    rates = [0.7, *(0.7 + gain for gain in gains)]
    rights = [(rng.random((6, 400)) < rate).astype(int) for rate in rates]
    return [arm("clean" if at == 0 else f"c{at}", rows) for at, rows in enumerate(rights)]


def test_all_configurations_on_all_sets_are_one_family():
    rng = np.random.default_rng(0)
    dev = noisy_arms(rng, (0.0, 0.0))
    sets = {"a": noisy_arms(rng, (0.03, 0.0)), "b": noisy_arms(rng, (0.0, 0.05))}
    told = compare_sets(dev, sets, "accuracy", "higher", 1)
    assert list(told) == [("a", "c1"), ("a", "c2"), ("b", "c1"), ("b", "c2")]
    raw = [one.comparison.p for arms in sets.values() for one in contrasts(arms, "accuracy")]
    # the first look has a share of the chance; what Holm gives is divided by it, alike for all
    ratios = [one.p_adjusted / p for one, p in zip(told.values(), holm(raw), strict=True)]
    small = [r for r, one in zip(ratios, told.values(), strict=True) if one.p_adjusted < 1]
    assert small
    assert small == pytest.approx([small[0]] * len(small))


def test_a_run_below_chance_on_a_set_has_not_collapsed_unless_it_has_on_dev():
    # on the attacked set all runs are below chance: that is what the set is for
    def right(count, seeds=5):
        return [[1] * (count + s) + [0] * (200 - count - s) for s in range(seeds)]

    dev = [arm("clean", right(150)), arm("c1", right(152))]
    attacked = {"attacked": [arm("clean", right(40)), arm("c1", right(60))]}
    (told,) = compare_sets(dev, attacked, "accuracy", "higher", 1).values()
    assert told.collapsed == told.clean_collapsed == ()
    assert told.better
    fallen = [arm("clean", right(150)), arm("c1", [*right(152)[:4], [1] * 100 + [0] * 100])]
    (told,) = compare_sets(fallen, attacked, "accuracy", "higher", 1).values()
    assert told.collapsed == (5,)


def test_what_folds_share_is_told_by_dev_and_not_by_a_large_further_set():
    def folded(overlap, rights):
        made = []
        for at, rows in enumerate(rights):
            one = arm("clean" if at == 0 else "c1", rows)
            runs = (replace(run, seed=1, fold=run.seed) for run in one.runs)
            made.append(replace(one, runs=tuple(runs), overlap=overlap))
        return made

    rng = np.random.default_rng(1)
    rights = [(rng.random((5, 80)) < rate).astype(int) for rate in (0.6, 0.75)]
    dev = folded(0.25, rights)
    told = [
        compare_sets(dev, {"hard": folded(own, rights)}, "accuracy", "higher", 1)["hard", "c1"]
        for own in (0.25, 75.0)
    ]
    assert told[0].n_folds == 5
    assert told[0].p_adjusted == told[1].p_adjusted
    assert (told[0].low, told[0].high) == (told[1].low, told[1].high)


def test_calibration_is_the_mean_gap_of_the_bins():
    # confidences 0.9 (two, one right: gap 0.4 in a bin of its own) and 0.6 (two, both right: 0.4)
    sure, less = np.log([0.9, 0.1]), np.log([0.6, 0.4])
    logits = np.array([sure, sure, less, less], dtype=np.float32)
    assert calibration_error(logits, np.array([0, 1, 0, 0])) == pytest.approx(0.4, abs=1e-6)
    # in one bin gaps cancel: 0.9 right and 0.9 wrong of ten gives the claimed nine of ten
    ten = np.repeat(logits[:1], 10, axis=0)
    assert calibration_error(ten, np.array([0] * 9 + [1])) == pytest.approx(0.0, abs=1e-6)
    assert calibration_error(logits[:, :1], np.array([0.5, 1.5, 2.0, 1.0])) is None
    assert calibration_error(logits, np.array([[0, 1]] * 4)) is None


def keep_test(folder, right, file="f1"):
    """Keep predictions on `data.test` of cells that are there, so many of 200 right, by adv_lr."""
    for lr, counts in right.items():
        for at, seed in enumerate(SEEDS):
            cell = glue_cell("rte", seed, **({} if lr is None else {"adv_lr": lr}))
            path = folder / "cells" / cell.id / "predictions" / "epoch_0001.npz"
            with np.load(path) as kept:
                arrays = dict(kept)
            guesses = np.where(np.arange(200) < counts[at], LABELS, 1 - LABELS)
            arrays[f"{TEST}.logits"] = np.eye(2, dtype=np.float32)[guesses]
            arrays[f"{TEST}.labels"], arrays[f"{TEST}.file"] = LABELS, np.array(file)
            np.savez(path, **arrays)


TESTED = {None: [120, 121, 119, 120], 0.2: [140, 141, 139, 141], 0.1: [199, 199, 199, 199]}


def test_data_test_is_scored_for_the_chosen_pair_alone(tmp_path):
    keep_test(searched(tmp_path, sets=("dev",)), TESTED)
    write_outputs(tmp_path, judge)
    rows = rows_of(tmp_path)
    assert list(rows) == ["dev", "test"]
    row = rows["test"]
    # 0.1 would be far better on test, and dev has chosen 0.2
    assert row["config_id"] == glue_cell("rte", adv_lr=0.2).config_id
    assert float(row["best_mean"]) == pytest.approx(140.25 / 200)
    assert float(row["clean_mean"]) == 0.6
    assert float(row["difference"]) == pytest.approx(20.25 / 200)
    assert float(row["low"]) > 0
    assert row["better"] == "True"
    assert "99.50" not in (tmp_path / "robustness.md").read_text("utf-8")


def test_before_the_planned_end_nothing_is_written_of_data_test(tmp_path):
    keep_test(searched(tmp_path, last=None), TESTED)
    write_outputs(tmp_path, judge)
    assert list(rows_of(tmp_path)) == ["dev", "hard"]
    written = "".join(path.read_text("utf-8") for path in tmp_path.glob("*.[mcjh]*[dvnl]"))
    assert "70.12" not in written
    assert "0.70125" not in written


def test_a_test_file_that_has_changed_is_not_scored(tmp_path):
    keep_test(searched(tmp_path), TESTED)
    keep_test(tmp_path, {None: TESTED[None]}, file="f2")
    write_outputs(tmp_path, judge)
    assert list(rows_of(tmp_path)) == ["dev", "hard"]
    assert "data.test has changed since some" in (tmp_path / "robustness.md").read_text("utf-8")


def test_predictions_on_another_test_file_make_no_other_cell(tmp_path):
    keep_test(searched(tmp_path / "a"), TESTED)
    searched(tmp_path / "b")
    home = "cells/" + glue_cell("rte", 1).id
    assert not predictions_differ(tmp_path / "a" / home, tmp_path / "b" / home, 1)
