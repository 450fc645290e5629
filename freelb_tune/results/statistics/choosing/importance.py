"""Which setting mattered, with how sure one can be of it.

Room: results. Settings and mean scores in, shares and tables out.

Each setting by itself, in a one-way analysis of variance: what other settings and luck do counts as
error. So it is right where settings were tried independently, as a grid and random draws are.

Reference:
    Ezekiel, "Methods of Correlation Analysis", 1930, for the share that chance does not explain
    (adjusted R squared); Fisher, Metron 1, 1921, for the interval of a correlation, which here is
    between a score and the mean of its group.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Importance", "PairTable", "importances", "pair_table"]

FEWEST = 4
"""Configurations below which nothing is said."""

_GROUPS = 16
"""Most groups of configurations by a setting's values."""

_EACH = 2
"""Configurations in a group, on average, at least."""

_LEVEL = 0.05
"""Of each end of the interval, and of the F test that has to tell groups apart."""

_NORMAL = NormalDist().inv_cdf(1 - _LEVEL)


@dataclass(frozen=True)
class Importance:
    """How much of the scores' variance a setting explains alone.

    Attributes:
        setting: its dotted name.
        share: above what chance would explain, between 0 and 1.
        low: lower end of a 90 % interval; 0 where an F test does not tell its values apart.
        high: upper end of it; from the share with what chance gave.
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


def importances(settings: Sequence[Mapping[str, Any]], scores: Sequence[float]) -> list[Importance]:
    """Rank the settings that vary by the variance they explain alone.

    Args:
        settings: one mapping per configuration, the same names in each; no seed among them.
        scores: their mean scores, in the same order.

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
    made = [Importance(name, *_share(_groups(codes[name]), target)) for name in varied]
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


def _share(groups: NDArray[np.int64], scores: NDArray[np.float64]) -> tuple[float, float, float]:
    """The share of the scores' variance that groups explain above chance, and its interval."""
    from scipy.special import fdtrc

    sizes = np.bincount(groups)
    means = np.bincount(groups, scores) / sizes
    free, rest_free = len(sizes) - 1, len(scores) - len(sizes)
    total, rest = _squares(scores - scores.mean()), _squares(scores - means[groups])
    share = max(0.0, 1 - rest / rest_free * (len(scores) - 1) / total)
    if rest <= 1e-12 * total:
        return 1.0, 1.0, 1.0
    is_seen = fdtrc(free, rest_free, (total - rest) / free / (rest / rest_free)) <= _LEVEL
    reach = _NORMAL / math.sqrt(rest_free - 1)
    low = math.tanh(max(_fisher(share) - reach, 0.0)) ** 2 if is_seen else 0.0
    return share, low, math.tanh(_fisher(1 - rest / total) + reach) ** 2


def _fisher(share: float) -> float:
    return math.atanh(math.sqrt(max(share, 0.0)))  # rounding may leave less than nothing


def _squares(values: NDArray[np.float64]) -> float:
    return float(np.sum(values**2))


def _groups(codes: NDArray[np.float64]) -> NDArray[np.int64]:
    """The group of each configuration: its value, or neighbouring values where these are many."""
    distinct, places, counts = np.unique(codes, return_inverse=True, return_counts=True)
    most = min(len(codes) // _EACH, _GROUPS)
    if len(distinct) <= most:
        return np.asarray(places)
    middles = np.cumsum(counts) - counts / 2
    merged = (middles * most / len(codes)).astype(int)[places]
    return np.asarray(np.unique(merged, return_inverse=True)[1])


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
