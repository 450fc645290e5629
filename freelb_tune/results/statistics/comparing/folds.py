"""Cross-validation: what the cells of a fold say together, and what folds have in common.

Room: results. Scores in, a table of arms and folds out, which `anova.py` takes as it takes arms and
seeds. A fold's score is the mean over its seeds, so the luck of seeds is averaged out, and the fold
is the replicate: seeds of one fold share its training rows and its examples.

Folds are not independent either: two of k share all but 1 / (k - 1) of their training rows. So the
variance of a mean over n of them is taken as (1 / n + n_test / n_train) times that of one, and not
1 / n of it. There is no unbiased estimate of it.

Letters used below: A arms of a family (the clean arm first), B blocks (seed and fold), F folds.

Reference:
    The variance: Nadeau & Bengio, Machine Learning 52, 2003. That none is unbiased: Bengio &
    Grandvalet, Journal of Machine Learning Research 5, 2004.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from freelb_tune.space.cells.cell import Block

__all__ = ["fold_means", "overlap_of"]

Floats = NDArray[np.float64]


def overlap_of(folds: int, tested: int = 0, most: int | None = None) -> float:
    """n_test / n_train: what is added to 1 / n for folds that share training rows.

    Args:
        folds: two or more.
        tested: examples of a fold, where `most` is given.
        most: `max_train_examples`, by which fewer rows are trained on than the other folds have.
    """
    return max(1 / (folds - 1), tested / most if most else 0.0)


def fold_means(table: Floats, blocks: Sequence[Block]) -> Floats:
    """Each arm's mean over the seeds of each fold, `(A, F)`; nan where nothing can be compared.

    Args:
        table: scores, `(A, B)`; nan where there is none.
        blocks: of the columns.
    """
    folds = sorted({block.fold for block in blocks})
    columns = [[at for at, block in enumerate(blocks) if block.fold == fold] for fold in folds]
    return np.stack([_arms_alone(table[:, own]) for own in columns], axis=1)


def _arms_alone(table: Floats) -> Floats:
    """The arms' means over one fold's seeds; where some lack seeds, as if all had all of them.

    Then they are the arms' effects in a least-squares fit of arms and seeds. An arm that shares no
    seed with the clean arm is nan.
    """
    there = ~np.isnan(table)
    if there.all():
        return np.asarray(table.mean(axis=1))
    arms, seeds = table.shape
    shares = (there & there[0]).any(axis=1)
    at_arm, at_seed = np.nonzero(there & shares[:, None])
    found = np.full(arms, np.nan)
    if len(at_arm):
        known = np.unique(at_seed)
        design = np.hstack([np.eye(arms)[at_arm], np.eye(seeds)[at_seed][:, known]])
        fitted, *_ = np.linalg.lstsq(design, table[at_arm, at_seed], rcond=None)
        found[shares] = fitted[:arms][shares] + fitted[arms:].mean()
    return found
