"""Run the simulation studies and print their tables as Markdown.

OMP_NUM_THREADS=1 python -m bench.statistics            # about ten minutes, one core
OMP_NUM_THREADS=1 python -m bench.statistics --quick    # under a minute, coarse
python -m bench.statistics --only racing --seed 1
"""

import argparse
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from bench.statistics.metrics import bootstrap_coverage, metric_coverage
from bench.statistics.racing import races
from bench.statistics.studies import accuracy_coverage, no_effect, powers

Rows = Callable[[int, np.random.Generator], Iterator[list[str]]]


@dataclass(frozen=True)
class Study:
    """One table: its rows, its header, and how many searches stand behind a number."""

    rows: Rows
    header: str
    full: int
    quick: int


STUDIES = {
    "no_effect": Study(
        no_effect,
        "dev examples | seeds | configurations | any called different, flips only, % "
        "| middle, % | upper end, % | there by max-T, % | there best above clean, % "
        "| there unadjusted, % | there t over seeds with Holm, %",
        1500,
        15,
    ),
    "coverage": Study(
        accuracy_coverage,
        "dev examples | seeds | configurations | search | flips only, % | middle, % "
        "| upper end, % | half width there, points",
        1500,
        30,
    ),
    "metrics": Study(
        metric_coverage,
        "metric | dev examples | seeds | no difference, % | some difference, %",
        600,
        5,
    ),
    "bootstrap": Study(
        bootstrap_coverage,
        "seeds | t over seeds, % | bootstrap of seeds, % | bootstrap of seeds and examples, % "
        "| ours, %",
        1000,
        20,
    ),
    "power": Study(
        powers,
        "dev examples | seeds | configurations | dispersion | difference, points | stated, % "
        "| found, % | stated for two thirds of it, % | found, % | by max-T, %",
        1500,
        20,
    ),
    "racing": Study(
        races,
        "configurations differ | grid | full grid finds the best, % | race does, % "
        "| full grid falls short by, points | race, points | cells run, % "
        "| best was tested out, %",
        1000,
        20,
    ),
}


def main() -> None:
    """Parse, run, print."""
    parser = argparse.ArgumentParser(description="Simulation studies of the statistics.")
    parser.add_argument("--quick", action="store_true", help="few searches: a look, no result")
    parser.add_argument("--only", choices=sorted(STUDIES), help="one study")
    parser.add_argument("--seed", type=int, default=0, help="of all draws")
    asked = parser.parse_args()
    for name, study in STUDIES.items():
        if asked.only not in (None, name):
            continue
        # a stream of its own, so that a study alone gives the numbers it gives among all
        rng = np.random.default_rng([asked.seed, zlib.crc32(name.encode())])
        searches = study.quick if asked.quick else study.full
        print(f"\n### {name}: {searches:,} searches per number\n")
        print(f"| {study.header} |")
        print("|" + " --- |" * len(study.header.split(" | ")))
        for row in study.rows(searches, rng):
            print("| " + " | ".join(row) + " |", flush=True)


if __name__ == "__main__":
    main()
