"""ASHA beside the whole grid: a grid's recorded curves, replayed in many orders of arrival.

    python -m bench.replay docs/results/stsb_methods    a record, or a results folder

The configurations arrive at ASHA's rungs in a random order, by the mean over their seeds, as in a
search on one machine. What ASHA would have ended is cut off, and what is left is compared with the
whole grid: the epochs that were trained (clean arms are not counted, they go along), how often the
grid's best setting is still the best one that ended, and how many points are lost where it is not.
"""

import argparse
import random
import runpy
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import freelb_tune as ft
from freelb_tune.results.tables.contents.metric import measure_of
from freelb_tune.search.algorithms.frame.rungs import Rungs
from freelb_tune.store import load_store

__all__ = ["Replayed", "curves", "replay"]

Curves = dict[str, list[float]]
"""By configuration: the mean score over seeds after each epoch, in points, higher better."""


@dataclass(frozen=True)
class Replayed:
    """What ASHA would have done, over many orders.

    Attributes:
        share: epochs that it trains, of the grid's.
        found: how often the best that it trains to the end is the grid's best, of 1.
        lost: points between the two, on average.
        most_lost: the same in the worst order.
    """

    share: float
    found: float
    lost: float
    most_lost: float


def curves(folder: Path) -> Curves:
    """The curves of the configurations that are compared: those with an adversary, if any have one.

    Raises:
        SystemExit: a configuration lacks epochs of a seed.
    """
    epochs = ft.open_results(folder).epochs
    arm = "adversarial" if (epochs["arm"] == "adversarial").any() else "clean"
    scale = 100.0 if epochs["unit"].iloc[0] == "fraction" else 1.0
    scale *= measure_of(load_store(folder)).sign
    found: Curves = {}
    for name, rows in epochs[epochs["arm"] == arm].groupby("config_id"):
        by_epoch = rows.groupby("epoch")["score"].agg(["mean", "count"])
        if by_epoch["count"].nunique() > 1:
            raise SystemExit(f"{name}: lacks epochs; only a whole grid can be replayed")
        found[str(name)] = [scale * float(mean) for mean in by_epoch["mean"]]
    return found


def replay(found: Curves, factor: int, orders: int, seed: int = 0) -> Replayed:
    """Run ASHA over the curves, in so many orders.

    Args:
        found: the curves, all of the same length.
        factor: ASHA's reduction factor.
        orders: how many.
        seed: decides them.
    """
    draws, names = random.Random(seed), list(found)
    length = len(next(iter(found.values())))
    best = max(max(curve) for curve in found.values())
    trained, lost = [], []
    for _ in range(orders):
        draws.shuffle(names)
        rungs = Rungs(1, factor, length, 1.0)
        epochs = {name: _trained(rungs, name, found[name]) for name in names}
        ended = [max(found[name]) for name in names if epochs[name] == length]
        trained.append(sum(epochs.values()) / (length * len(names)))
        lost.append(best - max(ended))
    return Replayed(fmean(trained), lost.count(0.0) / orders, fmean(lost), max(lost))


def _trained(rungs: Rungs, name: str, curve: list[float]) -> int:
    """The epochs that a configuration is trained for; the rungs take it down."""
    for epoch in rungs.epochs:
        decision = rungs.judge(name, epoch, curve[epoch - 1], is_complete=True)
        rungs.enter(name, epoch, curve[epoch - 1], is_complete=True)
        if decision == "stop":
            return epoch
    return len(curve)


def main() -> None:
    """Print a row for each reduction factor."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("folder", type=Path, help="docs/results/NAME, or a results folder")
    parser.add_argument("--orders", type=int, default=2_000)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = asked.folder
        if (folder / "record.tar.xz").exists():
            record = runpy.run_path(str(Path(__file__).parents[1] / "docs" / "record.py"))
            record["take_out"](folder, Path(scratch))
            folder = Path(scratch)
        found = curves(folder)
    length = len(next(iter(found.values())))
    print(f"{len(found)} configurations, {length} epochs, {asked.orders:,} orders\n")
    print("| reduction_factor | epochs, of the grid's | best found | lost | at most |")
    print("| ---: | ---: | ---: | ---: | ---: |")
    for factor in (2, 3, 4):
        got = replay(found, factor, asked.orders)
        print(
            f"| {factor} | {got.share:.0%} | {got.found:.0%} | {got.lost:.2f} | "
            f"{got.most_lost:.2f} |"
        )


if __name__ == "__main__":
    main()
