"""The two tables on real runs: searches without an effect, and intervals against the truth.

python -m bench.statistics.real             # both tables, from the packed runs in library/
python -m bench.statistics.real --deals 200 # a quick look
python -m bench.statistics.real --data GLUE_FOLDER --into FOLDER --minutes 60
                    # first makes the runs, or goes on with them, and packs what has finished

No effect: clean runs of one configuration, many seeds, are dealt at random into arms that share no
seed, and put to `results.statistics.comparing.contrast`. Nothing differs, so whatever is called
different is wrong. Truth: adversarial arms over the same seeds as their clean one; two or three
seeds are drawn, and the truth is the mean difference over the seeds that were not drawn, with its
error.

Standard errors are over seeds, as deals of the same seeds repeat one another: the whole table is
made again from seeds that are drawn with replacement, a drawn twin standing for another run.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.statistics.batch import estimated, pooled
from bench.statistics.real_runs import LIBRARY, RealRuns, load_runs, make, pack
from bench.statistics.studies import LEVEL
from freelb_tune.results.statistics.comparing.arms import Arm
from freelb_tune.results.statistics.comparing.collapse import (
    constant_score,
    score_of,
    tested_with_collapses,
)
from freelb_tune.results.statistics.comparing.contrast import contrasts, holm
from freelb_tune.results.statistics.numbers.spending import ALPHA, share_of

__all__ = ["dispersion", "held_rows", "null_rows"]

Floats = NDArray[np.float64]

_GRIDS, _SEEDS = (1, 4, 8), (2, 3, 5)
_LOOKS = (2, 3, 4, 5, 6, 8)  # seeds, with a verdict each time
_LEAST_SEEDS = 8  # of which the rest, when some are drawn, can stand for the truth
_ONE_SEED = 50  # searches of one seed, which claim nothing whatever the deal
_RESAMPLED = 20  # bootstrap samples of the seeds


def scores_of(runs: RealRuns) -> Floats:
    """Every run's score, `(A, S)`."""
    arms, seeds = runs.predicted.shape[:2]
    made = [[score_of(runs.run(a, s), runs.metric) for s in range(seeds)] for a in range(arms)]
    return np.array(made, dtype=np.float64)


def dispersion(runs: RealRuns, arm: int = 0) -> float:
    """An arm's variance over seeds, in units of the part that single examples' flips make up."""
    right = (runs.predicted[arm] == runs.labels).astype(np.float64)
    scores = right.mean(axis=1)
    left = right - scores[:, None] - right.mean(axis=0) + right.mean()
    seeds, examples = right.shape
    residual = (left**2).sum() / ((seeds - 1) * (examples - 1))
    return float(examples * scores.var(ddof=1) / residual)


