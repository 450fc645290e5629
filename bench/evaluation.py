"""Evaluation beside `transformers.Trainer`'s, and what `AdversarialTrainer` itself costs."""

import tempfile
from collections.abc import Callable
from statistics import median
from time import process_time
from typing import Any

from transformers import (
    BertConfig,
    BertForSequenceClassification,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)

from bench.data import MadeUp, rte_lengths
from bench.plain import pad
from freelb_tune.space.settings.adversaries import FreeLBSettings
from freelb_tune.training import AdversarialTrainer

__all__ = ["evaluation_ratio", "step_overhead"]

QUIET = {"report_to": [], "use_cpu": True, "disable_tqdm": True, "logging_strategy": "no"}


def evaluation_ratio(build: Callable[[str], Any], rounds: int = 3) -> float:
    """CPU seconds of `Trainer.predict` over a cell's own way, on RTE's dev lengths, median."""
    model, rows = build("minilm"), MadeUp(rte_lengths("dev", 277, seed=0))
    ratios = []
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(output_dir=folder, **QUIET)
        sides = [
            kind(model=model, args=arguments, data_collator=pad)
            for kind in (Trainer, AdversarialTrainer)
        ]
        ways = [sides[0].predict, sides[1].predict_by_length]
        for _ in range(rounds):
            seconds = []
            for predict in ways:
                start = process_time()
                predict(rows)
                seconds.append(process_time() - start)
            ratios.append(seconds[0] / seconds[1])
    return median(ratios)


def step_overhead(steps: int = 30) -> float:
    """CPU seconds of a FreeLB weight update, K 3, of a model with next to no arithmetic.

    The model's own few operations are in it, so this is more than the trainer's own share.
    """
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 1}
    model = BertForSequenceClassification(BertConfig(intermediate_size=16, **sizes))
    times: list[float] = []

    class Clock(TrainerCallback):
        def on_step_end(self, *_: Any, **__: Any) -> None:
            times.append(process_time())

    with tempfile.TemporaryDirectory() as folder:
        AdversarialTrainer(
            model=model,
            args=TrainingArguments(
                output_dir=folder, max_steps=steps, per_device_train_batch_size=16, **QUIET
            ),
            train_dataset=MadeUp(rte_lengths("train", 16 * steps, seed=0)),
            data_collator=pad,
            adversary=FreeLBSettings(adv_steps=3, max_norm=0.1),
            callbacks=[Clock()],
        ).train()
    return median(b - a for a, b in zip(times[5:], times[6:], strict=False))
