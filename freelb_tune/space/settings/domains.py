"""Where one searched setting may take its values: a grid to span, or a range to draw from.

Room: space.
"""

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from freelb_tune.errors import unknown_name
from freelb_tune.space.values import Value

__all__ = ["DOMAINS", "Choice", "Domain", "Grid", "Range", "is_domain", "parse_domain"]

DOMAINS = ("grid", "choice", "uniform", "loguniform", "int", "logint")
DIGITS = 4
"""Significant digits of drawn numbers, so that a table shows exactly what was tried."""


@dataclass(frozen=True)
class _Values:
    """A list of values."""

    values: tuple[Value, ...]

    def holds(self, value: Value) -> bool:
        """Whether a value, as its setting keeps it, is one of these."""
        return value in self.values

    def __str__(self) -> str:
        return f"one of {', '.join(map(str, self.values))}"


class Grid(_Values):
    """Every value, in order; grids span the product."""


class Choice(_Values):
    """One of the values, each as likely."""

    def draw(self, rng: random.Random) -> Value:
        """Draw one value from `rng` alone."""
        return rng.choice(self.values)


@dataclass(frozen=True)
class Range:
    """Numbers from low to high, both included; evenly or evenly in their logarithm."""

    low: float
    high: float
    log: bool
    whole: bool

    @property
    def ends(self) -> tuple[Value, Value]:
        """The lowest and the highest, of the kind that is drawn."""
        if self.whole:
            return int(self.low), int(self.high)
        return float(self.low), float(self.high)

    def draw(self, rng: random.Random) -> Value:
        """Draw one number from `rng` alone; a fraction is rounded to four digits."""
        if self.whole and not self.log:
            return rng.randint(int(self.low), int(self.high))
        if self.log:
            value = math.exp(rng.uniform(math.log(self.low), math.log(self.high)))
        else:
            value = rng.uniform(self.low, self.high)
        return self.nearest(value)

    def nearest(self, value: float) -> Value:
        """The number that is run for this one: whole, or of four digits, and never outside."""
        value = value if self.whole else float(f"{value:.{DIGITS}g}")
        value = min(max(value, self.low), self.high)  # last: rounding may step over an end
        return round(value) if self.whole else float(value)

    def holds(self, value: Value) -> bool:
        """Whether a value, as its setting keeps it, lies here."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        return self.low <= value <= self.high and (not self.whole or float(value).is_integer())

    def as_drawn(self, value: float) -> Value:
        """A value that lies here, of the kind that is drawn."""
        return int(value) if self.whole else float(value)

    def __str__(self) -> str:
        return f"from {self.low} to {self.high}"


Domain = Grid | Choice | Range


def is_domain(value: Any) -> bool:
    """Whether a value of the file is meant as a domain: a mapping with one domain's name."""
    return isinstance(value, Mapping) and len(value) == 1 and next(iter(value)) in DOMAINS


def parse_domain(value: Mapping[str, Any]) -> Domain | str:
    """Read a domain, or say what is wrong with it."""
    kind, body = next(iter(value.items()))
    if kind not in DOMAINS:
        return unknown_name(str(kind), DOMAINS)
    if not isinstance(body, list):
        return f"{kind} needs a list, such as {{{kind}: [1, 2]}}, got {body!r}"
    if kind in ("grid", "choice"):
        if not body:
            return f"{kind} needs one value or more, got []"
        return (Grid if kind == "grid" else Choice)(tuple(body))
    return _range(kind, body)


def _range(kind: str, body: list[Any]) -> Domain | str:
    whole, log = kind.endswith("int"), kind.startswith("log")
    numbers = [x for x in body if isinstance(x, int | float) and not isinstance(x, bool)]
    if len(body) != 2 or len(numbers) != 2:
        return f"{kind} needs two numbers, the lowest and the highest, got {body!r}"
    low, high = numbers
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        return f"{kind} needs a lowest below a highest, got {body!r}"
    if whole and not all(isinstance(x, int) for x in numbers):
        return f"{kind} needs whole numbers, got {body!r}"
    if log and low <= 0:
        return f"{kind} needs a lowest above 0, got {body!r}"
    return Range(low, high, log, whole)
