"""How a difference is said: its unit, its sign, its intervals.

Room: results. Numbers in, words out.
"""

from dataclasses import dataclass
from typing import Literal

from freelb_tune.errors import counted
from freelb_tune.results.statistics.comparing.comparison import Comparison, Interval
from freelb_tune.results.statistics.comparing.contrast import ONE_SEED

__all__ = ["POINTS", "Unit", "extent", "unit_of"]


@dataclass(frozen=True)
class Unit:
    """How a difference is said.

    Attributes:
        factor: what a difference is multiplied by.
        digits: after the point.
        word: what it is counted in.
    """

    factor: float
    digits: int
    word: str

    def number(self, value: float) -> str:
        """A value without its word: "52.7"."""
        return f"{value * self.factor:.{self.digits}f}"

    def size(self, value: float) -> str:
        """Without a sign, with its word: "4.0 points"."""
        return f"{self.number(value)} {self.word}"

    def signed(self, value: float | None) -> str:
        """With its sign and no word: "+1.1"; nothing is ever minus zero."""
        rounded = round((value or 0.0) * self.factor, self.digits) + 0.0
        return f"{rounded:+.{self.digits}f}"

    def ends(self, interval: Interval) -> str:
        """The ends of an interval: "-0.4 to +2.6"."""
        return f"{self.signed(interval.low)} to {self.signed(interval.high)}"

    def by(self, one: Comparison) -> str:
        """A difference with its intervals, and what they are of."""
        word = f"{self.signed(one.difference)} {self.word}"
        if one.low is None or one.high is None:
            return word
        own = self.ends(Interval(one.difference or 0.0, one.low, one.high))
        if one.note is not None and one.note.startswith(ONE_SEED):
            return f"{word} (95 % interval of these two models on other examples {own})"
        others = (
            f"; on other examples {self.ends(one.other_examples)}" if one.other_examples else ""
        )
        return f"{word} (95 % interval over {one.over} {own}{others})"


def extent(one: Comparison) -> str:
    """What a comparison is over: "3 seeds", "5 folds x 3 seeds"."""
    seeds = counted(one.n_seeds, "seed")
    return f"{counted(one.n_folds, 'fold')} x {seeds}" if one.n_folds else seeds


POINTS = Unit(100.0, 1, "points")
"""Hundredths of a score that counts up to 1."""


def unit_of(metric: str, better: Literal["higher", "lower"]) -> Unit:
    """How differences of a metric are said: scores in points, losses as they are."""
    return POINTS if better == "higher" else Unit(1.0, 4, metric)
