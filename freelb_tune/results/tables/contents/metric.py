"""What a search is judged by: a metric, which way is better, and how it is printed.

Room: results.
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from freelb_tune.errors import FreeLBTuneError, counted
from freelb_tune.store import Better, Store
from freelb_tune.tasks.definitions.registry import get_task

if TYPE_CHECKING:
    from freelb_tune.results.statistics.comparing.scores import Score

__all__ = ["Measure", "measure_for", "measure_of", "score_line"]


@dataclass(frozen=True)
class Measure:
    """A metric with its direction.

    Attributes:
        name: the metric, `accuracy`.
        better: which way is better.
        task: the task as people write it, `RTE`.
    """

    name: str
    better: Better
    task: str

    @property
    def sign(self) -> int:
        """1 where more is better, else -1: times this, more is better."""
        return 1 if self.better == "higher" else -1

    @property
    def scale(self) -> float:
        """What a stored value is multiplied by in print: percent for scores, losses as they are."""
        return 100.0 if self.better == "higher" else 1.0

    @property
    def digits(self) -> int:
        """After the point in print."""
        return 2 if self.better == "higher" else 4

    @property
    def unit(self) -> str:
        """Of the values in files for programs, which hold them as stored."""
        return "fraction" if self.better == "higher" else "as measured"

    def show(self, value: float) -> str:
        """A value as printed: `80.14` for 0.8014; a loss with four decimals."""
        return f"{value * self.scale:.{self.digits}f}"

    def show_difference(self, value: float) -> str:
        """A difference as printed, with its sign: `+1.08`."""
        return f"{value * self.scale:+.{self.digits}f}"


def measure_of(store: Store) -> Measure:
    """The metric by which a search ranks: the space's, else its task's first."""
    return measure_for(store.task, (store.space.get("search") or {}).get("metric"))


def measure_for(task: str, name: str | None) -> Measure:
    """A metric of a task, by their names; without one the task's first."""
    try:
        known = get_task(task)
        metric = known.metric(name)
    except FreeLBTuneError:  # this installation does not know it: its results still show
        return Measure(name or "score", "higher", task)
    return Measure(metric.name, metric.better, known.title)


def score_line(measure: Measure, score: "Score", rows: int) -> str:
    """`accuracy: 72.92 (95 % interval 67.41 to 77.84, 277 labelled rows)`."""
    interval = "no interval from these rows"
    if not math.isnan(score.low):
        interval = f"95 % interval {measure.show(score.low)} to {measure.show(score.high)}"
    told = counted(rows, "labelled row")
    return f"{measure.name}: {measure.show(score.value)} ({interval}, {told})"
