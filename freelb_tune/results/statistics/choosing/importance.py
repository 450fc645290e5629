"""Which setting mattered, with how sure one can be of it.

Room: results. Settings and mean scores in, shares and tables out. scikit-learn loads on first use.

Reference:
    Hutter, Hoos & Leyton-Brown, "An Efficient Approach for Assessing Hyperparameter Importance",
    ICML 2014 (functional ANOVA on a random forest). Deviation: a setting's marginal is averaged
    over the configurations that were searched, not over the whole space, and the uncertainty is
    from bootstrapping configurations.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Importance", "PairTable", "importances", "pair_table"]

FEWEST = 4
"""Configurations below which nothing is said."""

_BINS = 16  # most values of a setting, and
_AROUND = 256  # most configurations, of which a marginal is made: thousands cost no more


@dataclass(frozen=True)
class Importance:
    """How much of the scores' variance a setting explains alone.

    Attributes:
        setting: its dotted name.
        share: mean over the bootstrap, between 0 and 1.
        low: 5th percentile over the bootstrap.
        high: 95th percentile over it.
    """

    setting: str
    share: float
    low: float
    high: float


@dataclass(frozen=True)
class PairTable:
    """Mean scores by the values of two settings: the data of a heat map.

    Attributes:
        rows: values of the first setting, in order.
        columns: values of the second.
        means: `(rows, columns)`; None where no configuration has both values.
        counts: configurations behind each mean.
    """

    rows: tuple[Any, ...]
    columns: tuple[Any, ...]
    means: tuple[tuple[float | None, ...], ...]
    counts: tuple[tuple[int, ...], ...]


def importances(
    settings: Sequence[Mapping[str, Any]],
    scores: Sequence[float],
    repeats: int = 40,
    seed: int = 0,
) -> list[Importance]:
    """Rank the settings that vary by the variance they explain alone.

    Args:
        settings: one mapping per configuration, the same names in each; no seed among them.
        scores: their mean scores, in the same order.
        repeats: bootstrap samples of the configurations, one forest of 16 trees each.
        seed: of the samples and of the forests.

    Returns:
        Most important first, equal ones by name; empty with fewer than four configurations, or
        where no setting or no score varies.
    """
    names = sorted({name for row in settings for name in row})
    codes = {name: _codes([row.get(name) for row in settings]) for name in names}
    varied = [name for name in names if len(set(codes[name])) > 1]
    target = np.asarray(scores, dtype=float)
    if len(target) < FEWEST or not varied or target.std() == 0:
        return []
    table = np.stack([codes[name] for name in varied], axis=1)
    rng = np.random.default_rng(seed)
    draws = []
    for _ in range(repeats):
        at = rng.integers(0, len(target), len(target))
        draws.append(_shares(table, at, target, int(rng.integers(2**31))))
    shares = np.stack(draws)
    low, high = np.percentile(shares, [5, 95], axis=0)
    made = [
        Importance(name, float(shares[:, at].mean()), float(low[at]), float(high[at]))
        for at, name in enumerate(varied)
    ]
    return sorted(made, key=lambda one: (-one.share, one.setting))


def pair_table(
    settings: Sequence[Mapping[str, Any]], scores: Sequence[float], first: str, second: str
) -> PairTable:
    """Mean score by the values of two settings."""
    rows = _ordered([row.get(first) for row in settings])
    columns = _ordered([row.get(second) for row in settings])
    cells: dict[tuple[str, str], list[float]] = {}
    for row, score in zip(settings, scores, strict=True):
        cells.setdefault((repr(row.get(first)), repr(row.get(second))), []).append(score)
    grid = [[cells.get((repr(r), repr(c)), []) for c in columns] for r in rows]
    return PairTable(
        tuple(rows),
        tuple(columns),
        tuple(tuple(sum(c) / len(c) if c else None for c in row) for row in grid),
        tuple(tuple(len(c) for c in row) for row in grid),
    )


def _shares(
    table: NDArray[np.float64], drawn: NDArray[np.int64], target: NDArray[np.float64], seed: int
) -> NDArray[np.float64]:
    """Each column's share of the variance of a forest's predictions."""
    from sklearn import config_context
    from sklearn.ensemble import RandomForestRegressor

    forest = RandomForestRegressor(n_estimators=16, random_state=seed, n_jobs=1)
    around = table[:: -(-len(table) // _AROUND)]
    counted = [np.unique(_binned(column), return_counts=True) for column in table.T]
    asked = [table]
    for column, (values, _) in enumerate(counted):
        asked.append(np.repeat(around, len(values), axis=0))
        asked[-1][:, column] = np.tile(values, len(around))
    # all of it is as it should be, and looking at that costs more than the trees
    with config_context(skip_parameter_validation=True, assume_finite=True):
        forest.fit(table[drawn], target[drawn])
        told = forest.predict(np.concatenate(asked))  # in one call, as each costs milliseconds
    own, *others = np.split(told, np.cumsum([len(part) for part in asked])[:-1])
    total = float(own.var())
    if total <= 0:
        return np.zeros(table.shape[1])
    shares = np.empty(table.shape[1])
    for column, (values, weights) in enumerate(counted):
        marginal = others[column].reshape(len(around), len(values)).mean(axis=0)
        centre = np.average(marginal, weights=weights)
        shares[column] = np.average((marginal - centre) ** 2, weights=weights) / total
    return np.minimum(shares, 1.0)


def _binned(column: NDArray[np.float64]) -> NDArray[np.float64]:
    """A column with at most `_BINS` distinct values: each bin's smallest stands for the bin."""
    distinct = np.unique(column)
    edges = distinct[:: -(-len(distinct) // _BINS)]
    return np.asarray(edges[np.searchsorted(edges, column, side="right") - 1])


def _codes(values: Sequence[Any]) -> NDArray[np.float64]:
    """Each value's place in order, so that 0.01 and 0.1 are as far apart as 0.1 and 1."""
    places = {repr(value): at for at, value in enumerate(_ordered(values))}
    return np.array([places[repr(value)] for value in values], dtype=float)


def _ordered(values: Sequence[Any]) -> list[Any]:
    """Distinct values: None first, then numbers by size, then the rest by text."""
    distinct = {repr(value): value for value in values}

    def place(value: Any) -> tuple[int, float, str]:
        if value is None:
            return 0, 0.0, ""
        if isinstance(value, int | float) and not isinstance(value, bool):
            return 1, float(value), ""
        return 2, 0.0, repr(value)

    return sorted(distinct.values(), key=place)
