"""FreeLB's speed beside the plain loop's, in paired runs on RTE's length distribution.

    python -m bench.freelb                        the README's table (about a quarter of an hour)
    python -m bench.freelb --quick --json FILE    one setting in under two minutes
    python -m bench.freelb --model roberta-base --rounds 1          the same size as roberta-base

With one thread the clock is the process's CPU time, which other work on the machine does not
touch; with more it is wall time. Every round gives the same batches to every variant in turn, and
ratios are medians over rounds.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import Any

import torch

from bench.data import VOCABULARY, MadeUp, rte_lengths
from bench.evaluation import evaluation_ratio, step_overhead
from bench.peak import executed_flops, matmul_peak
from bench.plain import PlainLoop

VARIANTS = ("plain", "trainer_clean", "ours_clean", "ours_freelb_general", "ours_freelb")
MEASURED = {"minilm": [(16, 3), (32, 3), (16, 1), (32, 1)], "roberta-base": [(16, 3)]}
"""Batch sizes and K measured for a model's size."""
SETTINGS = {"adv_lr": 0.05, "init_mag": 0.1, "max_norm": 0.1}


@dataclass
class Figure:
    """One row of the table; times in seconds, memory in GiB."""

    variant: str
    model: str
    batch_size: int
    adv_steps: int
    threads: int
    seconds_per_step: float
    tokens_per_second: float
    ratio_to_plain: float
    fraction_of_matmul_peak: float
    peak_gib: float | None = None


def build(name: str) -> Any:
    """A randomly initialised classifier, dropout on."""
    from transformers import BertConfig, RobertaConfig
    from transformers import BertForSequenceClassification as Bert
    from transformers import RobertaForSequenceClassification as Roberta

    torch.manual_seed(0)
    if name == "minilm":
        sizes = {"hidden_size": 384, "num_hidden_layers": 6, "num_attention_heads": 12}
        return Bert(BertConfig(vocab_size=VOCABULARY, intermediate_size=1536, **sizes))
    return Roberta(RobertaConfig(vocab_size=50265, max_position_embeddings=514, pad_token_id=1))


def stepper(
    variant: str, name: str, batch: int, k: int, folder: str
) -> Callable[[MadeUp], list[float]]:
    """A function from a round's examples to the seconds of each weight update but the first."""
    if variant == "plain":
        loop = PlainLoop(build(name), k, **SETTINGS)
        return lambda rows: _time_plain(loop, rows, batch)
    if variant == "trainer_clean":
        return trainer_stepper(build(name), batch, folder)
    from freelb_tune.space.settings.adversaries import FreeLBSettings, NoneSettings

    clean = variant == "ours_clean"
    own = NoneSettings() if clean else FreeLBSettings(adv_steps=k, **SETTINGS)
    padding_free = False if variant.endswith("general") else None
    return trainer_stepper(build(name), batch, folder, adversary=own, padding_free=padding_free)


def _now() -> float:
    return process_time() if torch.get_num_threads() == 1 else perf_counter()


def _time_plain(loop: PlainLoop, rows: MadeUp, batch: int) -> list[float]:
    times = [_now()]
    for start in range(0, len(rows), batch):
        loop.step([rows[i] for i in range(start, start + batch)])
        times.append(_now())
    return [b - a for a, b in zip(times[1:], times[2:], strict=False)]


def trainer_stepper(
    model: Any, batch: int, folder: str, *, adversary: Any = None, padding_free: bool | None = None
) -> Callable[[MadeUp], list[float]]:
    """As `stepper`, of `AdversarialTrainer`; of `Trainer` where there is no adversary."""
    from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments

    from bench.plain import pad
    from freelb_tune.training import AdversarialTrainer
    from freelb_tune.training.inputs.tokens import PadCollator

    class Clock(TrainerCallback):
        times: list[float] = []

        def on_step_end(self, *_: Any, **__: Any) -> None:
            self.times.append(_now())

    arguments = TrainingArguments(
        output_dir=folder,
        per_device_train_batch_size=batch,
        per_device_eval_batch_size=32,
        num_train_epochs=1,
        learning_rate=2e-5,
        train_sampling_strategy="sequential",
        report_to=[],
        use_cpu=True,
        disable_tqdm=True,
        logging_strategy="no",
        save_strategy="no",
    )
    clock = Clock()
    common = {"model": model, "args": arguments, "callbacks": [clock]}
    if adversary is None:
        trainer = Trainer(data_collator=pad, **common)
    else:
        trainer = AdversarialTrainer(
            data_collator=PadCollator({"input_ids": 0, "attention_mask": 0}),
            adversary=adversary,
            padding_free=padding_free,
            **common,
        )

    trainer.remove_callback(PrinterCallback)

    def run(rows: MadeUp) -> list[float]:
        clock.times = []
        trainer.train_dataset = rows
        trainer.train()
        return [b - a for a, b in zip(clock.times, clock.times[1:], strict=False)]

    return run


