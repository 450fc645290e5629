"""What a search is judged by: a metric, which way is better, and how it is printed.

Room: results.
"""

from dataclasses import dataclass

from freelb_tune.errors import FreeLBTuneError
from freelb_tune.store import Better, Store
from freelb_tune.tasks.definitions.registry import get_task

__all__ = ["Measure", "measure_of"]


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
    name = (store.space.get("search") or {}).get("metric")
    try:
        task = get_task(store.task)
        metric = task.metric(name)
    except FreeLBTuneError:  # this installation does not know it: its results still show
        return Measure(name or "score", "higher", store.task)
    return Measure(metric.name, metric.better, task.title)
