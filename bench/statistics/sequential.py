"""Seeds in rounds until a question is answered, against the smallest fixed grid that answers it.

The question: is a configuration better than its clean arm, or none by the margin? The grid gives
all arms as many seeds as answer with 80 % chance, by one test at the end with the same chances of
a wrong answer. The rounds are those of `search/algorithms/verdict.py`, over arrays of searches; as
arms only ever leave, the residual of the two-way fit grows seed by seed (recursive residuals).
tests/test_statistics_sequential.py holds the two together.

Letters used below: R searches, J configurations (arm 0 is clean), S seeds.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from bench.statistics.batch import estimated
from bench.statistics.draws import Condition, scores
from bench.statistics.studies import share
from freelb_tune.results.statistics.numbers.sequential import BELOW, BETTER, Question, needed
from freelb_tune.results.statistics.numbers.spending import share_of
from freelb_tune.results.statistics.numbers.steadiness import (
    ARM_LEVEL,
    CLEAN_LEVEL,
    bounded,
    is_unsteady,
    unsteady_difference,
)

__all__ = ["Ended", "rounds", "smallest_grid", "verdicts"]

Floats = NDArray[np.float64]

_SHARE = share_of(1)
_MARGINS = (0.5, 1.0, 2.0)  # deviations of a paired difference
_DISPERSIONS = (1.5, 4.0, 20.0)
_CONFIGURATIONS = 16
_MOST = 400  # seeds


@dataclass(frozen=True)
class Ended:
    """How R searches ended; every array is `(R,)`.

    Attributes:
        cells: that were run.
        better: the configuration that was called better, 0 for none.
        is_open: whether the seeds ended first.
    """

    cells: Floats
    better: NDArray[np.int64]
    is_open: NDArray[np.bool_]


class _Growing:
    """The residual of R two-way fits, and each arm's part in it, seed by seed; see `anova.py`."""

    def __init__(self, count: int, arms: int, least: float) -> None:
        self._least, self._seeds = least, 0
        self._sums, self._squares = np.zeros((count, arms)), np.zeros((count, arms))
        self._left, self._freedom = np.zeros((count, 1)), np.zeros((count, 1))
        self._own, self._own_free = np.zeros((count, arms)), np.zeros((count, arms))
        self._beside = np.zeros((count, arms))

    def add(self, scores: Floats, runs: NDArray[np.bool_]) -> None:
        """Take in a seed's scores `(R, A)` of the arms that run it."""
        before, self._seeds = self._seeds, self._seeds + 1
        number = runs.sum(axis=1, keepdims=True)
        others = np.maximum(number - 1, 1)
        if before:
            apart = np.where(runs, scores - self._sums / before, 0.0)
            squares, total = (apart**2).sum(axis=1, keepdims=True), apart.sum(axis=1, keepdims=True)
            whole = squares - total**2 / number
            without = squares - apart**2 - (total - apart) ** 2 / others
            part, counts = before / (before + 1), runs & (number > 1)
            self._left += part * whole
            self._own += np.where(counts, part * (whole - without), 0.0)
            self._freedom += number - 1
            self._own_free += counts
        self._beside += np.where(runs, 1 / others, 0.0)
        self._sums += np.where(runs, scores, 0.0)
        self._squares += np.where(runs, (scores - scores[:, :1]) ** 2, 0.0)

    def estimated(self) -> tuple[Floats, Floats, Floats]:
        """Differences from arm 0, their errors and degrees of freedom, `(R, J)`.

        Arms that have left have numbers that mean nothing.
        """
        seeds, least = self._seeds, self._least
        own = np.maximum(self._own / np.maximum(self._own_free, 1), least)
        rest_free = self._freedom - self._own_free
        rest = np.maximum((self._left - self._own) / np.maximum(rest_free, 1), least)
        levels = np.full(own.shape[1], ARM_LEVEL)
        levels[0] = CLEAN_LEVEL
        apart = (self._own_free > 0) & (rest_free > 0)
        apart &= is_unsteady(own, self._own_free, rest, np.maximum(rest_free, 1), levels)
        found = (self._sums[:, 1:] - self._sums[:, :1]) / seeds
        shape = found.shape
        variance = np.broadcast_to(2 * np.maximum(self._left / self._freedom, least), shape)
        freedom = np.broadcast_to(self._freedom, shape)
        single = unsteady_difference(
            own, self._own_free, rest, np.maximum(rest_free, 1), seeds / self._beside
        )
        for which, at in ((apart[:, :1], slice(0, 1)), (apart[:, 1:], slice(1, None))):
            variance = np.where(which, single[0][:, at], variance)
            freedom = np.where(which, single[1][:, at], freedom)
        paired = np.maximum((self._squares[:, 1:] - seeds * found**2) / (seeds - 1), 2 * least)
        both = bounded(paired, seeds - 1.0, rest[:, :1], np.maximum(rest_free[:, :1], 1), 2)
        is_both = apart[:, :1] & apart[:, 1:]
        variance = np.where(is_both, both[0], variance)
        return found, np.sqrt(variance / seeds), np.where(is_both, both[1], freedom)


