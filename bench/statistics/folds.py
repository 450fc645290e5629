"""Cross-validation without any effect: real learners on drawn data, whose folds share their rows.

Ridge classifiers stand in for fine-tuned models, as thousands of searches are trained in minutes.
All arms of a search read features of one distribution, so in expectation over data and luck none is
better; on one data set they differ. The dependence of folds is that of real cross-validation.

Letters used below: R searches, A arms, K folds, S seeds, N rows, F features.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bench.statistics.batch import Tested, estimated
from bench.statistics.studies import LEVEL, share
from freelb_tune.results.statistics.comparing.folds import overlap_of

__all__ = ["cross_validations"]

Floats = NDArray[np.float64]

_GRIDS = (1, 4)
_NOISE = 1.0


@dataclass(frozen=True)
class _Arms:
    """What tells the arms of a search apart.

    Attributes:
        shared: features that all arms read.
        own: features that each has besides, of the same distribution as the others'.
        luck: how unevenly chance weights the rows, in each cell alike and in each arm of it.
    """

    shared: int
    own: int
    luck: float


_KINDS = {
    "the data alone": _Arms(0, 8, 0.0),
    "data and luck": _Arms(8, 4, 0.5),
    "mostly luck": _Arms(8, 2, 1.0),
    "luck alone": _Arms(8, 0, 1.0),
}


def cross_validations(searches: int, rng: np.random.Generator) -> Iterator[list[str]]:
    """How often such a search calls anything different, and what intervals hold."""
    for kind, arms in _KINDS.items():
        for rows in (100, 400):
            for folds, seeds in ((5, 1), (5, 3), (10, 2)):
                row = [kind, str(rows), f"{folds} x {seeds}"]
                for grid in _GRIDS:
                    scores = np.stack(
                        [_search(arms, rows, folds, seeds, grid + 1, rng) for _ in range(searches)]
                    )
                    row += _found(scores, overlap_of(folds))
                yield row


def _found(scores: Floats, overlap: float) -> list[str]:
    """What the package's test says of `(R, A, S, K)` scores, and what others would."""
    count, arms, seeds, folds = scores.shape
    by_fold = estimated(scores.mean(axis=2))
    ours = _wider(by_fold, folds, overlap)
    cells = estimated(scores.reshape(count, arms, seeds * folds))
    return [
        share(float((ours.adjusted <= LEVEL).any(axis=1).sum()), count),
        share(float(ours.holds(0.0)[:, 0].sum()), count),
        share(float((by_fold.adjusted <= LEVEL).any(axis=1).sum()), count),
        share(float((cells.adjusted <= LEVEL).any(axis=1).sum()), count),
    ]


def _wider(found: Tested, folds: int, overlap: float) -> Tested:
    """The same with the error of folds that share training rows."""
    return replace(found, error=found.error * (1 + folds * overlap) ** 0.5)


def _search(
    arms: _Arms, rows: int, folds: int, seeds: int, count: int, rng: np.random.Generator
) -> Floats:
    """Accuracy of each arm with each seed in each fold, `(A, S, K)`."""
    shared = rng.standard_normal((rows, arms.shared))
    own = rng.standard_normal((count, rows, arms.own))
    signal = 0.6 * shared.sum(axis=1) + 0.3 * own.sum(axis=(0, 2))
    labels = np.where(signal + _NOISE * rng.standard_normal(rows) > 0, 1.0, -1.0)
    read = np.concatenate(
        [np.broadcast_to(shared, (count, *shared.shape)), own, np.ones((count, rows, 1))], axis=2
    )
    fold_of = np.empty(rows, dtype=int)
    fold_of[rng.permutation(rows)] = np.arange(rows) % folds
    judged = fold_of == np.arange(folds)[:, None]  # (K, N)
    scores = np.empty((count, seeds, folds))
    for seed in range(seeds):
        luck = rng.exponential(size=(folds, 1, rows)) * rng.exponential(size=(folds, count, rows))
        weights = ~judged[:, None] * luck**arms.luck
        squares = np.einsum("anf,kan,ang->kafg", read, weights, read, optimize=True)
        sides = np.einsum("anf,kan,n->kaf", read, weights, labels, optimize=True)
        fitted = np.linalg.solve(squares + np.eye(read.shape[2]), sides[..., None])[..., 0]
        right = np.einsum("anf,kaf->kan", read, fitted, optimize=True) * labels > 0
        scores[:, seed] = ((right * judged[:, None]).sum(2) / judged.sum(1)[:, None]).T
    return scores
