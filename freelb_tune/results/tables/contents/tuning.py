"""What choosing does in one search: best-of-n curves, which setting mattered, pairs of settings.

Room: results. A table in, plain records out; numpy and scikit-learn load on use, so it is asked for
where a verdict is, not while a search runs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from freelb_tune.results.statistics.choosing.best_of import BestOf, best_of
from freelb_tune.results.statistics.choosing.importance import (
    Importance,
    PairTable,
    importances,
    pair_table,
)
from freelb_tune.results.tables.contents.axes import shown
from freelb_tune.results.tables.contents.configuration import Configuration
from freelb_tune.results.tables.contents.table import Table
from freelb_tune.results.tables.contents.twins import contenders
from freelb_tune.space.cells.cell import Value
from freelb_tune.store import CellState, Store

__all__ = ["Choosing", "Curve", "Pair", "choosing_of"]

_PAIRED = 3  # the settings that matter most, of which every pair gets a table


@dataclass(frozen=True)
class Curve:
    """An arm's best-of-n curve; a trial is a complete configuration, scored by its seeds' mean.

    Attributes:
        arm: "clean arm", or the adversary's method.
        points: one per number of trials.
    """

    arm: str
    points: tuple[BestOf, ...]


@dataclass(frozen=True)
class Pair:
    """Two settings and the mean scores by their values.

    Attributes:
        first: dotted name of the setting that makes the rows.
        second: of the one that makes the columns.
        table: the means.
    """

    first: str
    second: str
    table: PairTable


@dataclass(frozen=True)
class Choosing:
    """What can be said about choosing among a search's complete configurations.

    Attributes:
        curves: one per arm with a complete configuration, the clean arm first.
        importance: of the adversarial configurations' settings, the most important first.
        pairs: of the most important settings.
    """

    curves: tuple[Curve, ...]
    importance: tuple[Importance, ...]
    pairs: tuple[Pair, ...]


def choosing_of(store: Store, table: Table) -> Choosing:
    """Work it out from a search's complete configurations; empty parts where there are too few."""
    every = contenders(table)  # a model is one trial
    scored = [(config, score) for config in every if (score := _score(config, table)) is not None]
    hours = _hours(store)
    arms: dict[str, list[tuple[Configuration, float]]] = {}
    for config, score in scored:
        arms.setdefault(_arm(config), []).append((config, score))
    curves = tuple(
        Curve(
            arm,
            tuple(
                best_of(
                    [score for _, score in members],
                    [hours[config.config_id] for config, _ in members],
                    table.measure.better,
                )
            ),
        )
        for arm, members in arms.items()
    )
    rivals = [(config, score) for config, score in scored if config.arm != "clean"]
    settings = _settings([config for config, _ in rivals])
    scores = [score for _, score in rivals]
    found = importances(settings, scores)
    names = [one.setting for one in found[:_PAIRED]]
    pairs = [Pair(a, b, pair_table(settings, scores, a, b)) for a, b in combinations(names, 2)]
    return Choosing(curves, tuple(found), tuple(pairs))


def _score(config: Configuration, table: Table) -> float | None:
    """The mean over all seeds; None for a configuration that lacks one."""
    spread = config.spread(table.layout.select)
    return spread.mean if spread and config.is_complete else None


def _arm(config: Configuration) -> str:
    if config.arm == "clean":
        return "clean arm"
    return str(config.settings.get("adversary.method", "adversarial"))


def _hours(store: Store) -> dict[str, float]:
    """Hours of training and evaluation, by configuration, over its seeds."""
    hours: dict[str, float] = {}
    for each in store.cells:
        if each.state is CellState.DONE:
            seconds = sum(e.train_seconds + e.eval_seconds for e in each.epochs)
            name = each.cell.config_id
            hours[name] = hours.get(name, 0.0) + seconds / 3600
    return hours


def _settings(configs: Sequence[Configuration]) -> list[Mapping[str, Value]]:
    """Settings by name, without those that do nothing."""
    return [
        {name: value for name, value in each.settings.items() if shown(each, name).applies}
        for each in configs
    ]
