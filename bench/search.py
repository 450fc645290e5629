"""A whole search beside one operating-system process per trial, as ManyTasks starts them.

    python -m bench.search                 8 short trials, each way, in turn
    python -m bench.search --json FILE     the same figures as JSON

Each process of the other way imports everything, reads the data, tokenises, loads the model and
trains with the plain loop of `bench.plain`; `--same-engine` lets it train with this project's
engine instead, so that only the starting of trials differs. The search is the command that users
type, its own start and end included. The data is the project's synthetic task.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

SPACE = """
name: bench
task: entailment_toy
data: {{source: synthetic, max_train_examples: {examples}, max_length: 48}}
model:
  name: config:bert
  config: {{hidden_size: 64, num_hidden_layers: 2, num_attention_heads: 4, intermediate_size: 128}}
trainer: {{learning_rate: 1e-3, num_train_epochs: 1, per_device_train_batch_size: 32}}
adversary:
  method: freelb
  adv_steps: 3
  adv_lr: {{grid: {adv_lrs}}}
clean_arm: false
seeds: [1]
"""


def space_file(folder: Path, trials: int, examples: int) -> Path:
    """A space of that many cells."""
    path = folder / "bench.yaml"
    adv_lrs = [round(0.01 * (i + 1), 2) for i in range(trials)]
    path.write_text(SPACE.format(examples=examples, adv_lrs=adv_lrs), "utf-8")
    return path


def one_search(trials: int, examples: int) -> float:
    """Wall seconds of the command, in a fresh results folder with a fresh cache."""
    with tempfile.TemporaryDirectory() as scratch:
        space = space_file(Path(scratch), trials, examples)
        command = [sys.executable, "-m", "freelb_tune.cli", "--space", str(space)]
        command += ["--results", scratch, "--no-dashboard"]
        start = perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        return perf_counter() - start


def one_process_each(trials: int, examples: int, at_a_time: int, engine: str) -> float:
    """Wall seconds of as many processes, some at a time, each pinned to one thread."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}

    def run(number: int) -> None:
        command = [sys.executable, "-m", "bench.search", "--child", str(number), str(examples)]
        subprocess.run([*command, engine], check=True, capture_output=True, env=environment)

    start = perf_counter()
    with ThreadPoolExecutor(at_a_time) as pool:
        list(pool.map(run, range(trials)))
    return perf_counter() - start


def _child(number: int, examples: int, engine: str) -> None:
    """One trial in its own process: everything from the imports to the dev score."""
    import torch

    with tempfile.TemporaryDirectory() as scratch:
        cell, ready = _cell(number, examples, Path(scratch))
        if engine == "same":
            from freelb_tune.training import run_cell

            run_cell(cell, ready, Path(scratch) / "cell", lambda _: None)
            return
        from bench.plain import PlainLoop, pad
        from freelb_tune.training.model import build_model
        from freelb_tune.training.tokens import TokenDataset

        torch.set_num_threads(1)
        rows = TokenDataset(ready.tokens.folder / "train")
        dev = TokenDataset(ready.tokens.folder / "dev")
        model = build_model(ready.model, ready.tokens, seed=1)
        loop = PlainLoop(model, 3, adv_lr=0.01 * (number + 1), init_mag=0.1, max_norm=1.0)
        for start in range(0, len(rows), 32):
            loop.step([rows[i] for i in range(start, min(start + 32, len(rows)))])
        model.eval()
        with torch.no_grad():
            for start in range(0, len(dev), 8):
                model(**pad([dev[i] for i in range(start, min(start + 8, len(dev)))]))


def _cell(number: int, examples: int, scratch: Path) -> tuple[Any, Any]:
    from freelb_tune.space import load_space, plan_cells
    from freelb_tune.tasks import data_fingerprint
    from freelb_tune.training import model_fingerprint, prepare

    space = load_space(space_file(scratch, number + 1, examples))
    plan = plan_cells(space, data_fingerprint=data_fingerprint, model_fingerprint=model_fingerprint)
    cell = plan.cells[number]
    return cell, prepare([cell], scratch / "cache")[cell.id]


def main() -> None:
    """Measure in turn and print medians."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trials", type=int, default=8)
    parser.add_argument("--examples", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--same-engine", action="store_true")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.child:
        return _child(int(asked.child[0]), int(asked.child[1]), asked.child[2])
    engine = "same" if asked.same_engine else "plain"
    ways = {
        "search": lambda: one_search(asked.trials, asked.examples),
        "process each, one at a time": lambda: one_process_each(
            asked.trials, asked.examples, 1, engine
        ),
        "process each, one per core": lambda: one_process_each(
            asked.trials, asked.examples, os.cpu_count() or 1, engine
        ),
    }
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    for round_ in range(asked.rounds):
        for way, run in ways.items():
            seconds[way].append(run())
            print(f"  round {round_ + 1}: {way} {seconds[way][-1]:.1f} s", file=sys.stderr)
    print("| way | wall seconds | seconds per trial | beside the search |")
    print("| --- | --- | --- | --- |")
    records = []
    for way, times in seconds.items():
        ratio = median(t / s for t, s in zip(times, seconds["search"], strict=True))
        middle = median(times)
        print(f"| {way} | {middle:.1f} | {middle / asked.trials:.2f} | {ratio:.2f}x |")
        records.append({"way": way, "wall_seconds": middle, "ratio_to_search": ratio})
    if asked.json:
        asked.json.write_text(json.dumps(records, indent=1), "utf-8")
    return None


if __name__ == "__main__":
    main()
