"""The four studies: no effect, coverage, power, racing. Each yields rows for one table.

Every rate comes with the number of simulated searches behind it; its simulation error is two
standard errors of a share, printed beside it.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr

from bench.statistics.batch import Tested, holm, tested
from bench.statistics.generator import Truth, correct
from freelb_tune.results.statistics.anova import Evidence
from freelb_tune.results.statistics.power import chance_to_see, power
from freelb_tune.results.statistics.prior import DISPERSIONS

__all__ = [
    "DEV_SIZES",
    "SPREADS",
    "accuracy_coverage",
    "drawn",
    "no_effect",
    "powers",
    "seed_sd",
    "share",
]

DEV_SIZES = (71, 277, 1500)
SPREADS = {"flips only": 1.0, "middle": 1.5, "drawn": None, "upper end": 2.0}
"""Dispersions: variance over seeds over its part from flips, as `statistics.prior` has it.
Drawn: each search has one of its own, any of the measured range with equal chance."""

_ROOM = 500_000  # numbers per batch: what a processor's cache holds is soonest done


def share(hits: float, count: int) -> str:
    """A rate in percent with two standard errors."""
    rate = hits / count
    error = 2 * (max(rate * (1 - rate), 1 / count) / count) ** 0.5
    return f"{100 * rate:.1f} ± {100 * error:.1f}"


def seed_sd(n_dev: int, dispersion: float, discordance: float = 0.15) -> float:
    """Deviation of true accuracy over seeds that makes up a dispersion; 0 for one below 1."""
    return float(np.sqrt(max(dispersion - 1, 0.0) * discordance / 2 / n_dev))


def drawn(searches: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """A dispersion for each search; what is below 1 is 1, as nothing beats independent flips."""
    return np.maximum(rng.uniform(*DISPERSIONS, searches), 1.0)


def batches(
    truth: Truth, searches: int, rng: np.random.Generator, dispersion: float | None
) -> Iterator[tuple[Tested, NDArray[np.float32]]]:
    """Simulated searches with their tests, a memory's worth at a time."""
    each = max(1, _ROOM // (truth.n_dev * truth.seeds * (truth.configurations + 1)))
    left = searches
    while left > 0:
        some = min(each, left)
        spreads = np.full(some, dispersion) if dispersion else drawn(some, rng)
        sds = np.array([seed_sd(truth.n_dev, one, truth.discordance) for one in spreads])
        right = correct(truth, some, rng, sds)
        left -= some
        yield tested(right), right


def total(
    truth: Truth,
    searches: int,
    rng: np.random.Generator,
    count: Callable[[Tested, NDArray[np.float32]], NDArray[np.float64]],
    dispersion: float | None,
) -> NDArray[np.float64]:
    """Sum of what `count` finds in each batch; None: each search draws its dispersion."""
    return np.sum([count(*batch) for batch in batches(truth, searches, rng, dispersion)], axis=0)


def no_effect(searches: int, rng: np.random.Generator) -> Iterator[list[str]]:
    """How often a search without any effect calls a configuration different."""
    for n_dev in DEV_SIZES:
        for seeds in (1, 2, 3, 5):
            for grid in (1, 4, 8, 16):
                row = [str(n_dev), str(seeds), str(grid)]
                for dispersion in SPREADS.values():
                    truth = Truth(n_dev, seeds, grid)
                    found = total(truth, searches, rng, _called, dispersion)
                    row.append(share(found[0], searches))
                # the rest of the row is of the last, largest spread
                yield row + [share(each, searches) for each in found[1:]]


def _called(found: Tested, right: NDArray[np.float32]) -> NDArray[np.float64]:
    ours = (found.adjusted <= 0.05).any(axis=1).sum()
    best = found.difference.max(axis=1)
    unadjusted = (found.p <= 0.05).any(axis=1).sum()
    by_seed = (right[:, 1:] - right[:, :1]).mean(axis=3)
    plain = 0.0
    best_of, seeds = by_seed.shape[1:]
    if seeds > 1:
        error = np.sqrt(by_seed.var(axis=2, ddof=1) / seeds)
        p = 2 * stdtr(seeds - 1.0, -abs(by_seed.mean(axis=2)) / error.clip(1e-9))
        p = np.where(error < 1e-6, 1.0, p)  # no spread over seeds: no test, to be fair to it
        plain = (holm(p.astype(float)) <= 0.05).any(axis=1).sum()
    rival = ours
    if seeds > 1:
        rival = (abs(found.statistic) >= _critical(seeds, best_of)).any(axis=1).sum()
    return np.array([ours, rival, (best > 0).sum(), unadjusted, plain], dtype=float)


def accuracy_coverage(searches: int, rng: np.random.Generator) -> Iterator[list[str]]:
    """How often the 95 % interval of accuracy holds the true difference, and how wide it is."""
    kinds: dict[str, Callable[[Truth], Truth]] = {
        "plain": lambda truth: truth,
        "gain of 2 points": lambda truth: replace(truth, effects=(0.02,)),
        "examples change": lambda truth: replace(truth, example_change=1.0),
        "shared noise": lambda truth: replace(truth, same_noise=0.3),
        "heavy tails": lambda truth: replace(truth, heavy=True),
        "one unsteady": lambda truth: replace(truth, unsteady=2.0),
        "runs collapse": lambda truth: replace(truth, collapse=0.05),
        "seeds shared": lambda truth: replace(truth, same_level=0.5),
    }
    for n_dev in DEV_SIZES:
        for seeds in (2, 3, 5):
            for grid in (1, 8):
                for kind, change in kinds.items():
                    if kind != "plain" and n_dev != 277:
                        continue
                    row = [str(n_dev), str(seeds), str(grid), kind]
                    for dispersion in SPREADS.values():
                        truth = change(Truth(n_dev, seeds, grid))
                        effect = truth.effects[0] if truth.effects else 0.0
                        found = total(truth, searches, rng, _covered(effect), dispersion)
                        row.append(share(found[0], searches))
                        width = 100 * found[1] / searches
                    yield [*row, f"{width:.1f}"]


def _covered(effect: float) -> Callable[[Tested, NDArray[np.float32]], NDArray[np.float64]]:
    def count(found: Tested, right: NDArray[np.float32]) -> NDArray[np.float64]:
        low, high = found.low[:, 0], found.high[:, 0]
        return np.array([((low <= effect) & (effect <= high)).sum(), (high - low).sum() / 2])

    return count


def powers(searches: int, rng: np.random.Generator) -> Iterator[list[str]]:
    """Stated against simulated power, at the smallest difference and at two thirds of it."""
    for n_dev in (277, 1500):
        for seeds in (1, 2, 3, 5, 8):
            for grid in (1, 8):
                for dispersion in (1.0, 1.5, 2.0) if n_dev == 277 else (1.5,):
                    truth = Truth(n_dev, seeds, grid, seed_sd(n_dev, dispersion))
                    plan = truth.plan
                    smallest = power(
                        n_dev, grid, seeds, seed_sd=plan.seed_sd, discordance=plan.discordance
                    ).smallest
                    assert smallest is not None
                    row = [str(n_dev), str(seeds), str(grid), f"{dispersion}"]
                    row.append(f"{100 * smallest:.1f}")
                    for effect in (smallest, smallest * 2 / 3):
                        # around one half, so that both arms have the plan's discordance
                        one = replace(truth, effects=(effect,), accuracy=0.5 - effect / 2)
                        found = total(one, searches, rng, _seen(seeds, grid), dispersion)
                        row.append(f"{100 * chance_to_see(plan, effect):.1f}")
                        row.append(share(found[0], searches))
                    yield [*row, f"{100 * found[1] / searches:.1f}"]


def _seen(seeds: int, grid: int) -> Callable[[Tested, NDArray[np.float32]], NDArray[np.float64]]:
    needed = _critical(seeds, grid) if seeds > 1 else 0.0

    def count(found: Tested, right: NDArray[np.float32]) -> NDArray[np.float64]:
        gained = found.difference[:, 0] > 0
        ours = (found.adjusted[:, 0] <= 0.05) & gained
        rival = found.statistic[:, 0] >= needed if seeds > 1 else ours
        return np.array([ours.sum(), rival.sum()], dtype=float)

    return count


@lru_cache
def _critical(seeds: int, grid: int) -> float:
    """Dunnett's critical value: the largest of J t statistics that share their clean arm."""
    freedom = Evidence(seeds - 1.0, (grid - 1) * (seeds - 1.0)).freedom
    rng = np.random.default_rng(grid)
    normal = rng.standard_normal((100_000, grid)) + rng.standard_normal((100_000, 1))
    scale = np.sqrt(rng.chisquare(freedom, (100_000, 1)) / freedom)
    return float(np.quantile(abs(normal / 2**0.5 / scale).max(axis=1), 0.95))
