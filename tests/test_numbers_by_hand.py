"""Numbers that a user reads, worked out by hand: columns, the adversary's health, names, marks."""

import csv
import json
import math
from datetime import UTC, datetime, timedelta

import pytest
import torch
from scipy import stats
from store_fixtures import Search, cell

from freelb_tune.adversary import Outcome
from freelb_tune.errors import DivergedError, FreeLBTuneError
from freelb_tune.results import write_outputs
from freelb_tune.results.statistics.numbers.steadiness import (
    bounded,
    is_unsteady,
    unsteady_difference,
)
from freelb_tune.space.cells.naming import cell_labels, short_name, trial_namer, value_text
from freelb_tune.space.settings.adversaries import FreeLBSettings, NoneSettings
from freelb_tune.store import Journal, load_store
from freelb_tune.training.cells.checkpoint import replace_folder
from freelb_tune.training.cells.new_settings import changed_settings, write_settings
from freelb_tune.training.trainer_parts.health import Health
from freelb_tune.watching.snapshot import change_mark, duration, snapshot

SEEDS = (1, 2, 3)
CLEAN = ((0.60, 0.70), (0.64, 0.62), (0.66, 0.66))  # each seed's score after both epochs
TRIED = ((0.70, 0.80), (0.76, 0.74), (0.75, 0.70))


def searched(folder, select="best_epoch"):
    """One configuration and its clean arm over three seeds, and one that is incomplete."""
    cells = [cell(seed) for seed in SEEDS]
    cells += [cell(seed, adv_lr=lr) for lr in (0.1, 0.2) for seed in SEEDS]
    made = Search(cells)
    for each, scores in zip(cells[:6], (*CLEAN, *TRIED), strict=True):
        made.end(each, *scores)
    made.end(cells[6], 0.9, 0.9).end(cells[7], state="failed")
    space = f"name: rte_grid\ntask: rte\ntable: {{rows: [adv_lr], select: {select}}}\n"
    made.write(folder, space=space)
    write_outputs(folder)
    return folder


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_every_score_of_configurations_csv_is_the_one_that_its_column_says(tmp_path):
    best, clean, incomplete = _by_lr(searched(tmp_path))
    # best epochs: 0.80, 0.76, 0.75 and of the clean arm 0.70, 0.64, 0.66
    tops, clean_tops, lasts = (0.80, 0.76, 0.75), (0.70, 0.64, 0.66), (0.80, 0.74, 0.70)
    assert numbers(best, "mean", "best_epoch_mean") == pytest.approx((0.77, 0.77))
    assert numbers(best, "sd", "best_epoch_sd") == pytest.approx((stdev(tops),) * 2)
    assert numbers(best, "clean_mean", "clean_sd") == pytest.approx((2 / 3, stdev(clean_tops)))
    assert numbers(best, "last_epoch_mean", "last_epoch_sd") == pytest.approx(
        (sum(lasts) / 3, stdev(lasts))
    )
    assert (best["place"], best["n"], best["planned"]) == ("1", "3", "3")
    assert (clean["place"], clean["clean_mean"], clean["arm"]) == ("", "", "clean")
    assert (incomplete["place"], incomplete["n"], incomplete["planned"]) == ("", "1", "3")
    assert (incomplete["mean"], incomplete["sd"]) == ("0.9", "")  # one seed has no deviation
    assert {each["unit"] for each in (best, clean, incomplete)} == {"fraction"}


def test_where_the_last_epoch_counts_the_scores_are_of_that_one(tmp_path):
    best, clean, _ = _by_lr(searched(tmp_path, "last_epoch"))
    assert numbers(best, "mean", "best_epoch_mean") == pytest.approx((2.24 / 3, 0.77))
    assert numbers(best, "clean_mean") == pytest.approx((1.98 / 3,))
    assert numbers(clean, "last_epoch_mean", "best_epoch_mean") == pytest.approx((0.66, 2 / 3))


def test_the_ways_of_one_search_agree_with_each_other(tmp_path):
    best, _, _ = _by_lr(searched(tmp_path))
    table = json.loads((tmp_path / "table.json").read_text("utf-8"))
    trials = rows(tmp_path / "trials.csv")
    own = [each for each in trials if each["config_id"] == best["config_id"]]
    assert [each["best_accuracy"] for each in own] == ["0.8", "0.76", "0.75"]
    assert [each["best_epoch"] for each in own] == ["2", "1", "1"]
    assert [each["seconds"] for each in own] == ["4.0"] * 3  # two epochs of 1.5 and 0.5 s
    assert [each["passes"] for each in own] == ["60"] * 3
    assert (table["others"], table["clean_arm"].count("66.67 ± 3.06 (n=3)")) == (0, 1)
    failed = [each for each in trials if each["state"] == "failed"]
    assert [each["message"] for each in failed] == ["'=its loss is nan"]  # no formula


def _by_lr(folder):
    by = {each["adversary.adv_lr"]: each for each in rows(folder / "configurations.csv")}
    return by["0.1"], by[""], by["0.2"]


def numbers(row, *names):
    return tuple(float(row[name]) for name in names)


