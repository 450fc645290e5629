"""Where the device's time goes in one recorded pass, by kernel.

python -m bench.gpu.where [--size base] [--batch 32] [--lengths full]
"""

import argparse
import tempfile
from typing import Any

import numpy as np
import torch

from bench.data import MadeUp, rte_lengths
from bench.gpu.speed import SIZES, build, time_trainer


def main() -> None:
    """Train a little, then look at one epoch's kernels."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", default="base", choices=SIZES)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--lengths", default="full", choices=("rte", "full"))
    parser.add_argument("--variant", default="ours")
    asked = parser.parse_args()
    model = build(asked.size)
    count = asked.batch * 2
    own = rte_lengths("train", count, seed=0) if asked.lengths == "rte" else np.full(count, 128)
    rows = MadeUp(own, seed=0)
    kinds = [torch.profiler.ProfilerActivity.CUDA, torch.profiler.ProfilerActivity.CPU]
    with tempfile.TemporaryDirectory() as folder:
        time_trainer(asked.variant, build(asked.size), rows, asked.batch, folder)
        with torch.profiler.profile(activities=kinds) as seen:
            time_trainer(asked.variant, model, rows, asked.batch, folder)
    events: Any = seen.key_averages()
    print(events.table(sort_by="self_cuda_time_total", row_limit=45, max_name_column_width=90))


if __name__ == "__main__":
    main()
