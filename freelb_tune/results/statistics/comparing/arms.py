"""What a comparison is made of: a configuration's finished runs, and pairs of them by block.

A block is a seed; with cross-validation it is a seed and a fold.

Room: results. Arrays and names; knows neither the store nor the tables.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from freelb_tune.errors import FreeLBTuneError
from freelb_tune.space.cells.cell import Block

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
        fold: the cell's fold, 1 for the first; 0 where all runs have one dev set.
    """

    seed: int
    score: float | None = None
    logits: NDArray[Any] | None = None
    labels: NDArray[Any] | None = None
    fold: int = 0

    @property
    def block(self) -> Block:
        """What runs that are paired have in common."""
        return Block(self.seed, self.fold)


@dataclass(frozen=True)
class Arm:
    """One configuration with its finished runs.

    Attributes:
        config_id: the configuration.
        clean_id: its matched clean arm; its own `config_id` for a clean arm; None where the clean
            arm is switched off.
        name: how a sentence calls it: "adv_lr 0.1, init_mag 0.2".
        planned: runs that were planned; fewer than that ranks it after complete ones.
        runs: the finished ones only, any order: never one that was stopped early.
        failed: runs that failed or diverged.
        overlap: with cross-validation, examples of a fold over those that it is trained on, as
            `folds.overlap_of` has it; 0 where all runs have one dev set.
    """

    config_id: str
    clean_id: str | None
    name: str
    planned: int
    runs: tuple[Run, ...] = ()
    failed: int = 0
    overlap: float = 0.0

    @property
    def is_clean(self) -> bool:
        """Whether this is the clean arm."""
        return self.config_id == self.clean_id

    @property
    def is_complete(self) -> bool:
        """Whether every planned run is there."""
        return len(self.runs) >= self.planned


def paired(arm: Arm, clean: Arm) -> list[tuple[Run, Run]]:
    """The runs of two arms with the same block, by block.

    Raises:
        FreeLBTuneError: an arm has two runs of one block.
    """
    for one in (arm, clean):
        blocks = [run.block for run in one.runs]
        if len(set(blocks)) < len(blocks):
            said = sorted(map(str, blocks))
            raise FreeLBTuneError(f"{one.name}: seeds [{', '.join(said)}] name one seed twice")
    by_block = {run.block: run for run in clean.runs}
    runs = sorted(arm.runs, key=lambda run: run.block)
    return [(run, by_block[run.block]) for run in runs if run.block in by_block]


def check_one_dev_set(arms: Sequence[Arm]) -> None:
    """Refuse predictions on different examples under one name; a fold is a name of its own.

    Raises:
        FreeLBTuneError: two runs have other labels, or another number of them.
    """
    firsts: dict[Block | None, tuple[Arm, Run]] = {}
    for arm in arms:
        for run in arm.runs:
            if run.labels is None:
                continue
            then, seen = firsts.setdefault(run.block if run.fold else None, (arm, run))
            assert seen.labels is not None
            if not np.array_equal(seen.labels, run.labels):
                raise FreeLBTuneError(
                    f"two different dev sets under one name: {len(seen.labels)} examples for "
                    f"{then.name}, seed {seen.block}, and {len(run.labels)} for {arm.name}, seed "
                    f"{run.block}, with other labels; a table can compare runs on the same "
                    "examples only: keep data.* the same in a search, or search under two names"
                )
