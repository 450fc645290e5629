"""What algorithms' settings have in common, and what others may ask of one instead of its name.

Room: space.
"""

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = [
    "AlgorithmSettings",
    "Count",
    "Drawing",
    "EarlyStopping",
    "Ordered",
    "Sampling",
    "SeedRounds",
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
        BY_ROUNDS: whether its rounds of seeds answer the verdict's question, by its own margin.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, defer_build=True)

    STOPS_EARLY: ClassVar[bool] = False
    LEAVES_OUT: ClassVar[bool] = False
    BY_ROUNDS: ClassVar[bool] = False

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


class Ordered(AlgorithmSettings):
    """Base of the algorithms whose order of configurations may be chosen.

    Attributes:
        order: listed runs the combinations as the file spans them; shuffled in another order, so
            that the first half of a grid says something about all of it. No number changes.
        order_seed: decides that order. Not a training seed.
    """

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


class EarlyStopping(Sampling, Ordered):
    """Base of the algorithms that end configurations early, by the mean over their seeds.

    What comes first has nothing to be compared with and goes on: a listed grid whose scores rise
    from one value to the next ends little, a shuffled one does.

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


class SeedRounds(Drawing):
    """Base of those that give seeds in rounds: two to each, and more only to some.

    Attributes:
        FIRST_SEEDS: seeds that every configuration gets: one shows no spread at all.
    """

    LEAVES_OUT: ClassVar[bool] = True
    FIRST_SEEDS: ClassVar[int] = 2