def stdev(values):
    mean = sum(values) / len(values)
    return math.sqrt(sum((each - mean) ** 2 for each in values) / (len(values) - 1))


# --- the adversary's health


def outcome(losses, *lengths, adversarial=None):
    """A mini-batch whose examples' perturbations have these lengths, on one token each."""
    delta = None
    if lengths:
        delta = torch.zeros(len(lengths), 2, 3)
        delta[:, 0, 1] = torch.tensor(lengths)
    losses = torch.tensor(losses)
    return Outcome(losses, losses if adversarial is None else torch.tensor(adversarial), delta, 2)


def test_an_epochs_health_is_the_mean_over_its_examples():
    health = Health(FreeLBSettings(max_norm=0.5))
    health.add(outcome([1.0, 2.0], 0.5, 0.25))
    health.add(outcome([3.0], 0.5))
    health.probe(outcome([1.0, 2.0], adversarial=[1.5, 2.5]), torch.tensor([1.0, 1.0]))
    said = health.read()
    assert said.train_loss == pytest.approx(2.0)
    assert said.delta_norm == pytest.approx(1.25 / 3)
    assert said.delta_ratio == pytest.approx(1.25 / 3 / 0.5)
    assert said.bound_share == pytest.approx(2 / 3)  # two of three lie on the ball
    assert said.adv_loss_gain == pytest.approx(1.0)
    health.restart()
    with pytest.raises(FreeLBTuneError, match="no mini-batch was trained on; is the training set"):
        health.read()


def test_without_a_ball_or_a_perturbation_there_is_no_share_of_it():
    free, clean = Health(FreeLBSettings()), Health(NoneSettings())
    free.add(outcome([1.0], 0.3))
    clean.add(outcome([1.0]))
    said = free.read()
    assert (said.delta_ratio, said.bound_share, said.adv_loss_gain) == (None, None, None)
    assert said.delta_norm == pytest.approx(0.3)
    assert vars(clean.read()) | {"train_loss": 0} == dict.fromkeys(vars(said)) | {"train_loss": 0}


def test_a_perturbation_that_stays_zero_or_a_loss_that_is_lost_ends_training():
    still, lost = Health(FreeLBSettings(init_mag=0.0, adv_lr=0.0)), Health(FreeLBSettings())
    still.add(outcome([1.0], 0.0))
    with pytest.raises(FreeLBTuneError, match="adversary freelb is configured but its perturbat"):
        still.read()
    lost.add(outcome([float("nan")], 0.1))
    with pytest.raises(DivergedError, match="the training loss is nan after 1 examples; a lower"):
        lost.read()


def test_the_clean_loss_is_asked_for_now_and_then():
    health = Health(FreeLBSettings())
    due = []
    for _ in range(101):
        due.append(health.probe_is_due)
        health.add(outcome([1.0], 0.1))
    assert [at for at, is_due in enumerate(due) if is_due] == [0, 50, 100]


# --- names


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("adversary.adv_lr", "adv_lr"),
        ("trainer.per_device_train_batch_size", "batch size"),
        ("model.adapter.type", "adapter"),
        ("model.adapter.r", "adapter.r"),
        ("model.name", "model.name"),
        ("data.max_length", "data.max_length"),
        ("loss.class_weights", "class_weights"),
        ("task", "task"),
    ],
)
def test_a_setting_is_called_one_way_wherever_people_read_it(name, said):
    assert short_name(name) == said


@pytest.mark.parametrize(
    ("value", "said"),
    [(None, "none"), (True, "true"), ("linf", "linf"), (3, "3"), (0.1, "0.1"), (1e-05, "1e-05"),
     ([1, 2], "[1, 2]"), ({"a": None}, '{"a": null}')],
)  # fmt: skip
def test_a_value_is_written_as_json_has_it(value, said):
    assert value_text(value) == said


def test_a_cell_is_told_from_the_others_by_what_varies():
    cells = [cell(seed) for seed in (1, 2)]
    cells += [cell(seed, adv_lr=lr) for lr in (0.1, 0.2) for seed in (1, 2)]
    assert list(cell_labels(cells).values()) == [
        "clean, seed 1", "clean, seed 2", "adv_lr 0.1, seed 1", "adv_lr 0.1, seed 2",
        "adv_lr 0.2, seed 1", "adv_lr 0.2, seed 2",
    ]  # fmt: skip
    name = trial_namer(cells)
    assert [name(cells[0]), name(cells[-1])] == [
        f"clean,seed=1_{cells[0].id}",
        f"adv_lr=0.2,seed=2_{cells[-1].id}",
    ]
    alone = cell(1, adv_lr=0.1)
    assert trial_namer([alone])(alone) == alone.id
    assert cell_labels([alone]) == {alone.id: alone.id}


def test_a_cell_of_many_methods_is_told_by_its_own_settings_not_by_the_first_that_vary():
    names = ("adv_lr", "init_mag", "max_norm", "norm", "relative", "adv_weight")
    cells = [cell(1, **dict.fromkeys(names, value)) for value in (0.1, 0.2)]
    cells += [cell(1, method="sam", rho=rho) for rho in (0.05, 0.5)]
    assert list(cell_labels(cells).values())[2:] == ["method sam, rho 0.05", "method sam, rho 0.5"]


