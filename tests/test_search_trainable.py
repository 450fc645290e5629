"""`freelb_tune.trainable` under a user's own `tune.Tuner`, with stock schedulers and searchers."""

import sys
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest
import ray
import search_fixtures
from ray import cloudpickle, tune
from ray.tune.schedulers import (
    ASHAScheduler,
    HyperBandScheduler,
    MedianStoppingRule,
    PopulationBasedTraining,
)

import freelb_tune as ft
from freelb_tune.search.ray_tune.flat_config import cell_of, check_base
from freelb_tune.training import prepare, run_cell

pytestmark = pytest.mark.slow  # they run on Ray; run this file by itself

cloudpickle.register_pickle_by_value(sys.modules[__name__])  # workers have no path to the tests

BASE = {
    "task": "entailment_toy",
    "model": "config:bert",
    "model.config": {
        **{"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2},
        **{"intermediate_size": 32, "max_position_embeddings": 48},
    },
    "data": {"max_length": 48, "max_train_examples": 48, "max_eval_examples": 40},
    "trainer": {
        **{"learning_rate": 1e-3, "num_train_epochs": 4, "per_device_train_batch_size": 16},
        "lr_scheduler_type": "constant",
    },
    "adversary": {"adv_steps": 2, "max_norm": 0.2},
}
GOOD, BAD = 1e-3, 0.3  # learning rates: with the second one dev losses are far above chance's 0.69


class Epochs(tune.Callback):
    """Keeps what each trial reported, by trial, and kills a worker where it is told to.

    Args:
        kill_at: the checkpoint after which the worker that made it dies, counted over all trials.
    """

    def __init__(self, kill_at=None):
        self.told, self.kill_at, self.checkpoints = defaultdict(list), kill_at, 0

    def on_trial_result(self, iteration, trials, trial, result, **info):
        self.told[trial.trial_id].append({**result, "config": dict(trial.config)})

    def on_checkpoint(self, iteration, trials, trial, checkpoint, **info):
        self.checkpoints += 1
        if self.checkpoints == self.kill_at:
            ray.kill(trial.temporary_state.ray_actor)


def fit(folder, space, *, epochs=None, failures=0, kept=1, cpus=1, stop=None, **config):
    """Run a Tuner over the toy task: its results, and what each trial told epoch by epoch."""
    search_fixtures.ensure_ray()
    epochs = epochs or Epochs()
    tuner = tune.Tuner(
        tune.with_resources(ft.trainable(BASE, cache=folder / "cache"), {"cpu": cpus}),
        param_space=space,
        tune_config=tune.TuneConfig(metric="dev_loss", mode="min", reuse_actors=True, **config),
        run_config=tune.RunConfig(
            storage_path=str(folder / "ray"),
            callbacks=[epochs],
            verbose=0,
            stop=stop,
            failure_config=tune.FailureConfig(max_failures=failures),
            checkpoint_config=tune.CheckpointConfig(num_to_keep=kept),
        ),
    )
    results = tuner.fit()
    return results, [epochs.told[each.metrics["trial_id"]] for each in results if each.metrics]


def numbers(told):
    """What a trial told of its epochs, without times."""
    kept = ("epoch", "step", "accuracy", "dev_loss", "train_loss", "learning_rate", "passes")
    return [{name: each[name] for name in kept} for each in told]


def test_a_trial_whose_worker_dies_goes_on_and_tells_what_a_search_would(tmp_path):
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    space = {"adversary.adv_lr": 0.05, "seed": 2}
    results, (told,) = fit(tmp_path, space, epochs=Epochs(kill_at=2), failures=1)

    cell = cell_of(check_base(BASE), space, print)
    records = []
    ready = prepare([cell], tmp_path / "cache")[cell.id]
    run_cell(cell, ready, tmp_path / "cell", records.append)
    assert numbers(told) == numbers([{**r.metrics, **r.to_json()} for r in records])
    assert len(records) == 4

    result = results[0]
    assert result.config == space
    assert result.metrics["accuracy"] == records[-1].metrics["accuracy"]
    assert result.metrics["training_iteration"] == 4
    with result.checkpoint.as_directory() as place:
        assert AutoModelForSequenceClassification.from_pretrained(place).num_labels == 2
        assert AutoTokenizer.from_pretrained(place).vocab_size > 4
        assert not [path for path in Path(place).rglob("*") if path.suffix in (".bin", ".pkl")]


def test_asha_ends_the_worse_trials_early(tmp_path):
    scheduler = ASHAScheduler(max_t=4, grace_period=1, reduction_factor=2)
    space = {"trainer.learning_rate": tune.grid_search([GOOD, BAD, 2 * GOOD])}
    results, told = fit(tmp_path, space, scheduler=scheduler, max_concurrent_trials=1)
    assert [each["epoch"] for each in told[0]] == [1, 2, 3, 4]
    assert [each["epoch"] for each in told[1]] == [1]
    frame = results.get_dataframe()
    assert list(frame["config/trainer.learning_rate"]) == [GOOD, BAD, 2 * GOOD]
    assert {"accuracy", "dev_loss", "train_loss", "delta_norm", "epoch"} <= {*frame}


def test_median_stopping_ends_what_is_worse_than_the_others(tmp_path):
    scheduler = MedianStoppingRule(
        time_attr="training_iteration", grace_period=2, min_samples_required=2
    )
    space = {"trainer.learning_rate": tune.grid_search([GOOD, 2 * GOOD, BAD])}
    _, told = fit(tmp_path, space, scheduler=scheduler, max_concurrent_trials=1)
    assert [len(epochs) for epochs in told] == [4, 4, 2]


def test_hyperband_pauses_trials_and_none_trains_an_epoch_twice(tmp_path):
    scheduler = HyperBandScheduler(max_t=2, reduction_factor=2)
    # the first bracket takes two trials to the end, the second halves its two after one epoch
    space = {"trainer.learning_rate": tune.grid_search([GOOD, 2 * GOOD, GOOD, BAD])}
    results, told = fit(tmp_path, space, scheduler=scheduler)
    assert not results.errors
    assert [[each["epoch"] for each in epochs] for epochs in told] == [[1, 2], [1, 2], [1, 2], [1]]


def test_population_based_training_takes_over_weights_and_changes_settings(tmp_path):
    scheduler = PopulationBasedTraining(
        time_attr="training_iteration",
        perturbation_interval=1,
        hyperparam_mutations={
            "trainer.learning_rate": tune.uniform(GOOD / 2, 2 * GOOD),
            "adversary.adv_lr": tune.uniform(0.01, 0.1),
        },
        quantile_fraction=0.5,
        resample_probability=0.0,
    )
    space = {"trainer.learning_rate": tune.grid_search([GOOD, BAD]), "adversary.adv_lr": 0.05}
    reports = Counter()

    def enough(trial, result):  # Ray has two trials take each other over without end
        reports[trial] += 1
        return reports[trial] >= 5

    # one trial at a time, epoch by epoch; of the good one's second epoch there is a checkpoint
    results, (_, bad) = fit(tmp_path, space, scheduler=scheduler, kept=None, cpus=2, stop=enough)
    assert not results.errors
    taken = next(i for i, each in enumerate(bad) if each["learning_rate"] != BAD)
    assert bad[taken - 1]["dev_loss"] > 1 > bad[taken]["dev_loss"]
    for each in bad[taken:]:  # with the good one's weights and settings, changed a little
        assert each["step"] == 3 * each["epoch"]
        assert each["learning_rate"] < BAD / 10
        assert each["config"]["adversary.adv_lr"] != 0.05


def test_optuna_proposes_and_learns_from_what_trials_report(tmp_path):
    from ray.tune.search.optuna import OptunaSearch

    space = {"adversary.adv_lr": tune.loguniform(0.01, 0.1), "trainer.num_train_epochs": 1}
    search = OptunaSearch(seed=1)
    results, told = fit(tmp_path, space, search_alg=search, num_samples=2, max_concurrent_trials=1)
    assert not results.errors
    proposed = [result.config["adversary.adv_lr"] for result in results]
    assert len({*proposed}) == 2
    assert all(0.01 <= value <= 0.1 for value in proposed)
    trials = search._ot_study.trials
    assert [trial.value for trial in trials] == [epochs[-1]["dev_loss"] for epochs in told]


@pytest.mark.parametrize(
    ("base", "message"),
    [
        ({"adversary.adv_lrr": 0.1}, r"base: 1 problem\n  adversary.adv_lrr: .*mean 'adv_lr'"),
        ({"adv_lr": 0.1}, r"adv_lr: write the section too: adversary.adv_lr"),
        ({"sedd": 1}, r"sedd: unknown name 'sedd'; did you mean 'seed'"),
        ({"search": {"samples": 3}}, r"search: unknown name 'search'"),
        ({"trainer": {"learning_rate": "fast"}}, r"trainer.learning_rate: expected a number, got"),
        ({"trainer": 3}, r"trainer: expected a mapping, got 3"),
        ({"seed": [1, 2]}, r"seed: expected a whole number from 0 to .*, got \[1, 2\]"),
        ({"seed": {"grid": [1, 2]}}, r"seed: a trial has one value here; .* param_space"),
        (
            {"adversary.adv_lr": [0.1, 0.2]},
            r"number, got \[0.1, 0.2\]; search it in .*param_space$",
        ),
        ({"adversary.adv_lr": tune.uniform(0, 1)}, r"adv_lr: a trial has one value here"),
        ({"task": "rta"}, r"task: unknown name 'rta'; did you mean 'rte'"),
        ({"adversary": {"method": "fgm", "adv_steps": 3}}, r"adv_steps: fgm does not read it"),
        (
            {"adversary.adv_lr": 0.1, "adversary": {"adv_lr": 0.2}},
            r"adversary.adv_lr: stands twice, by itself and in its section",
        ),
        ({"model": "a/b", "model.name": "a/b"}, r"model.name: stands twice"),
        ([1], r"the trainable's base: expected a mapping of settings, got \[1\]"),
    ],
)
def test_a_base_that_cannot_stand_is_refused_at_once(base, message):
    with pytest.raises(ft.FreeLBTuneError, match=message):
        ft.trainable(base)


def test_a_local_path_of_the_base_is_found_from_a_trials_own_folder(tmp_path, monkeypatch):
    (tmp_path / "glue").mkdir()
    monkeypatch.chdir(tmp_path)
    assert check_base({"data": {"path": Path("glue")}}) == {"data.path": str(tmp_path / "glue")}
    (tmp_path / "hard.csv").write_text("text,label\n", "utf-8")
    found = check_base({"data": {"also": {"hard": "hard.csv"}}})
    assert found == {"data.also": {"hard": str(tmp_path / "hard.csv")}}


def test_a_trial_that_names_its_adversary_leaves_out_what_only_others_read():
    base = check_base({**BASE, "adversary.adv_lr": 0.1})
    cell = cell_of(base, {"adversary.method": "none", "seed": np.int64(3)}, print)
    assert (cell.arm, cell.seed) == ("clean", 3)
    assert "adversary.adv_lr" not in cell.settings
    with pytest.raises(ft.FreeLBTuneError, match="adv_lrr: unknown name"):
        cell_of(base, {"adversary.method": "none", "adversary.adv_lrr": 0.1}, print)


def test_what_cannot_stand_in_a_trials_config_ends_that_trial_with_the_same_words(tmp_path):
    space = tune.grid_search(
        [{"adversary.adv_lrr": 0.1}, {"trainer.learning_rate": "fast", "seed": -1}]
    )
    results, _ = fit(tmp_path, space)
    told = [str(error) for error in results.errors]
    assert "this trial's config: 1 problem\n  adversary.adv_lrr: unknown name 'adv_lrr'" in told[0]
    assert "seed: expected a whole number from 0 to 4294967295, got -1" in told[1]
