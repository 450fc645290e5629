"""A clean arm and the configurations beside it, as one table of scores by block.

Room: results. Arms in, arrays out; a block is a seed, or a seed and a fold.

Letters: A arms, B blocks.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from freelb_tune.results.statistics.comparing.arms import Arm, paired
from freelb_tune.results.statistics.comparing.collapse import has_collapsed, score_of
from freelb_tune.results.statistics.comparing.folds import fold_means
from freelb_tune.space.cells.cell import Block

__all__ = ["Family", "families_of"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Family:
    """A clean arm with its configurations, and their scores by block: seed, or seed and fold.

    Attributes:
        arms: the clean one first.
        blocks: all that any of them has, in order.
        scores: more is better, `(A, B)`; nan where there is none.
        collapsed: where a run is no better than a constant answer, `(A, B)`.
    """

    arms: tuple[Arm, ...]
    blocks: tuple[Block, ...]
    scores: Floats
    collapsed: NDArray[np.bool_]

    @property
    def has_folds(self) -> bool:
        """Whether this is cross-validation."""
        return any(block.fold for block in self.blocks)

    @property
    def overlap(self) -> float:
        """As `folds.overlap_of` has it."""
        return max(arm.overlap for arm in self.arms)

    def paired(self, arm: int) -> Floats:
        """The differences of one arm from the clean one that are known: by seed, or by fold."""
        table = fold_means(self.scores, self.blocks) if self.has_folds else self.scores
        found = table[arm] - table[0]
        return np.asarray(found[~np.isnan(found)])

    def collapsed_seeds(self, arm: int) -> tuple[int, ...]:
        """The seeds of one arm that collapsed."""
        blocks = zip(self.blocks, self.collapsed[arm], strict=True)
        return tuple(dict.fromkeys(block.seed for block, is_so in blocks if is_so))


def families_of(arms: Sequence[Arm], dev: Sequence[Arm], metric: str, sign: float) -> list[Family]:
    """Each clean arm that has a configuration, with its configurations.

    Args:
        arms: all configurations of a search, clean ones among them.
        dev: the same runs on the dev set, which tells the collapsed.
        metric: what is compared.
        sign: 1 where more of it is better, else -1.

    Raises:
        FreeLBTuneError: a seed stands twice in an arm.
    """
    struck = _collapsed(dev, metric, sign)
    return [_family(of, metric, sign, struck) for of in _relatives(arms)]


def _relatives(arms: Sequence[Arm]) -> list[tuple[Arm, ...]]:
    """Each clean arm that has a configuration, with its configurations."""
    made = []
    for clean in (arm for arm in arms if arm.is_clean):
        tried = [a for a in arms if not a.is_clean and a.clean_id == clean.config_id]
        if tried:
            made.append((clean, *tried))
    return made


def _collapsed(arms: Sequence[Arm], metric: str, sign: float) -> frozenset[tuple[str, Block]]:
    """Configuration and block of each run that collapsed."""
    return frozenset(
        (arm.config_id, run.block)
        for arm in arms
        for run in arm.runs
        if (score := score_of(run, metric)) is not None and has_collapsed(run, score, metric, sign)
    )


def _family(
    arms: tuple[Arm, ...], metric: str, sign: float, struck: frozenset[tuple[str, Block]]
) -> Family:
    for arm in arms[1:]:
        paired(arm, arms[0])  # refuses a seed that stands twice
    blocks = tuple(sorted({run.block for arm in arms for run in arm.runs}))
    places = {block: at for at, block in enumerate(blocks)}
    scores = np.full((len(arms), len(blocks)), np.nan)
    collapsed = np.zeros(scores.shape, dtype=bool)
    for row, arm in enumerate(arms):
        for run in arm.runs:
            score = score_of(run, metric)
            if score is not None:
                scores[row, places[run.block]] = sign * score
                collapsed[row, places[run.block]] = (arm.config_id, run.block) in struck
    return Family(arms, blocks, scores, collapsed)
