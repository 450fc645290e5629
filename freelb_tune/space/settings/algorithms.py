"""How a space may be searched: one settings class per algorithm, checked at the door.

Room: space. Settings alone: what an algorithm does is one file in `search/algorithms/`. Hands on
the classes of `algorithm_bases`, which plugins import from here.
"""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from freelb_tune.errors import FreeLBTuneError, counted
from freelb_tune.space.registered import REGISTRIES
from freelb_tune.space.settings import algorithm_bases
from freelb_tune.space.settings.algorithm_bases import *  # noqa: F403
from freelb_tune.space.settings.algorithm_bases import (
    AlgorithmSettings,
    Count,
    EarlyStopping,
    Ordered,
    Sampling,
    SeedRounds,
)

__all__ = [
    "ALGORITHMS",
    "ASHASettings",
    "GridSettings",
    "HyperbandSettings",
    "MedianSettings",
    "RaceSettings",
    "RandomSettings",
    "SAMPLERS",
    "VerdictSettings",
    "settings_class",
]
__all__ += algorithm_bases.__all__


class GridSettings(Ordered):
    """Every combination, to its last epoch."""

    algorithm: Literal["grid"] = "grid"


class RandomSettings(Sampling):
    """Draws from the ranges, each to its last epoch."""

    algorithm: Literal["random"] = "random"


class ASHASettings(EarlyStopping):
    """Rungs of epochs, each time `reduction_factor` as many; at each the best go on.

    Attributes:
        reduction_factor: one in this many goes on at each rung.
    """

    algorithm: Literal["asha"] = "asha"
    reduction_factor: Annotated[int, Field(ge=2)] = 3


class HyperbandSettings(EarlyStopping):
    """ASHA in several brackets, of which each begins one rung later, and the last ends nothing.

    Attributes:
        reduction_factor: one in this many goes on at each rung.
    """

    algorithm: Literal["hyperband"] = "hyperband"
    reduction_factor: Annotated[int, Field(ge=2)] = 3


class MedianSettings(EarlyStopping):
    """A configuration ends where it is worse than the median of those that got there before it.

    Attributes:
        every_epochs: epochs from one comparison to the next. The seeds of a configuration wait for
            each other at each.
        least_others: nothing ends before so many others have been there.
    """

    algorithm: Literal["median"] = "median"
    every_epochs: Count = 1
    least_others: Count = 3


class RaceSettings(SeedRounds):
    """Two seeds for every configuration, and more only for those still in contention.

    Attributes:
        budget: most cells that are run, clean arms not counted; None for no limit.
    """

    algorithm: Literal["race"] = "race"
    budget: Count | None = None

    def check(self, configurations: int, seeds: int) -> None:
        """Two seeds or more, and a budget that covers two of each configuration."""
        if seeds < self.FIRST_SEEDS:
            raise FreeLBTuneError(f"a race needs {self.FIRST_SEEDS} seeds or more, got {seeds}")
        least = self.FIRST_SEEDS * configurations
        if self.budget is not None and self.budget < least:
            raise FreeLBTuneError(
                f"a race of {counted(configurations, 'configuration')} needs {least} cells, "
                f"{self.FIRST_SEEDS} seeds each, and the budget is {self.budget}; raise it or "
                "search fewer configurations"
            )

    def rule(self, seeds: int) -> str:
        """Who gets how many seeds, and with which error rate."""
        cut = ""
        if self.budget is not None:
            cut = (
                f" Where the budget of {self.budget:,} cells does not reach for all, the last in "
                "rank go."
            )
        return (
            f"Race: every configuration gets {self.FIRST_SEEDS} seeds, and one more each round, "
            f"up to {seeds}. One that a test finds worse than the leader gets no more; the chance "
            f"that this drops the truly best one is at most 5 % over the whole race.{cut} The "
            f"power above is for all {seeds}."
        )


class VerdictSettings(SeedRounds):
    """More seeds until it is known whether a configuration is better, or none is by the margin.

    Attributes:
        margin: a gain below this does not matter, in points (of a loss in its own unit).
        budget: most cells that are run, clean arms among them; None for no limit but the seeds.
    """

    BY_ROUNDS: ClassVar[bool] = True

    algorithm: Literal["verdict"] = "verdict"
    margin: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0
    budget: Count | None = None

    def check_arms(self, configurations: int, clean: int, seeds: int) -> None:
        """A clean arm, two seeds or more, and a budget that covers two of each arm."""
        if not clean:
            raise FreeLBTuneError(
                "search.algorithm: verdict compares settings with their clean arm, and there is "
                "none; take clean_arm: false out, or give it a setting that perturbs"
            )
        if seeds < self.FIRST_SEEDS:
            raise FreeLBTuneError(
                f"search.algorithm: verdict needs {self.FIRST_SEEDS} seeds or more, got {seeds}; "
                "seeds are the most that an arm may get"
            )
        least = self.FIRST_SEEDS * (configurations + clean)
        if self.budget is not None and self.budget < least:
            raise FreeLBTuneError(
                f"search.budget: {counted(configurations + clean, 'arm')}, clean ones among them, "
                f"need {least} cells, {self.FIRST_SEEDS} seeds each, and the budget is "
                f"{self.budget}; raise it or search fewer configurations"
            )

    def rule(self, seeds: int) -> str:
        """Who gets how many seeds, when it ends, and with which error rate."""
        end = "" if self.budget is None else f", or the budget of {self.budget:,} cells is spent"
        return (
            f"Verdict: every arm gets {self.FIRST_SEEDS} seeds, and one more each round, up to "
            f"{seeds}, while it may still gain {self.margin:g} or more. The search ends when a "
            f"configuration is better than its clean arm, when none is by that much{end}. Either "
            f"answer is wrong with at most 5 % chance. The power above is for all {seeds}."
        )


ALGORITHMS: dict[str, type[AlgorithmSettings]] = {
    "grid": GridSettings,
    "random": RandomSettings,
    "asha": ASHASettings,
    "hyperband": HyperbandSettings,
    "median": MedianSettings,
    "race": RaceSettings,
    "verdict": VerdictSettings,
}
"""Every algorithm's settings by name: what `search.algorithm` may say. Plugins add theirs."""

REGISTRIES.append(ALGORITHMS)

SAMPLERS = ("tpe", "gp")
"""What `search.algorithm` may say for random search with this sampler."""


def settings_class(space: Mapping[str, Any]) -> type[AlgorithmSettings]:
    """What to ask of a stored search instead of its algorithm's name."""
    name = (space.get("search") or {}).get("algorithm")
    return ALGORITHMS.get(name, AlgorithmSettings) if isinstance(name, str) else AlgorithmSettings