def measure(
    name: str, batch: int, k: int, threads: int, rounds: int, steps: int, variants: tuple[str, ...]
) -> list[Figure]:
    """Paired rounds of one setting."""
    torch.set_num_threads(threads)
    peak = matmul_peak(384 if name == "minilm" else 768)
    with tempfile.TemporaryDirectory() as folder:
        runs = {v: stepper(v, name, batch, k, f"{folder}/{v}") for v in variants}
        times: dict[str, list[float]] = {v: [] for v in variants}
        tokens: list[float] = []
        for round_ in range(rounds):
            rows = MadeUp(rte_lengths("train", batch * (steps + 1), seed=round_), seed=round_)
            tokens.append(float(rows.lengths[batch:].sum()) / steps)
            for variant in variants:
                times[variant].append(sum(runs[variant](rows)) / steps)
                print(
                    f"  {name} batch {batch} K {k} round {round_ + 1}: {variant} "
                    f"{times[variant][-1]:.2f} s/step",
                    file=sys.stderr,
                )
        rows = MadeUp(rte_lengths("train", batch, seed=0))
        flops = {v: executed_flops(lambda v=v: runs[v](rows)) for v in variants}
    clean = [a / b for a, b in zip(times["trainer_clean"], times["ours_clean"], strict=True)]
    print(
        f"{name}, batch {batch}: clean training against transformers.Trainer: {median(clean):.2f}x"
    )
    figures = []
    for variant in variants:
        seconds = median(times[variant])
        ratio = median(a / b for a, b in zip(times["plain"], times[variant], strict=True))
        own_tokens = median(t / s for t, s in zip(tokens, times[variant], strict=True))
        scale = median(tokens) / rows.tokens  # the counted batch beside the timed ones
        passes = 1 if variant.endswith("clean") else k
        figures.append(
            Figure(
                variant,
                name,
                batch,
                passes,
                threads,
                seconds,
                own_tokens * passes,
                ratio,
                flops[variant] * scale / seconds / peak,
            )
        )
    return figures


def peak_memory(variant: str, name: str, batch: int, k: int) -> float:
    """Most memory that a fresh process holds for two weight updates, in GiB."""
    command = [sys.executable, "-m", "bench.freelb", "--child", variant, name, str(batch), str(k)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(done.stdout.strip().splitlines()[-1])


def _child(variant: str, name: str, batch: str, k: str) -> None:
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        run = stepper(variant, name, int(batch), int(k), folder)
        run(MadeUp(rte_lengths("train", int(batch) * 2, seed=0)))
    status = Path("/proc/self/status").read_text()  # getrusage would count the parent's memory too
    print(int(status.partition("VmHWM:")[2].split()[0]) / 2**20)


def table(figures: list[Figure]) -> str:
    """The figures as Markdown."""
    lines = [
        "| model | batch | K | variant | s/step | tokens x passes per s | vs plain loop "
        "| of matmul peak | peak memory |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for f in figures:
        memory = "-" if f.peak_gib is None else f"{f.peak_gib:.2f} GiB"
        lines.append(
            f"| {f.model} | {f.batch_size} | {f.adv_steps} | {f.variant} "
            f"| {f.seconds_per_step:.2f} | {f.tokens_per_second:.0f} | {f.ratio_to_plain:.2f}x "
            f"| {f.fraction_of_matmul_peak:.2f} | {memory} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Measure, print the table, and write it as JSON if asked."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="one setting, in under two minutes")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=1, help="timed weight updates in a round")
    parser.add_argument("--model", choices=MEASURED, default="minilm", help="its size")
    parser.add_argument("--batch", type=int, help="only the settings of this batch size")
    parser.add_argument("--adv-steps", type=int, help="only the settings of this K")
    parser.add_argument("--child", nargs=4, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.child:
        return _child(*asked.child)
    settings = [
        (batch, k)
        for batch, k in MEASURED[asked.model][: 1 if asked.quick else None]
        if asked.batch in (None, batch) and asked.adv_steps in (None, k)
    ]
    figures = []
    for batch, k in settings:
        rounds, steps = (1, 1) if asked.quick else (asked.rounds, asked.steps)
        found = measure(asked.model, batch, k, asked.threads, rounds, steps, VARIANTS)
        if not asked.quick and k > 1:
            for figure in found:
                figure.peak_gib = peak_memory(figure.variant, asked.model, batch, k)
        figures += found
    print(f"\n{table(figures)}\n")
    if not asked.quick and asked.model == "minilm":
        torch.set_num_threads(1)
        print(f"evaluation of 277 dev pairs against Trainer: {evaluation_ratio(build):.2f}x")
        print(f"overhead per weight update, K 3: {1000 * step_overhead():.1f} ms at most")
    if asked.json:
        asked.json.write_text(json.dumps([asdict(f) for f in figures], indent=1), "utf-8")
    return None


if __name__ == "__main__":
    main()
