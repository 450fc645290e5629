"""Where one FreeLB weight update spends its time: `python -m bench.profile [VARIANT]`.

VARIANT is one of `bench.freelb`'s: plain, trainer_clean, ours_clean, ours_freelb_general or
ours_freelb (the default). MiniLM's size, batch 16, K 3, one thread, RTE's lengths.
"""

import sys
import tempfile

import torch
from torch.profiler import ProfilerActivity, profile

from bench.data import MadeUp, rte_lengths
from bench.freelb import stepper

__all__: list[str] = []

SHARES = 12


def main() -> None:
    """Print the operators that take most of the time, with their share."""
    variant = sys.argv[1] if len(sys.argv) > 1 else "ours_freelb"
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        run = stepper(variant, "minilm", 16, 3, folder)
        run(MadeUp(rte_lengths("train", 32, seed=0)))
        with profile(activities=[ProfilerActivity.CPU]) as found:
            run(MadeUp(rte_lengths("train", 32, seed=1)))
    rows = sorted(found.key_averages(), key=lambda row: -row.self_cpu_time_total)
    total = sum(row.self_cpu_time_total for row in rows)
    print(f"{variant}: {total / 1e6:.2f} s in operators, two weight updates\n")
    print("| operator | share | calls |\n| --- | --- | --- |")
    for row in rows[:SHARES]:
        print(f"| {row.key} | {row.self_cpu_time_total / total:.1%} | {row.count} |")


if __name__ == "__main__":
    main()
