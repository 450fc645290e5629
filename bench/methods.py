"""Each method's seconds per pass beside FreeLB's, in paired rounds on RTE's length distribution.

    python -m bench.methods                       every method at K = 2, about half an hour
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
    print(f"{'method':8} passes  ms per pass  beside freelb", flush=True)
    for name in asked.methods:
        known = [settings_of(each, asked.adv_steps) for each in ("freelb", name)]
        base, own = _per_pass(known, asked.rounds, asked.updates)
        ratio = median(b / a for a, b in zip(base, own, strict=True))
        said = f"{known[1].passes_per_batch:6d}  {1000 * median(own):11.0f}"
        print(f"{name:8} {said}  {ratio:13.2f}", flush=True)


def _per_pass(known: list[AdversarySettings], rounds: int, updates: int) -> list[list[float]]:
    """Seconds per pass of each side in each round; the sides take turns at being first."""
    found: list[list[float]] = [[] for _ in known]
    with tempfile.TemporaryDirectory() as folder:
        steppers = [trainer_stepper(build("minilm"), BATCH, folder, adversary=k) for k in known]
        for place in range(rounds):
            rows = MadeUp(rte_lengths("train", BATCH * (updates + 1), place), place)
            for side in (0, 1) if place % 2 == 0 else (1, 0):
                passes = known[side].passes_per_batch or 1
                found[side].append(median(steppers[side](rows)) / passes)
    return found


if __name__ == "__main__":
    main()
