"""Configurations that the user knows to be good: `search.points`, which run before all others.

Room: space.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from freelb_tune.errors import unknown_name
from freelb_tune.space.checking.checks import read_value
from freelb_tune.space.checking.refusal import Refusal
from freelb_tune.space.problems import Problems
from freelb_tune.space.reading.layers import Layer
from freelb_tune.space.settings.algorithms import AlgorithmSettings
from freelb_tune.space.settings.domains import Domain, Grid, Range
from freelb_tune.space.values import Value

__all__ = ["Point", "read_points"]


@dataclass(frozen=True)
class Point:
    """One point in one branch.

    Attributes:
        place: its place in `search.points`, 0 for the first.
        layer: the branch, which searches every setting that the point names.
        values: by dotted name; of all that is drawn, and of some that is spanned.
    """

    place: int
    layer: Layer
    values: Mapping[str, Value]

    def chosen(self) -> Iterator[dict[str, Value]]:
        """Its values beside each combination of the grids that agrees with them."""
        drawn = {key: self.values[key] for key in self.layer.drawn}
        for combination in self.layer.combinations():
            if all(combination.get(key, value) == value for key, value in self.values.items()):
                yield {**drawn, **combination}


def read_points(
    search: AlgorithmSettings, layers: Sequence[Layer], problems: Problems
) -> tuple[Point, ...]:
    """The points, each in every branch that searches what it names.

    Args:
        search: `points` are read.
        layers: what is searched.
        problems: takes down what is wrong.
    """
    points: list[Point] = []
    for place, given in enumerate(search.points):
        found = [_fit(place, given, layer) for layer in layers]
        good = [each for each in found if isinstance(each, Point)]
        points += good
        if not good:
            for each in found[:1]:
                assert not isinstance(each, Point)
                problems.add(*each)
    return tuple(points)


def _fit(place: int, given: Mapping[str, Any], layer: Layer) -> Point | tuple[str, str]:
    """A point as a branch takes it, or where in the file it cannot and why."""
    where = f"search.points.{place}"
    searched = _searched(layer)
    values: dict[str, Value] = {}
    for name, value in given.items():
        if name not in searched:
            return f"{where}.{name}", _not_searched(name, layer)
        try:
            values[name] = read_value(name, value, layer.methods)
        except Refusal as refusal:
            return f"{where}.{name}", str(refusal)
        domain = searched[name]
        if not domain.holds(values[name]):
            return f"{where}.{name}", f"expected {domain} as the file has it, got {value}"
        if isinstance(domain, Range):
            values[name] = domain.as_drawn(float(value))
    for name in layer.drawn:
        if name not in values:
            return where, f"names no value of {name}, which is drawn"
    point = Point(place, layer, values)
    if next(point.chosen(), None) is None:
        return where, "these values do not stand together in one line of tie"
    return point


def _searched(layer: Layer) -> dict[str, Domain]:
    """The domain of everything that a branch draws or spans."""
    found = {k: v for k, v in layer.settings.items() if isinstance(v, Domain)}
    return found | {key: Grid(values) for tie in layer.ties for key, values in tie.items()}


def _not_searched(name: str, layer: Layer) -> str:
    """Why a point may not name a setting."""
    if name in layer.keys:
        return "is not searched; give it a range or a grid, or take it out of the point"
    return unknown_name(name, _searched(layer))
