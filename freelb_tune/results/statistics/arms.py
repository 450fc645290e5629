"""What a comparison is made of: a configuration's finished runs, and pairs of them by seed.

Room: results. Arrays and names; knows neither the store nor the tables.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from freelb_tune.errors import FreeLBTuneError

__all__ = ["Arm", "Run", "check_one_dev_set", "paired"]


@dataclass(frozen=True)
class Run:
    """One finished cell at its selected epoch.

    Attributes:
        seed: the cell's seed.
        score: the metric on the dev set, a fraction; None where it is unknown.
        logits: dev predictions, `(N, C)` or `(N, 1)`; None where none are stored.
        labels: dev labels in the same order, `(N,)`, or 0 and 1 for several labels, `(N, C)`; None
            where none are stored.
    """

    seed: int
    score: float | None = None
    logits: NDArray[Any] | None = None
    labels: NDArray[Any] | None = None


@dataclass(frozen=True)
class Arm:
    """One configuration with its finished runs.

    Attributes:
        config_id: the configuration.
        clean_id: its matched clean arm; its own `config_id` for a clean arm; None where the clean
            arm is switched off.
        name: how a sentence calls it: "adv_lr 0.1, init_mag 0.2".
        planned: seeds that were planned; fewer runs than that ranks it after complete ones.
        runs: the finished ones only, any order: never one that was stopped early.
        failed: seeds that failed or diverged.
    """

    config_id: str
    clean_id: str | None
    name: str
    planned: int
    runs: tuple[Run, ...] = ()
    failed: int = 0

    @property
    def is_clean(self) -> bool:
        """Whether this is the clean arm."""
        return self.config_id == self.clean_id

    @property
    def is_complete(self) -> bool:
        """Whether every planned seed is there."""
        return len(self.runs) >= self.planned


def paired(arm: Arm, clean: Arm) -> list[tuple[Run, Run]]:
    """The runs of two arms with the same seed, by seed.

    Raises:
        FreeLBTuneError: an arm has two runs of one seed.
    """
    for one in (arm, clean):
        seeds = [run.seed for run in one.runs]
        if len(set(seeds)) < len(seeds):
            raise FreeLBTuneError(f"{one.name}: seeds {sorted(seeds)} name one seed twice")
    by_seed = {run.seed: run for run in clean.runs}
    runs = sorted(arm.runs, key=lambda run: run.seed)
    return [(run, by_seed[run.seed]) for run in runs if run.seed in by_seed]


def check_one_dev_set(arms: Sequence[Arm]) -> None:
    """Refuse predictions on different examples under one name.

    Raises:
        FreeLBTuneError: two runs have other labels, or another number of them.
    """
    first: tuple[Arm, Run] | None = None
    for arm in arms:
        for run in arm.runs:
            if run.labels is None:
                continue
            if first is None:
                first = arm, run
                continue
            then, seen = first
            assert seen.labels is not None
            if not np.array_equal(seen.labels, run.labels):
                raise FreeLBTuneError(
                    f"two different dev sets under one name: {len(seen.labels)} examples for "
                    f"{then.name}, seed {seen.seed}, and {len(run.labels)} for {arm.name}, seed "
                    f"{run.seed}, with other labels; a table can compare runs on the same "
                    "examples only: keep data.* the same in a search, or search under two names"
                )
