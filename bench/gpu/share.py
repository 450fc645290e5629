"""Several small trainings on one GPU: weight updates per second of one, two and four together.

    python -m bench.gpu.share [--size minilm] [--batch 16]

Each is a process of its own, as Ray's trials are; all start at the same moment.
"""

import argparse
import multiprocessing
import tempfile
import time
from typing import Any

COUNTS = (1, 2, 4)
SECONDS = 4.0


def _train(place: int, size: str, batch: int, gates: list[Any], done: Any) -> None:
    """Train in each phase that has room for this process, and tell how many updates it made."""
    import torch
    from transformers import PrinterCallback, TrainerCallback, TrainingArguments

    from bench.data import MadeUp, rte_lengths
    from bench.gpu.speed import SETTINGS, K, build
    from freelb_tune.space.settings.adversaries import FreeLBSettings
    from freelb_tune.training import AdversarialTrainer
    from freelb_tune.training.inputs.tokens import PadCollator

    model = build(size)
    rows = MadeUp(rte_lengths("train", batch * 8, seed=place), seed=place)

    class Phases(TrainerCallback):
        """Two epochs to warm up, then one phase after the other."""

        def __init__(self) -> None:
            self.phase, self.updates, self.ends = -1, 0, 0.0

        def on_epoch_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if state.epoch >= 3 and self.phase < 0:
                self._next(control)

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if self.phase < 0:
                return
            self.updates += 1
            if self.updates % 8 == 0:
                torch.cuda.synchronize()
                if time.perf_counter() >= self.ends:
                    took = time.perf_counter() - self.ends + SECONDS
                    done.put((COUNTS[self.phase], self.updates / took))
                    self._next(control)

        def _next(self, control: Any) -> None:
            self.phase += 1
            while self.phase < len(COUNTS):
                gates[self.phase].wait()
                if place < COUNTS[self.phase]:
                    break
                self.phase += 1
            if self.phase == len(COUNTS):
                control.should_training_stop = True
            self.updates, self.ends = 0, time.perf_counter() + SECONDS

    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder,
            per_device_train_batch_size=batch,
            num_train_epochs=100_000,
            report_to=[],
            disable_tqdm=True,
            logging_strategy="no",
            logging_nan_inf_filter=False,
            save_strategy="no",
            bf16=True,
        )
        trainer = AdversarialTrainer(
            model=model,
            args=arguments,
            adversary=FreeLBSettings(adv_steps=K, **SETTINGS),
            data_collator=PadCollator({"input_ids": 1, "attention_mask": 0}, counted=True),
            train_dataset=rows,
            callbacks=[Phases()],
        )
        trainer.remove_callback(PrinterCallback)
        trainer.train()


def main() -> None:
    """Run the phases and print each one's sum."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", default="minilm")
    parser.add_argument("--batch", type=int, default=16)
    asked = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    most = max(COUNTS)
    gates = [context.Barrier(most) for _ in COUNTS]
    done = context.Queue()
    trainers = [
        context.Process(target=_train, args=(n, asked.size, asked.batch, gates, done))
        for n in range(most)
    ]
    for each in trainers:
        each.start()
    alone = 0.0
    for count in COUNTS:
        rates = [done.get(timeout=120) for _ in range(count)]
        total = sum(rate for own, rate in rates if own == count)
        alone = alone or total
        print(
            f"{asked.size}, batch {asked.batch}: {count} together make {total:.1f} updates/s, "
            f"{total / alone:.2f} times one alone",
            flush=True,
        )
    for each in trainers:
        each.join()


if __name__ == "__main__":
    main()
