"""A whole search beside one operating-system process per trial, as ManyTasks starts them.

    python -m bench.search                 8 trials of half a second, each way, in turn
    python -m bench.search --size minilm   8 short fine-tunings of a 6-layer encoder, RTE's lengths
    python -m bench.search --json FILE     the same figures as JSON

Each process of the other way imports everything, reads the data, tokenises, loads the model and
trains with the plain loop of `bench.plain`, on all cores if it is alone; `--same-engine` lets it
train with this project's engine instead, so that only the starting of trials differs. The search is
the command that users type, its own start and end included.
"""

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np

from bench.data import rte_lengths
from bench.processes import timed

SPACE = """
name: bench
{data}
model: {{name: config:bert, config: {{{model}}}}}
trainer: {{learning_rate: 1e-3, num_train_epochs: 1, per_device_train_batch_size: {batch}}}
adversary:
  method: freelb
  adv_steps: 3
  adv_lr: {{grid: {adv_lrs}}}
clean_arm: false
seeds: [1]
"""


@dataclass(frozen=True)
class Size:
    """How large a trial is: training and dev examples, examples per batch, the encoder's sizes.

    Without dev examples of its own it is the synthetic task, which brings them.
    """

    train: int
    dev: int
    batch: int
    model: str


_SMALL = "hidden_size: 64, num_hidden_layers: 2, num_attention_heads: 4, intermediate_size: 128"
_MINILM = "hidden_size: 384, num_hidden_layers: 6, num_attention_heads: 12, intermediate_size: 1536"
SIZES = {"tiny": Size(256, 0, 32, _SMALL), "minilm": Size(64, 32, 16, _MINILM)}


def space_file(folder: Path, trials: int, size: Size) -> Path:
    """A space of that many cells: on the synthetic task, or on made-up words of RTE's lengths."""
    data = (
        "task: entailment_toy\n"
        f"data: {{source: synthetic, max_train_examples: {size.train}, max_length: 48}}"
    )
    if size.dev:
        for split, count in (("train", size.train), ("dev", size.dev)):
            _write_words(folder / f"{split}.csv", rte_lengths(split, count, seed=count))
        data = (
            "task: classification\n"
            f"data: {{train: {folder}/train.csv, dev: {folder}/dev.csv, text: [a, b], label: c}}"
        )
    path = folder / "bench.yaml"
    adv_lrs = [round(0.01 * (i + 1), 2) for i in range(trials)]
    text = SPACE.format(data=data, model=size.model, batch=size.batch, adv_lrs=adv_lrs)
    path.write_text(text, "utf-8")
    return path


def _write_words(path: Path, lengths: np.ndarray) -> None:
    """Pairs of sentences of made-up words, as long as RTE's with their three special tokens."""
    rng = np.random.default_rng(len(lengths))
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["a", "b", "c"])
        for n in lengths - 3:
            words = [f"word{i}" for i in rng.integers(0, 5000, size=n)]
            rows.writerow(
                [" ".join(words[:-8]), " ".join(words[-8:]), ["no", "yes"][rng.integers(2)]]
            )


@dataclass(frozen=True)
class Run:
    """One run of all trials: wall seconds, of which so many went into training, and CPU seconds."""

    wall: float
    training: float
    cpu: dict[str, float]


