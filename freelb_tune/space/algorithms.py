"""How a space may be searched: one settings class per algorithm, checked at the door.

Room: space. Settings, and what others may ask of an algorithm instead of its name. What it does is
one file in `search/algorithms/`.
"""

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from freelb_tune.errors import FreeLBTuneError, counted

__all__ = [
    "ALGORITHMS",
    "ASHASettings",
    "AlgorithmSettings",
    "Drawing",
    "EarlyStopping",
    "GridSettings",
    "HyperbandSettings",
    "MedianSettings",
    "RaceSettings",
    "RandomSettings",
    "SAMPLERS",
    "Sampling",
    "SeedRounds",
    "VerdictSettings",
]

Count = Annotated[int, Field(ge=1)]
Hours = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class AlgorithmSettings(BaseModel):
    """Base of every algorithm's settings: frozen, and a setting that it does not read is an error.

    Attributes:
        algorithm: the algorithm's name.
        metric: the task's metric to rank by; its first if None. The metric knows its direction.
        epochs: epochs of a whole cell, in place of `trainer.num_train_epochs`.
        wall_hours: a run of the search ends when it has taken so long, whatever is left.
        device_hours: the search ends when its cells have taken so many, over all its runs.
        points: known configurations, which run first: values of searched settings by dotted name.
            Each names whatever is drawn, and is crossed with the grids that it does not name.
        STOPS_EARLY: whether it ends cells before their last epoch.
        LEAVES_OUT: whether there are cells that it never runs.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, defer_build=True)

    STOPS_EARLY: ClassVar[bool] = False
    LEAVES_OUT: ClassVar[bool] = False

    algorithm: str
    metric: str | None = None
    epochs: Count | None = None
    wall_hours: Hours | None = None
    device_hours: Hours | None = None
    points: list[dict[str, Any]] = []

    @property
    def proposes(self) -> bool:
        """Whether configurations are proposed as results arrive."""
        return False

    @property
    def runs_all(self) -> bool:
        """Whether every cell is known and runs to its last epoch, whatever the others score."""
        has_limit = self.wall_hours is not None or self.device_hours is not None
        return not (self.STOPS_EARLY or self.LEAVES_OUT or self.proposes or has_limit)

    def problems(self) -> Iterator[tuple[str, str]]:
        """What does not go together, each as the setting to name and what to say of it."""
        yield from ()

    def check(self, configurations: int, seeds: int) -> None:
        """Refuse a plan that cannot be searched so, before anything is begun.

        Args:
            configurations: how many are compared: the adversarial ones, or the clean ones where
                there are no others.
            seeds: of each.

        Raises:
            FreeLBTuneError: the plan is refused.
        """

    def check_arms(self, configurations: int, clean: int, seeds: int) -> None:
        """The same for one that also asks how many clean arms go with them.

        Raises:
            FreeLBTuneError: the plan is refused.
        """
        self.check(configurations, seeds)

    def rule(self, seeds: int) -> str:
        """What `plan` says of how it ends configurations; empty where there is nothing to say."""
        return ""


class GridSettings(AlgorithmSettings):
    """Every combination, to its last epoch.

    Attributes:
        order: listed runs the combinations as the file spans them; shuffled in another order, so
            that the first half of a grid says something about all of it. No number changes.
        order_seed: decides that order. Not a training seed.
    """

    algorithm: Literal["grid"] = "grid"
    order: Literal["listed", "shuffled"] = "listed"
    order_seed: int = 0


class Drawing(AlgorithmSettings):
    """Base of the algorithms that draw the searched ranges.

    Attributes:
        samples: draws of the searched ranges; each is crossed with the grids.
        draw_seed: decides the draws. Not a training seed.
    """

    samples: Count = 10
    draw_seed: int = 0


class Sampling(Drawing):
    """Base of those whose draws a sampler may propose as results arrive.

    Attributes:
        sampler: random draws them beforehand. Optuna's tpe (a tree-structured Parzen estimator) and
            gp (a Gaussian process) propose each when there is room for it, by the means over seeds
            of those before it. Then `samples` are proposed for each combination of the grids, by
            what was proposed for that combination, and `draw_seed` decides their chances.
    """

    sampler: Literal["random", "tpe", "gp"] = "random"

    @property
    def proposes(self) -> bool:
        """Whether configurations are proposed as results arrive."""
        return self.sampler != "random"


class RandomSettings(Sampling):
    """Draws from the ranges, each to its last epoch."""

    algorithm: Literal["random"] = "random"


class EarlyStopping(Sampling):
    """Base of the algorithms that end configurations early, by the mean over their seeds.

    Attributes:
        grace_epochs: no configuration is ended before this epoch.
    """

    STOPS_EARLY: ClassVar[bool] = True

    grace_epochs: Count = 1

    def problems(self) -> Iterator[tuple[str, str]]:
        """A first decision after the last epoch."""
        if self.epochs and self.grace_epochs > self.epochs:
            yield (
                "grace_epochs",
                f"expected search.epochs ({self.epochs}) or less, got {self.grace_epochs}",
            )


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


class SeedRounds(Drawing):
    """Base of those that give seeds in rounds: two to each, and more only to some.

    Attributes:
        FIRST_SEEDS: seeds that every configuration gets: one shows no spread at all.
    """

    LEAVES_OUT: ClassVar[bool] = True
    FIRST_SEEDS: ClassVar[int] = 2


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
                f"; the last in rank go where the budget of {self.budget:,} cells does not reach "
                "for all"
            )
        return (
            f"Race: every configuration gets {self.FIRST_SEEDS} seeds, and one more each round, "
            f"up to {seeds}, while it is not worse than the leader by a test that drops the truly "
            f"best one with at most 5 % chance over the whole race{cut}. The power above is for "
            f"all {seeds}."
        )


class VerdictSettings(SeedRounds):
    """More seeds until it is known whether a configuration is better, or none is by the margin.

    Attributes:
        margin: a gain below this does not matter, in points (of a loss in its own unit).
        budget: most cells that are run, clean arms among them; None for no limit but the seeds.
    """

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
            f"{seeds}, while a gain of {self.margin:g} or more is not excluded. It ends when a "
            f"configuration is better than its clean arm, when none is by that much{end}; either "
            f"answer is wrong with at most 5 % chance in all. The power above is for all {seeds}."
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

SAMPLERS = ("tpe", "gp")
"""What `search.algorithm` may say for random search with this sampler."""
