"""Racing against the full grid: how often each finds the best, and what it costs.

Where one configuration is better by a known step and the rest are equal, a third player shows how
far the same number of cells can reach: it knows all of that, the spread too, and not which one.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from bench.statistics.studies import share
from freelb_tune.results.statistics.choosing.racing import race_decide

__all__ = ["informed", "race", "races"]

_SPREAD = 0.02  # of a score over seeds
_SEEDS = 5
_STEP = 0.03  # by how much one is better
_ONE_BETTER = "one better by 3 points"

_LANDSCAPES = {
    "spread of 1.5 points": lambda count, rng: 0.015 * rng.standard_normal(count),
    "spread of 3 points": lambda count, rng: 0.03 * rng.standard_normal(count),
    _ONE_BETTER: lambda count, rng: np.r_[_STEP, np.zeros(count - 1)],
    "half are 4 points worse": lambda count, rng: np.r_[
        0.01 * rng.standard_normal(count - count // 2), np.full(count // 2, -0.04)
    ],
}


def race(table: NDArray[np.float64], budget: int | None) -> tuple[int, int, bool]:
    """Race `(J, S)` scores; the winner's place, cells run, and whether place 0 was tested out."""
    count, seeds = table.shape
    known: dict[str, list[float | None]] = {f"{at:02d}": [] for at in range(count)}
    while True:
        decision = race_decide(known, seeds, budget)
        if decision.is_over:
            break
        for name, at in decision.run:
            known[name].append(float(table[int(name), at]))
    spent = sum(len(row) for row in known.values())
    return int(decision.contenders[0]), spent, "00" in decision.out_by_test


def informed(searches: int, count: int, seeds: int, budget: int, rng: np.random.Generator) -> float:
    """Share of searches in which a player who knows the step and the spread finds the best.

    Two seeds each, then cell by cell to the one of the two most probable that had fewer, up to
    `seeds` each, until `budget` cells are spent (top-two sampling: Russo, COLT 2016); it names the
    most probable one.
    """
    step, rows = _STEP / _SPREAD, np.arange(searches)
    evidence, had = np.zeros((searches, count)), np.zeros((searches, count), dtype=int)
    for turn in range(budget):
        if turn < 2 * count:
            place = np.full(searches, turn % count)
        else:
            open_now = np.where(had < seeds, evidence, -np.inf)
            first, second = np.argsort(-open_now, axis=1)[:, :2].T
            fewer = (had[rows, second] < had[rows, first]) & (had[rows, second] < seeds)
            place = np.where(fewer, second, first)
        score = rng.standard_normal(searches) + step * (place == 0)
        evidence[rows, place] += step * score - step**2 / 2  # log likelihood ratio
        had[rows, place] += 1
    return float((evidence.argmax(axis=1) == 0).mean())


def races(searches: int, rng: np.random.Generator) -> Iterator[list[str]]:
    """Rows: the full grid and a race with a share of its cells, on the same scores."""
    rows = [(kind, count, 0.6) for kind in _LANDSCAPES for count in (8, 16, 32)]
    for kind, count, part in [*rows, (_ONE_BETTER, 8, 0.7), (_ONE_BETTER, 8, 0.8)]:
        budget = int(part * count * _SEEDS)
        found, regret, cells = np.zeros(3), np.zeros(2), 0
        for _ in range(searches):
            truth = np.sort(_LANDSCAPES[kind](count, rng))[::-1]
            table = truth[:, None] + _SPREAD * rng.standard_normal((count, _SEEDS))
            full = int(table.mean(axis=1).argmax())
            winner, spent, lost = race(table, budget)
            found += [truth[full] == truth[0], truth[winner] == truth[0], lost]
            regret += [truth[0] - truth[full], truth[0] - truth[winner]]
            cells += spent
        reach = "-"
        if kind == _ONE_BETTER:
            many = 20 * searches
            reach = share(many * informed(many, count, _SEEDS, budget, rng), many)
        yield [
            kind,
            f"{count} x {_SEEDS}",
            f"{100 * part:.0f}",
            f"{100 * cells / searches / count / _SEEDS:.0f}",
            share(found[0], searches),
            share(found[1], searches),
            reach,
            *(f"{100 * each / searches:.2f}" for each in regret),
            share(found[2], searches),
        ]
