"""A small library of real runs: made by searches of this tool, packed to their predictions.

python -m bench.statistics.real_runs make --data GLUE_FOLDER --into FOLDER    # about 6 CPU hours
python -m bench.statistics.real_runs make ... --seeds 8 --minutes 60          # what fits; continues
python -m bench.statistics.real_runs pack FOLDER                              # into library/*.npz

Each regime is a search space in `library/`: a clean arm and two adversarial ones over the same
seeds. `make` runs their searches in turn, a few seeds at a time, so that a run that was cut short
has about as many seeds of each. `pack` keeps what the statistics read: per arm and seed the
predicted class or value of every dev example at the epoch that the table shows.

Letters used below: A arms (clean first), S seeds, N examples.
"""

import argparse
import csv
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from freelb_tune.results.analysis import arms_of
from freelb_tune.results.statistics.comparing.arms import Arm, Run
from freelb_tune.results.tables.contents.building import build_table
from freelb_tune.store import CellState, load_store

__all__ = ["LIBRARY", "REGIMES", "RealRuns", "load_runs", "make", "pack"]

LIBRARY = Path(__file__).parent / "library"
REGIMES = ("near_chance", "collapsing", "short", "well_trained", "regression", "pretrained")
_ROUND = 5  # seeds that a regime gets before the next one has its turn
_SIMILAR = 3.0  # of 5: from there on two sentences count as similar
_LEAST_SECONDS = 20.0  # below that a search only starts


@dataclass(frozen=True)
class RealRuns:
    """The runs of one regime.

    Attributes:
        name: the regime.
        metric: what its table shows.
        arms: names, clean first.
        seeds: `(S,)`, those that every arm has.
        predicted: class numbers or values, `(A, S, N)`.
        labels: `(N,)`.
    """

    name: str
    metric: str
    arms: tuple[str, ...]
    seeds: NDArray[np.int64]
    predicted: NDArray[np.float64]
    labels: NDArray[np.float64]

    def run(self, arm: int, seed: int, as_seed: int | None = None) -> Run:
        """One run, by places; `as_seed` gives it another seed's number."""
        values = self.predicted[arm, seed]
        logits = values[:, None]
        if self.metric in ("accuracy", "matthews", "f1"):
            logits = np.eye(int(max(values.max(), self.labels.max())) + 1)[values.astype(int)]
        return Run(int(self.seeds[seed]) if as_seed is None else as_seed, None, logits, self.labels)


def load_runs(name: str) -> RealRuns:
    """Read a regime's packed runs."""
    with np.load(LIBRARY / f"{name}.npz") as packed:
        return RealRuns(
            name,
            str(packed["metric"]),
            tuple(str(arm) for arm in packed["arms"]),
            packed["seeds"],
            packed["predicted"].astype(np.float64),
            packed["labels"].astype(np.float64),
        )


def make(data: Path, into: Path, seeds: int, minutes: float) -> None:
    """Run the searches, or continue them, for at most so long."""
    ends = time.monotonic() + 60 * minutes
    for count in [*range(_ROUND, seeds, _ROUND), seeds]:
        for name in REGIMES:
            left = ends - time.monotonic()
            if left > _LEAST_SECONDS and not _has(into / name, count):
                _search(name, data, into, count, left)


def _has(folder: Path, seeds: int) -> bool:
    """Whether so many seeds of every arm have finished: a clean one and two others."""
    if not (folder / "journal.jsonl").is_file():
        return False
    store = load_store(folder)
    done = [each for each in (*store.cells, *store.others) if each.state is CellState.DONE]
    return len(done) >= 3 * seeds


def _search(name: str, data: Path, into: Path, seeds: int, seconds: float) -> None:
    """One search by the command that a user would type; ended as by Ctrl-C when its time is up."""
    command = [sys.executable, "-m", "freelb_tune.cli", "--space", str(LIBRARY / f"{name}.yaml")]
    command += ["--results", str(into), "--no-dashboard", f"seeds={seeds}"]
    if name == "pretrained":
        command += _as_classes(data, into)
    elif name not in ("well_trained", "short", "collapsing"):  # these make their data up
        command += ["--data", str(data)]
    running = subprocess.Popen(command)
    try:
        running.wait(seconds)
    except subprocess.TimeoutExpired:
        running.terminate()  # what is known is on disk; the next call goes on from there
        running.wait()


def _as_classes(data: Path, into: Path) -> list[str]:
    """Write STS-B's pairs with two answers for its scores; the overrides that name the files."""
    into.mkdir(parents=True, exist_ok=True)
    named = []
    for split in ("train", "dev"):
        pairs = pd.read_csv(data / "STS-B" / f"{split}.tsv", sep="\t", quoting=csv.QUOTE_NONE)
        pairs["answer"] = np.where(pairs["score"] >= _SIMILAR, "similar", "different")
        file = into / f"pairs_{split}.csv"
        pairs[["sentence1", "sentence2", "answer"]].to_csv(file, index=False)
        named.append(f"data.{split}={file}")
    return named


def pack(folder: Path) -> None:
    """Pack every regime's finished runs over the seeds that all arms have."""
    for name in REGIMES:
        if (folder / name / "journal.jsonl").is_file():
            _pack(folder / name, name)


def _pack(folder: Path, name: str) -> None:
    store = load_store(folder)
    table = build_table(store)
    arms = arms_of(store, table, [])
    common = sorted(set.intersection(*({run.seed for run in arm.runs} for arm in arms)))
    if not common:
        print(f"{name}: no seed has finished in all arms yet")
        return
    rows = [[_predicted(arm, seed) for seed in common] for arm in arms]
    labels = arms[0].runs[0].labels
    assert labels is not None
    is_class = store.task != "stsb"
    np.savez_compressed(
        LIBRARY / f"{name}.npz",
        metric=table.measure.name,
        arms=[arm.name for arm in arms],
        seeds=common,
        predicted=np.array(rows, dtype=np.uint8 if is_class else np.float16),
        labels=labels.astype(np.uint8 if is_class else np.float16),
    )
    print(f"{name}: {len(arms)} arms, {len(common)} seeds, {len(labels)} examples")


def _predicted(arm: Arm, seed: int) -> NDArray[np.float64]:
    run = next(run for run in arm.runs if run.seed == seed)
    assert run.logits is not None
    wide = run.logits.ndim > 1 and run.logits.shape[1] > 1
    return np.asarray(run.logits.argmax(axis=1) if wide else run.logits.reshape(-1))


def main() -> None:
    """Parse, make or pack."""
    parser = argparse.ArgumentParser(description="A small library of real runs.")
    commands = parser.add_subparsers(dest="what", required=True)
    making = commands.add_parser("make", help="run the searches, or continue them")
    making.add_argument("--data", type=Path, required=True, help="a folder in GLUE's layout")
    making.add_argument("--into", type=Path, required=True, help="folder of results")
    making.add_argument("--seeds", type=int, default=30, help="of each arm")
    making.add_argument("--minutes", type=float, default=360.0, help="the most time to take")
    packing = commands.add_parser("pack", help="keep the predictions of what has finished")
    packing.add_argument("folder", type=Path, help="folder of results")
    asked = parser.parse_args()
    if asked.what == "make":
        make(asked.data, asked.into, asked.seeds, asked.minutes)
    else:
        pack(asked.folder)


if __name__ == "__main__":
    main()