# --- arms that are unsteadier than the rest


@pytest.mark.parametrize("ratio", [1.0, 3.0, 9.0, 30.0])
@pytest.mark.parametrize("level", [0.05, 0.25])
def test_an_arm_is_set_apart_by_the_f_test(ratio, level):
    # scipy.stats.f.sf is the chance of a ratio of variances at least as large
    assert bool(is_unsteady(ratio, 2, 1.0, 6, level)) == (stats.f.sf(ratio, 2, 6) <= level)
    assert not is_unsteady(0.0, 2, 0.0, 6, level)


def test_a_difference_of_an_unsteady_arm_has_satterthwaites_freedom_or_is_taken_for_five():
    # of 4 others: 40 * 5/4 + 1 * 3/4 = 50.75, above 5 + 1 times the rest's, so as it is estimated
    variance, freedom = unsteady_difference(40.0, 2, 1.0, 8, 4)
    assert float(variance) == pytest.approx(50.75)
    assert float(freedom) == pytest.approx(50.75**2 / (50.0**2 / 2 + 0.75**2 / 8))
    # 2 degrees of freedom reach t = 4.30, 100 reach 1.98: 3 x 4.30^2 = 55.5 is beyond 6 x 1.98^2
    variance, freedom = bounded(3.0, 2, 1.0, 100, 1)
    assert (float(variance), float(freedom)) == (6.0, 100)
    variance, freedom = bounded(3.0, 50, 1.0, 100, 1)
    assert (float(variance), float(freedom)) == (3.0, 50)


# --- a search as it stands


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "0 s"), (89, "89 s"), (90, "2 min"), (3600, "60 min"), (5400, "1.5 h"), (1e5, "27.8 h")],
)
def test_a_time_is_said_as_exactly_as_anybody_needs_it(seconds, said):
    assert duration(seconds) == said


def test_a_status_has_the_seconds_of_the_latest_run_and_what_was_lost(tmp_path):
    searched(tmp_path)
    with Journal(tmp_path) as journal:
        began = datetime(2026, 1, 1, tzinfo=UTC)
        opened = {"name": "rte_grid", "task": "rte", "seeds": [1, 2, 3]}
        ids = [each.cell.id for each in load_store(tmp_path).cells]
        journal.append("opened", at=began.isoformat(), pid=1, cells=ids, **opened)
        journal.append("closed", at=(began + timedelta(seconds=90)).isoformat())
    first = change_mark(tmp_path)
    said = snapshot(tmp_path).to_json()
    assert (said["state"], said["seconds_left"], said["running"]) == ("interrupted", None, [])
    assert said["seconds_elapsed"] >= 90  # to the latest word that the journal has
    assert said["warnings"] == []
    assert json.loads(json.dumps(said)) == said  # plain values alone
    assert change_mark(tmp_path) == first  # looking changes nothing
    lost = next((tmp_path / "cells").glob("*/epochs.jsonl"))
    lost.write_text("{no line of ours\n{}\n")
    assert change_mark(tmp_path) != first
    assert "Not counted: cell" in snapshot(tmp_path).to_json()["warnings"][0]


# --- what a trial leaves


def test_a_finished_folder_takes_an_older_ones_place_whole(tmp_path):
    folder, fresh = tmp_path / "checkpoint", tmp_path / "checkpoint.tmp"
    for number in (1, 2):
        fresh.mkdir()
        (fresh / "inside").mkdir()
        (fresh / "inside" / "weights").write_text(str(number))
        (fresh / "inside" / "weights").chmod(0o600)  # as some libraries write theirs
        replace_folder(fresh, folder)
        assert (folder / "inside" / "weights").read_text() == str(number)
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint"]
    mode = (folder / "inside" / "weights").stat().st_mode & 0o777
    told = tmp_path / "told"
    told.touch()
    assert mode == told.stat().st_mode & 0o777


def test_of_a_training_that_goes_on_only_the_rate_and_the_adversary_may_change(tmp_path):
    before = cell(1, adv_lr=0.1)
    assert changed_settings(tmp_path, before) == {}  # a checkpoint that says nothing
    write_settings(tmp_path, before)
    assert changed_settings(tmp_path, before) == {}
    rate = {**before.settings, "trainer.learning_rate": 1e-4, "adversary.adv_lr": 0.2}
    assert changed_settings(tmp_path, _with(before, rate)) == {
        "trainer.learning_rate": (2e-5, 1e-4),
        "adversary.adv_lr": (0.1, 0.2),
    }
    size = {**before.settings, "trainer.per_device_train_batch_size": 8}
    said = "per_device_train_batch_size was 16 when the checkpoint was made and is 8 now: of a tra"
    with pytest.raises(FreeLBTuneError, match=said):
        changed_settings(tmp_path, _with(before, size))
    with pytest.raises(FreeLBTuneError, match="take seed out of hyperparam_mutations, or give it"):
        changed_settings(tmp_path, cell(2, adv_lr=0.1))


def _with(one, settings):
    from dataclasses import replace

    return replace(one, settings=settings)