def one_search(trials: int, size: str) -> Run:
    """The command, in a fresh results folder with a fresh cache."""
    with tempfile.TemporaryDirectory() as scratch:
        space = space_file(Path(scratch), trials, SIZES[size])
        command = [sys.executable, "-m", "freelb_tune.cli", "--space", str(space)]
        wall, cpu = timed([*command, "--results", scratch, "--no-dashboard"])
        with (Path(scratch) / "bench" / "epochs.csv").open(encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        trained = sum(float(row["train_seconds"]) + float(row["eval_seconds"]) for row in rows)
        return Run(wall, trained / min(trials, os.cpu_count() or 1), cpu)


def one_process_each(trials: int, size: str, at_a_time: int, engine: str) -> Run:
    """As many processes, some at a time, which share the cores evenly."""
    threads = max(1, (os.cpu_count() or 1) // at_a_time)
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}

    def run(number: int) -> float:
        command = [sys.executable, "-m", "bench.search", "--child", str(number), size, engine]
        done = subprocess.run(command, check=True, capture_output=True, env=environment)
        return float(done.stdout.split()[-1])

    start = perf_counter()
    with ThreadPoolExecutor(at_a_time) as pool:
        trained = sum(pool.map(run, range(trials)))
    return Run(perf_counter() - start, trained / at_a_time, {})


def _child(number: int, size: Size, engine: str) -> None:
    """One trial in its own process, imports to dev score; prints what the training took."""
    import torch

    with tempfile.TemporaryDirectory() as scratch:
        cell, ready = _cell(number, size, Path(scratch))
        if engine == "same":
            from freelb_tune.training import run_cell

            threads = int(os.environ["OMP_NUM_THREADS"])
            start = perf_counter()
            run_cell(cell, ready, Path(scratch) / "cell", lambda _: None, threads)
            print(perf_counter() - start)
            return
        from bench.plain import PlainLoop, pad
        from freelb_tune.training.inputs.model import build_model
        from freelb_tune.training.inputs.tokens import TokenDataset

        torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
        rows = TokenDataset(ready.tokens.folder / "train")
        dev = TokenDataset(ready.tokens.folder / "dev")
        model = build_model(ready.model, ready.tokens, seed=1)
        begun = perf_counter()
        loop = PlainLoop(model, 3, adv_lr=0.01 * (number + 1), init_mag=0.1, max_norm=1.0)
        for start in range(0, len(rows), size.batch):
            loop.step([rows[i] for i in range(start, min(start + size.batch, len(rows)))])
        model.eval()
        with torch.no_grad():
            for start in range(0, len(dev), 8):
                model(**pad([dev[i] for i in range(start, min(start + 8, len(dev)))]))
        print(perf_counter() - begun)


def _cell(number: int, size: Size, scratch: Path) -> tuple[Any, Any]:
    from freelb_tune.space import load_space, plan_cells
    from freelb_tune.tasks import data_fingerprint
    from freelb_tune.training import model_fingerprint, prepare

    space = load_space(space_file(scratch, number + 1, size))
    plan = plan_cells(space, data_fingerprint=data_fingerprint, model_fingerprint=model_fingerprint)
    cell = plan.cells[number]
    return cell, prepare([cell], scratch / "cache")[cell.id]


def _print(runs: dict[str, list[Run]], trials: int) -> list[dict[str, object]]:
    """Print medians, and where the search's CPU seconds went; returns them as records."""
    print("| way | wall seconds | of which not training, per trial | beside the search |")
    print("| --- | ---: | ---: | ---: |")
    records: list[dict[str, object]] = []
    for way, several in runs.items():
        wall = median(run.wall for run in several)
        overhead = median((run.wall - run.training) / trials for run in several)
        pairs = zip(several, runs["search"], strict=True)
        ratio = median(run.wall / search.wall for run, search in pairs)
        print(f"| {way} | {wall:.1f} | {overhead:.2f} | {ratio:.2f}x |")
        figures = {"wall_seconds": wall, "overhead_per_trial": overhead, "ratio_to_search": ratio}
        records.append({"way": way, **figures})
    print("\n| CPU seconds of the search | |\n| --- | ---: |")
    for part in runs["search"][0].cpu:
        print(f"| {part} | {median(run.cpu.get(part, 0.0) for run in runs['search']):.1f} |")
    return records


def main() -> None:
    """Measure in turn and print medians."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trials", type=int, default=8)
    parser.add_argument("--size", choices=SIZES, default="tiny")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--same-engine", action="store_true")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.child:
        return _child(int(asked.child[0]), SIZES[asked.child[1]], asked.child[2])
    engine = "same" if asked.same_engine else "plain"
    ways = {
        "search": lambda: one_search(asked.trials, asked.size),
        "process each, one at a time": lambda: one_process_each(
            asked.trials, asked.size, 1, engine
        ),
        "process each, one per core": lambda: one_process_each(
            asked.trials, asked.size, os.cpu_count() or 1, engine
        ),
    }
    runs: dict[str, list[Run]] = {way: [] for way in ways}
    for round_ in range(asked.rounds):
        for way, run in ways.items():
            runs[way].append(run())
            print(f"  round {round_ + 1}: {way} {runs[way][-1].wall:.1f} s", file=sys.stderr)
    records = _print(runs, asked.trials)
    if asked.json:
        asked.json.write_text(json.dumps(records, indent=1), "utf-8")
    return None


if __name__ == "__main__":
    main()
