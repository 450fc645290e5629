"""A configuration's results over its seeds: the numbers that tables compare.

Room: results. Values are as stored (0.8014 for 80.14 %). A seed that the scheduler stopped early,
that failed or that is still to come never enters a mean.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean, median, stdev
from typing import Literal

from freelb_tune.results.tables.contents.ranking import Standing, counts, is_complete, standing
from freelb_tune.space.cells.cell import Block, Cell, Value
from freelb_tune.store import Better, CellResult, CellState

__all__ = ["Configuration", "Select", "SeedResult", "Spread", "configurations", "spread_of"]

Select = Literal["best_epoch", "last_epoch"]


@dataclass(frozen=True)
class SeedResult:
    """One seed of a configuration; with cross-validation, one seed and fold.

    Attributes:
        seed: the seed.
        state: where its cell is.
        epochs: epochs known.
        best: score of the best epoch; None before the first.
        last: score of the last one known.
        best_metrics: every metric after the best epoch, by name; empty before the first.
        last_metrics: the same after the last one known.
        fold: the fold, 1 for the first; None where the data has a dev set.
    """

    seed: int
    state: CellState
    epochs: int
    best: float | None
    last: float | None
    best_metrics: Mapping[str, float]
    last_metrics: Mapping[str, float]
    fold: int | None = None

    @property
    def block(self) -> Block:
        """What it shares with those that it is compared with."""
        return Block(self.seed, self.fold or 0)

    def value(self, select: Select, metric: str | None = None) -> float | None:
        """The score that a table shows, or one metric after the same epoch; None if unknown."""
        is_best = select == "best_epoch"
        if metric is not None:
            return (self.best_metrics if is_best else self.last_metrics).get(metric)
        return self.best if is_best else self.last


@dataclass(frozen=True)
class Spread:
    """Scores over the finished seeds.

    Attributes:
        n: number of seeds.
        mean: their mean.
        sd: sample standard deviation; None for one seed.
        median: their median.
    """

    n: int
    mean: float
    sd: float | None
    median: float


def spread_of(values: Sequence[float]) -> Spread | None:
    """Of these scores; None of none."""
    if not values:
        return None
    sd = stdev(values) if len(values) > 1 else None
    return Spread(len(values), fmean(values), sd, median(values))


@dataclass(frozen=True)
class Configuration:
    """Every setting but the seed, and what its seeds gave.

    Attributes:
        config_id: as in `Cell`.
        clean_id: its clean arm's `config_id`; None where that is switched off.
        arm: "clean" is the same settings without perturbation.
        settings: by dotted name.
        seeds: in the order of the seeds' numbers.
        same_as: `config_id` of the one that trains the same, and ran for both; None for its own.
    """

    config_id: str
    clean_id: str | None
    arm: Literal["adversarial", "clean"]
    settings: dict[str, Value]
    seeds: tuple[SeedResult, ...]
    same_as: str | None = None

    def count(self, *states: CellState) -> int:
        """How many seeds are in one of these states."""
        return sum(each.state in states for each in self.seeds)

    @property
    def planned(self) -> int:
        """Seeds of the plan, without those that a race was over before."""
        return sum(counts(each.state) for each in self.seeds)

    @property
    def finished(self) -> int:
        """Seeds trained to the end."""
        return self.count(CellState.DONE)

    @property
    def is_complete(self) -> bool:
        """Whether every planned seed was trained to the end: only then it can be compared."""
        return is_complete(each.state for each in self.seeds)

    def standing(self, select: Select, sign: float) -> Standing:
        """What settles its place, by the epoch of each seed that counts."""
        return standing(((each.state, each.value(select)) for each in self.seeds), sign)

    @property
    def stopped(self) -> tuple[SeedResult, ...]:
        """Seeds that the scheduler ended early."""
        return tuple(each for each in self.seeds if each.state is CellState.STOPPED)

    def stopped_at(self, select: Select) -> tuple[int, float] | None:
        """The latest epoch at which a seed was ended early, and the mean of those ended there.

        None where a seed has finished, which is what counts then, or none was ended early.
        """
        last = max((each.epochs for each in self.stopped), default=0)
        there = [each.value(select) for each in self.stopped if each.epochs == last]
        scores = [value for value in there if value is not None]
        return (last, fmean(scores)) if scores and not self.finished else None

    @cached_property
    def _spreads(self) -> dict[tuple[Select, str | None], Spread | None]:
        """What `spread` has said: a report asks for each some twenty times."""
        return {}

    def spread(self, select: Select, metric: str | None = None) -> Spread | None:
        """Mean, deviation and median over the finished seeds; None if there is none.

        Args:
            select: which epoch of each seed counts; the search's score chooses the best one.
            metric: a metric after that epoch in place of the score.
        """
        asked = select, metric
        if asked not in self._spreads:
            self._spreads[asked] = self._spread(select, metric)
        return self._spreads[asked]

    def _spread(self, select: Select, metric: str | None) -> Spread | None:
        values = [
            value
            for each in self.seeds
            if each.state is CellState.DONE and (value := each.value(select, metric)) is not None
        ]
        return spread_of(values)


def configurations(cells: Sequence[CellResult], better: Better) -> list[Configuration]:
    """Put cells that differ only in their seed together, in the order of their first cell."""
    groups: dict[str, list[CellResult]] = {}
    for each in cells:
        groups.setdefault(each.cell.config_id, []).append(each)
    return [_configuration(group, better) for group in groups.values()]


def _configuration(group: Sequence[CellResult], better: Better) -> Configuration:
    """One configuration out of its cells."""
    cell: Cell = group[0].cell
    seeds = [_seed_result(each, better) for each in group]
    return Configuration(
        config_id=cell.config_id,
        clean_id=cell.clean_id,
        arm=cell.arm,
        settings=cell.settings,
        seeds=tuple(sorted(seeds, key=lambda each: each.block)),
        same_as=next((each.same_as.config_id for each in group if each.same_as), None),
    )


def _seed_result(result: CellResult, better: Better) -> SeedResult:
    """One seed out of its cell."""
    best, last = result.best(better), result.last
    return SeedResult(
        seed=result.cell.seed,
        state=result.state,
        epochs=len(result.epochs),
        best=best.score if best else None,
        last=last.score if last else None,
        best_metrics=best.metrics if best else {},
        last_metrics=last.metrics if last else {},
        fold=result.cell.fold,
    )