def rounds(drawn: Floats, question: Question, least: float = 1e-12) -> Ended:
    """Run searches whose every score is known beforehand, `(R, 1 + J, S)`."""
    count, arms, seeds = drawn.shape
    runs, live = np.ones((count, arms), dtype=bool), np.arange(count)
    cells, better = np.zeros(count), np.zeros(count, dtype=np.int64)
    growing = _Growing(count, arms, least)
    for n in range(1, seeds + 1):
        growing.add(drawn[:, :, n - 1], runs)
        cells[live] += runs[live].sum(axis=1)
        if n < 2:
            continue
        found, error, freedom = growing.estimated()
        far = question.margin / error
        wins = runs[:, 1:] & (found / error >= needed(far, question.better, n, freedom))
        below = ~wins & (far - found / error >= needed(far, question.below, n, freedom))
        won = live[wins[live].any(axis=1)]
        better[won] = 1 + np.where(wins[won], found[won], -np.inf).argmax(axis=1)
        live = np.setdiff1d(live, won)
        runs[np.ix_(live, range(1, arms))] &= ~below[live]
        live = live[runs[live, 1:].any(axis=1)]
        if not len(live):
            break
    return Ended(cells, better, np.isin(np.arange(count), live))


def smallest_grid(margin: float, gain: float, rng: np.random.Generator, draws: int = 4000) -> int:
    """Seeds per arm of the fixed grid that answers with 80 % chance.

    Args:
        margin: in deviations of a paired difference.
        gain: true gain of the first configuration, the same; 0 where nothing helps.
        rng: source of the draws.
        draws: searches per number of seeds.
    """
    low, high = 1, 2
    while not _grid_answers(margin, gain, high, draws, rng):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        is_enough = _grid_answers(margin, gain, middle, draws, rng)
        low, high = (low, middle) if is_enough else (middle, high)
    return high


def _grid_answers(
    margin: float, gain: float, seeds: int, draws: int, rng: np.random.Generator
) -> bool:
    answered = done = 0
    while done < draws:
        drawn = rng.standard_normal((min(draws - done, 500), _CONFIGURATIONS + 1, seeds)) * 0.5**0.5
        drawn[:, 1] += gain
        found = estimated(drawn)
        if gain:
            limit = stdtrit(found.freedom, 1 - BETTER * _SHARE / _CONFIGURATIONS)
            answers = found.difference[:, 0] >= (limit * found.error)[:, 0]
        else:
            limit = stdtrit(found.freedom, 1 - BELOW * _SHARE)
            answers = (margin - found.difference >= limit * found.error).all(axis=1)
        answered, done = answered + int(answers.sum()), done + len(drawn)
    return answered >= 0.8 * draws


def verdicts(searches: int, rng: np.random.Generator) -> Iterator[list[str]]:
    """A row per margin, truth and dispersion: cost in percent of two grids', wrong answers."""
    for margin in _MARGINS:
        truths = {gain: smallest_grid(margin, gain, rng) for gain in (0.0, margin)}
        for gain, grid in truths.items():
            for dispersion in _DISPERSIONS:
                condition = Condition(dispersion)
                unit = condition.deviation * 2**0.5
                drawn = scores(condition, searches, _CONFIGURATIONS + 1, _MOST, rng)
                drawn[:, 1] += gain * unit
                question = Question(margin * unit, _CONFIGURATIONS, _SHARE)
                ended = rounds(drawn, question, 1 / (12 * condition.n_dev**2))
                cost = 100 * ended.cells / grid / (_CONFIGURATIONS + 1)
                planned = cost * grid / max(truths.values())
                right = ended.better == 1 if gain else (ended.better == 0) & ~ended.is_open
                wrong = ~right & ~ended.is_open
                yield [
                    f"{margin:g}",
                    "one gains the margin" if gain else "nothing helps",
                    f"{dispersion:g}",
                    str(grid),
                    f"{cost.mean():.0f} ± {2 * cost.std() / searches**0.5:.1f}",
                    f"{planned.mean():.0f} ± {2 * planned.std() / searches**0.5:.1f}",
                    *(f"{np.quantile(cost, at):.0f}" for at in (0.1, 0.5, 0.9)),
                    f"{100 * (cost <= 100).mean():.0f}",
                    share(float(wrong.sum()), searches),
                ]
