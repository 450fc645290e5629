"""Which setting mattered, with how sure one can be of it.

Room: results. Settings and mean scores in, shares and tables out.

Each setting by itself, in a one-way analysis of variance: what other settings and luck do counts as
error. So it is right where settings were tried independently, as a grid and random draws are. Of
several methods only those count that were tried with more than one of a setting's values: what
differs between methods alone, as `rho` does that two of ten have, is the methods' doing.

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

METHOD = "adversary.method"
"""The setting that settles which others there are."""

_LEVEL = 0.05
"""Of each end of the interval, and of the F test that has to tell groups apart."""

_NORMAL = NormalDist().inv_cdf(1 - _LEVEL)

_SAME = 1e-12
"""Scores that are no farther apart than this are one score, rounded."""


@dataclass(frozen=True)
class Importance:
    """How much of the variance between scores a setting explains alone.

    Attributes:
        setting: its dotted name.
        tied: settings that go with it value by value: the share may be theirs as well.
        count: configurations that it was judged among.
        share: of the variance between these, above what chance would explain, between 0 and 1.
        low: lower end of a 90 % interval; 0 where an F test does not tell its values apart.
        high: upper end of it; from the share with what chance gave.
    """

    setting: str
    tied: tuple[str, ...]
    count: int
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
        settings: one mapping per configuration, of the settings that it has; no seed among them.
        scores: their mean scores, in the same order.

    Returns:
        Most important first, equal ones by name. A setting is left out where no value of it or no
        score varies, where it is judged among fewer than four configurations, or where names, such
        as methods, have fewer than two configurations each on average.
    """
    target = np.asarray(scores, dtype=float)
    methods = [str(row.get(METHOD)) for row in settings]
    alike: dict[bytes, list[str]] = {}
    judged: dict[str, tuple[NDArray[np.int64], NDArray[np.float64]]] = {}
    for name in sorted({name for row in settings for name in row}):
        kept = _comparable(settings, methods, name)
        groups = _groups([settings[at][name] for at in kept])
        if len(kept) < FEWEST or groups is None or np.ptp(target[kept]) <= _SAME:
            continue
        judged[name] = groups, target[kept]
        alike.setdefault(bytes(np.asarray(kept)) + bytes(groups), []).append(name)
    made = [
        Importance(name, tuple(tied), len(judged[name][0]), *_share(*judged[name]))
        for name, *tied in alike.values()
    ]
    return sorted(made, key=lambda one: (-one.share, one.setting))


def pair_table(
    settings: Sequence[Mapping[str, Any]], scores: Sequence[float], first: str, second: str
) -> PairTable:
    """Mean score by the values of two settings, over the configurations that have both."""
    both = [
        (row[first], row[second], score)
        for row, score in zip(settings, scores, strict=True)
        if first in row and second in row
    ]
    rows, columns = _ordered([row for row, _, _ in both]), _ordered([c for _, c, _ in both])
    cells: dict[tuple[str, str], list[float]] = {}
    for row, column, score in both:
        cells.setdefault((repr(row), repr(column)), []).append(score)
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


def _comparable(
    settings: Sequence[Mapping[str, Any]], methods: Sequence[str], name: str
) -> list[int]:
    """The configurations that have a setting, of the methods that were tried with several values.

    A method that was tried with one would put its own worth in place of the setting's.
    """
    have = [at for at, row in enumerate(settings) if name in row]
    if name == METHOD:
        return have
    tried: dict[str, set[str]] = {}
    for at in have:
        tried.setdefault(methods[at], set()).add(repr(settings[at][name]))
    return [at for at in have if len(tried[methods[at]]) > 1]


def _groups(values: Sequence[Any]) -> NDArray[np.int64] | None:
    """The group of each configuration: its value, or neighbouring values where numbers are many.

    None where the values are one, or names too many for their configurations: a name has no
    neighbours. Groups are numbered as they come, so that two that divide alike are alike.
    """
    places = {repr(value): at for at, value in enumerate(_ordered(values))}
    codes = np.array([places[repr(value)] for value in values], dtype=int)
    most = min(len(values) // _EACH, _GROUPS)
    if len(places) > most and all(_is_ordered(value) for value in values):
        counts = np.bincount(codes)
        middles = np.cumsum(counts) - counts / 2
        codes = (middles * most / len(codes)).astype(int)[codes]
    elif len(places) > len(values) // _EACH:
        return None
    first: dict[int, int] = {}
    groups = np.array([first.setdefault(code, len(first)) for code in codes.tolist()], dtype=int)
    return groups if len(first) > 1 else None


def _is_ordered(value: Any) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _ordered(values: Sequence[Any]) -> list[Any]:
    """Distinct values: None first, then numbers by size, then the rest by text."""
    distinct = {repr(value): value for value in values}

    def place(value: Any) -> tuple[int, float, str]:
        if value is None:
            return 0, 0.0, ""
        if _is_ordered(value):
            return 1, float(value), ""
        return 2, 0.0, repr(value)

    return sorted(distinct.values(), key=place)
