"""Run the simulation studies and print their tables as Markdown.

OMP_NUM_THREADS=1 python -m bench.statistics --into FOLDER    # all; FOLDER/NAME.md each
OMP_NUM_THREADS=1 python -m bench.statistics --quick          # under a minute, coarse
python -m bench.statistics --only racing --seed 1

Every study has its own stream of chance: one alone gives the numbers that it gives among all, so a
run that was cut short is completed by `--only`.
"""

import argparse
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import numpy as np

from bench.statistics.families import unsteady_families
from bench.statistics.folds import cross_validations
from bench.statistics.metrics import metric_coverage
from bench.statistics.racing import races
from bench.statistics.sequential import verdicts
from bench.statistics.studies import GRIDS, no_effect, other_examples, powers

Rows = Callable[[int, np.random.Generator], Iterator[list[str]]]


@dataclass(frozen=True)
class Study:
    """One table: its rows, its header, and how many searches stand behind a number."""

    rows: Rows
    header: str
    full: int
    quick: int


_BY_GRID = " | ".join(
    f"{grid}: called different, % | interval holds 0, % | plain t calls, %" for grid in GRIDS
)

_BY_ARMS = " | ".join(
    f"{grid}: called different, % | interval holds 0, % | folds as if independent, % "
    "| cells as if independent, %"
    for grid in (1, 4)
)

STUDIES = {
    "no_effect": Study(no_effect, f"runs | seeds | {_BY_GRID}", 4000, 40),
    "other_examples": Study(
        other_examples,
        "dev examples | dispersion | examples change | 2 seeds, 1 configuration, % "
        "| 3 seeds, 8, % | 5 seeds, 8, %",
        1500,
        20,
    ),
    "metrics": Study(
        metric_coverage,
        "metric | dev examples | seeds | no difference, % | some difference, %",
        600,
        5,
    ),
    "power": Study(
        powers,
        "seeds | configurations | difference, points | stated, % | found, % | plain t, % "
        "| stated for two thirds of it, % | found, %",
        4000,
        40,
    ),
    "verdict_search": Study(
        verdicts,
        "margin, deviations | truth | dispersion | seeds of the grid | cells, % of the grid's "
        "| cells, % of a grid's that serves both truths | 10th | 50th | 90th percentile "
        "| answered within its cells, % | wrong, %",
        1000,
        10,
    ),
    "folds": Study(
        cross_validations, f"arms differ by | rows | folds x seeds | {_BY_ARMS}", 500, 10
    ),
    "families": Study(
        unsteady_families,
        "clean arms x configurations x seeds | errors | variance of the last family "
        "| called different, % | interval holds 0, % | its width "
        "| all pooled: called different, % | interval holds 0, % | its width",
        1000,
        5,
    ),
    "racing": Study(
        races,
        "configurations differ | grid | budget, % of its cells | cells run, % "
        "| full grid finds the best, % | race does, % | a player who knows the step, % "
        "| full grid falls short by, points | race, points | best was tested out, %",
        2000,
        20,
    ),
}


def main() -> None:
    """Parse, run, print."""
    parser = argparse.ArgumentParser(description="Simulation studies of the statistics.")
    parser.add_argument("--quick", action="store_true", help="few searches: a look, no result")
    parser.add_argument("--only", choices=sorted(STUDIES), help="one study")
    parser.add_argument("--seed", type=int, default=0, help="of all draws")
    parser.add_argument("--into", type=Path, help="a folder for a file per study, row by row")
    asked = parser.parse_args()
    for name, study in STUDIES.items():
        if asked.only not in (None, name):
            continue
        searches = study.quick if asked.quick else study.full
        with ExitStack() as stack:
            files: list[TextIO] = [sys.stdout]
            if asked.into is not None:
                asked.into.mkdir(parents=True, exist_ok=True)
                files.append(stack.enter_context((asked.into / f"{name}.md").open("w")))
            for line in _lines(name, study, searches, asked.seed):
                for file in files:
                    print(line, file=file, flush=True)


def _lines(name: str, study: Study, searches: int, seed: int) -> Iterator[str]:
    began, cpu = time.perf_counter(), time.process_time()
    yield f"\n### {name}: {searches:,} searches per number\n"
    yield f"| {study.header} |"
    yield "|" + " --- |" * len(study.header.split(" | "))
    for row in study.rows(searches, np.random.default_rng([seed, zlib.crc32(name.encode())])):
        yield "| " + " | ".join(row) + " |"
    took, used = time.perf_counter() - began, time.process_time() - cpu
    yield f"\n{name} took {took:.0f} s, {used:.0f} s of them on the processor."


if __name__ == "__main__":
    main()
