"""Each method's seconds per pass beside FreeLB's, in paired rounds on RTE's length distribution.

    python -m bench.methods                       every method at K = 2, about ten minutes
    python -m bench.methods tavat sam --rounds 1  some of them
    python -m bench.methods creat --adv-steps 3   at another K

One thread, the process's CPU time. A ratio is the median over rounds of seconds per weight update
over passes, divided by FreeLB's of the same round: 1.1 is a tenth slower than its passes explain.
"""

import argparse
import tempfile
from statistics import median

import torch

from bench.data import MadeUp, rte_lengths
from bench.freelb import build, trainer_stepper
from freelb_tune.space.settings.adversaries import ADVERSARIES, AdversarySettings

BATCH = 16


def settings_of(method: str, k: int) -> AdversarySettings:
    """A method's own defaults, at K passes where it has them."""
    kind = ADVERSARIES[method]
    return kind(method=method, **({"adv_steps": k} if "adv_steps" in kind.model_fields else {}))


def main() -> None:
    """Print a line for each method."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("methods", nargs="*", default=[m for m in ADVERSARIES if m != "freelb"])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--updates", type=int, default=6)
    parser.add_argument("--adv-steps", type=int, default=2, metavar="K")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    names = ["freelb", *asked.methods]
    with tempfile.TemporaryDirectory() as folder:
        known = {name: settings_of(name, asked.adv_steps) for name in names}
        steppers = {
            name: trainer_stepper(build("minilm"), BATCH, folder, adversary=own)
            for name, own in known.items()
        }
        per_pass: dict[str, list[float]] = {name: [] for name in names}
        for place in range(asked.rounds):
            rows = MadeUp(rte_lengths("train", BATCH * (asked.updates + 1), place), place)
            for name, step in steppers.items():
                passes = known[name].passes_per_batch or 1
                per_pass[name].append(median(step(rows)) / passes)
    print(f"{'method':8} passes  ms per pass  beside freelb")
    for name in names:
        ratios = [a / b for a, b in zip(per_pass[name], per_pass["freelb"], strict=True)]
        said = f"{known[name].passes_per_batch:6d}  {1000 * median(per_pass[name]):11.0f}"
        print(f"{name:8} {said}  {median(ratios):13.2f}")


if __name__ == "__main__":
    main()