def null_rows(runs: RealRuns, deals: int, rng: np.random.Generator) -> Iterator[list[str]]:
    """A row per grid and number of seeds: called different, intervals that hold 0, in percent."""
    pool = scores_of(runs)[0]
    constant = constant_score(runs.metric, runs.labels)
    least = 1 / (12 * len(runs.labels) ** 2)
    for grid in _GRIDS:
        if grid < len(pool):
            called = sum(_one_seed(runs, grid, rng) for _ in range(_ONE_SEED))
            yield [runs.name, f"{grid} x 1", f"{100 * called / _ONE_SEED:.1f}", "-", "-"]
        if (grid + 1) * _LOOKS[-1] <= len(pool):
            yield [
                runs.name,
                f"{grid} x 2 to 8, six looks",
                *_looked(pool, least, grid, deals, rng),
            ]
        for seeds in _SEEDS:
            needed = (grid + 1) * seeds
            if needed > len(pool):
                continue
            found = _dealt(pool, constant, least, grid, seeds, deals, rng)
            again = [
                _dealt(rng.choice(pool, len(pool)), constant, least, grid, seeds, deals // 4, rng)
                for _ in range(_RESAMPLED)
            ]
            errors = np.std(again, axis=0, ddof=1)
            texts = [f"{100 * a:.1f} ± {200 * b:.1f}" for a, b in zip(found, errors, strict=True)]
            yield [runs.name, f"{grid} x {seeds}", *texts]


def _one_seed(runs: RealRuns, grid: int, rng: np.random.Generator) -> bool:
    """Whether a search of one seed, of runs of one configuration, calls anything different."""
    dealt = rng.permutation(runs.predicted.shape[1])[: grid + 1]
    arms = [
        Arm(f"a{at}", "a0", f"a{at}", 1, (runs.run(0, int(place), as_seed=1),))
        for at, place in enumerate(dealt)
    ]
    return any(one.comparison.p is not None for one in contrasts(arms, runs.metric))


def _looked(
    pool: Floats, least: float, grid: int, deals: int, rng: np.random.Generator
) -> list[str]:
    """Shares of searches of which any look calls anything different; the same with 5 % each."""

    def shares(scores: Floats, count: int) -> Floats:
        needed = (grid + 1) * _LOOKS[-1]
        dealt = np.stack([rng.permutation(scores)[:needed] for _ in range(count)])
        tables = dealt.reshape(count, grid + 1, _LOOKS[-1])
        called = np.zeros((2, count), dtype=bool)
        for look, seeds in enumerate(_LOOKS, start=1):
            lowest = estimated(tables[:, :, :seeds], least).adjusted.min(axis=1)
            called |= np.stack([lowest <= ALPHA * share_of(look), lowest <= ALPHA])
        return np.asarray(called.mean(axis=1))

    found = shares(pool, deals)
    again = [shares(rng.choice(pool, len(pool)), deals // 4) for _ in range(_RESAMPLED)]
    errors = 200 * np.std(again, axis=0, ddof=1)
    ours, each = (f"{100 * a:.1f} ± {b:.1f}" for a, b in zip(found, errors, strict=True))
    return [ours, "-", f"{each} with 5 % each time"]


def _dealt(
    pool: Floats,
    constant: float | None,
    least: float,
    grid: int,
    seeds: int,
    deals: int,
    rng: np.random.Generator,
) -> Floats:
    """Shares of deals: anything called different, intervals that hold 0, called by the plain t."""
    needed = (grid + 1) * seeds
    dealt = np.stack([rng.permutation(pool)[:needed] for _ in range(deals)])
    tables = dealt.reshape(deals, grid + 1, seeds)
    plain = (pooled(tables, least).adjusted <= LEVEL).any(axis=1).mean()
    if constant is None or (pool > constant + 1e-12).all():
        ours = estimated(tables, least)
        called, held = (ours.adjusted <= LEVEL).any(axis=1), ours.holds(0.0).mean(axis=1)
        return np.array([called.mean(), held.mean(), plain])
    found = [_one(table, constant, least) for table in tables[: max(deals // 10, 1)]]
    return np.array([*np.mean(found, axis=0), plain])


def _one(table: Floats, constant: float, least: float) -> tuple[float, float]:
    """One search with collapsed runs: whether it calls anything, share of intervals that hold 0."""
    (row,) = tested_with_collapses([table], [table <= constant + 1e-12], least, (), 0.0)
    p = holm([1.0 if one.estimate is None else one.estimate.p for one in row])
    called = any(max(a, one.p_dealt) <= LEVEL for a, one in zip(p, row, strict=True))
    ends = [one.estimate.interval() for one in row if one.estimate is not None]
    return float(called), float(np.mean([low <= 0 <= high for low, high in ends] or [1.0]))


def held_rows(runs: RealRuns, deals: int, rng: np.random.Generator) -> Iterator[list[str]]:
    """A row per arm: what it shares with the clean one, and how often its interval holds."""
    scores = scores_of(runs)
    for arm in range(1, len(scores)):
        shared = np.corrcoef(scores[0], scores[arm])[0, 1]
        row = [runs.name, runs.arms[arm], str(scores.shape[1]), f"{shared:.2f}"]
        for seeds in (2, 3):
            held = _held(scores, arm, seeds, deals, rng)
            count = scores.shape[1]
            again = [
                _held(scores[:, rng.integers(0, count, count)], arm, seeds, deals // 4, rng)
                for _ in range(_RESAMPLED)
            ]
            row.append(f"{100 * held:.1f} ± {200 * np.std(again, ddof=1):.1f}")
        yield row


def _held(scores: Floats, arm: int, seeds: int, deals: int, rng: np.random.Generator) -> float:
    """Share of draws in which the interval of a search over all arms holds the others' mean."""
    count = scores.shape[1]
    places = np.stack([rng.permutation(count) for _ in range(deals)])
    drawn = scores[:, places[:, :seeds]].transpose(1, 0, 2)
    rest = (scores[arm] - scores[0])[places[:, seeds:]]
    found = estimated(drawn, 1e-9)
    # the truth is a mean itself: its error widens what counts as held
    error = rest.std(axis=1, ddof=1) / np.sqrt(count - seeds)
    off = abs(found.difference[:, arm - 1] - rest.mean(axis=1))
    return float((off <= np.hypot(found.reach[:, arm - 1], 1.96 * error)).mean())


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description="The two tables on real runs.")
    parser.add_argument("--deals", type=int, default=4000, help="per row")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--data", type=Path, help="GLUE's folder: make the runs first, or go on")
    parser.add_argument("--into", type=Path, help="the runs' results, with --data")
    parser.add_argument("--seeds", type=int, default=30, help="of each arm, with --data")
    parser.add_argument("--minutes", type=float, default=360.0, help="the most to take for that")
    asked = parser.parse_args()
    if asked.into is not None:
        if asked.data is not None:
            make(asked.data, asked.into, asked.seeds, asked.minutes)
        pack(asked.into)
    rng = np.random.default_rng(asked.seed)
    every = [load_runs(path.stem) for path in sorted(Path(LIBRARY).glob("*.npz"))]
    _print(
        "runs | arms x seeds | called different, % | intervals hold 0, % | plain t calls, %",
        (row for runs in every for row in null_rows(runs, asked.deals, rng)),
    )
    _print(
        "runs | arm | seeds | correlation with clean | 2 seeds hold the truth, % | 3 seeds, %",
        (
            row
            for runs in every
            if len(runs.arms) > 1 and len(runs.seeds) >= _LEAST_SEEDS
            for row in held_rows(runs, asked.deals, rng)
        ),
    )


def _print(header: str, rows: Iterator[list[str]]) -> None:
    print(f"\n| {header} |\n|{' --- |' * len(header.split(' | '))}", flush=True)
    for row in rows:
        print(f"| {' | '.join(row)} |", flush=True)


if __name__ == "__main__":
    main()
