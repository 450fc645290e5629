"""Runs that learned nothing, and how differences are tested where a search has some.

Room: results. Runs and scores in, numbers out. A collapsed run is far from the rest, so a mean over
few seeds says by how many of them it was struck, and Student's t, which takes errors for normal,
believes it too soon. So arms without a collapsed run are tested among the whole runs, whose error
is their own. A difference with a collapsed run in it is tested over all runs, and a claim about it
also needs the agreement of a test that assumes nothing of the errors: which arm has which score
within a seed is chance if arms do not differ, so the scores are dealt out again within each seed.

Reference:
    A failed run is one that is not better than the majority classifier: Mosbach, Andriushchenko &
    Klakow, ICLR 2021, arXiv:2006.04884. Permutation within blocks, the largest statistic over all
    comparisons: Westfall & Young, "Resampling-Based Multiple Testing", 1993.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from freelb_tune.results.statistics.comparing.arms import Arm, Run
from freelb_tune.results.statistics.comparing.folds import fold_means
from freelb_tune.results.statistics.numbers.anova import Estimate, differences
from freelb_tune.results.statistics.numbers.pseudo_values import INFLUENCES, pseudo_values
from freelb_tune.space.cells.cell import Block

__all__ = [
    "CollapsedArm",
    "Collapses",
    "Tested",
    "collapses",
    "constant_score",
    "dealt_p",
    "has_collapsed",
    "score_of",
    "tested_with_collapses",
]

Floats = NDArray[np.float64]

_DEALS = 1999  # p values in steps of 1 / 2000
_SAME = 1e-12
_ROOM = 2_000_000  # numbers at a time


@dataclass(frozen=True)
class Tested:
    """A difference over seeds.

    Attributes:
        estimate: what it is tested by; None where nothing can be.
        p_dealt: p value, over all configurations, that a claim needs too; 0 where it does not.
        whole: the difference among whole runs, where one of these has collapsed.
    """

    estimate: Estimate | None
    p_dealt: float = 0.0
    whole: Estimate | None = None


@dataclass(frozen=True)
class CollapsedArm:
    """An arm and its collapsed runs.

    Attributes:
        name: how a sentence calls it.
        of: how many runs have finished.
        runs: seed (and fold) and score of those that collapsed.
    """

    name: str
    of: int
    runs: tuple[tuple[Block, float], ...]


@dataclass(frozen=True)
class Collapses:
    """The collapsed runs of a search.

    Attributes:
        constant: what always giving one answer scores; the mean over folds.
        arms: every arm with a finished run.
    """

    constant: float
    arms: tuple[CollapsedArm, ...]


def collapses(
    arms: Sequence[Arm], metric: str, better: Literal["higher", "lower"]
) -> Collapses | None:
    """Find the runs that collapsed; None where there are none."""
    sign = 1.0 if better == "higher" else -1.0
    sets = {run.fold: run.labels for arm in arms for run in arm.runs if run.labels is not None}
    constants = [constant_score(metric, labels) for labels in sets.values()]
    known = [constant for constant in constants if constant is not None]
    if not known:
        return None
    constant = fmean(known)
    made = []
    for arm in (arm for arm in arms if arm.runs):
        scores = [(run, score_of(run, metric)) for run in arm.runs]
        runs = [
            (run.block, score)
            for run, score in scores
            if score is not None and has_collapsed(run, score, metric, sign)
        ]
        made.append(CollapsedArm(arm.name, len(arm.runs), tuple(sorted(runs))))
    return Collapses(constant, tuple(made)) if any(arm.runs for arm in made) else None


def score_of(run: Run, metric: str) -> float | None:
    """What a run scores, if need be from its predictions; None if not known."""
    if run.score is not None or run.logits is None or run.labels is None:
        return run.score
    known = metric in INFLUENCES
    return float(pseudo_values(metric, run.logits, run.labels).mean()) if known else None


def tested_with_collapses(
    families: Sequence[Floats],
    collapsed: Sequence[NDArray[np.bool_]],
    least: float,
    folds: Sequence[Sequence[Block]],
    overlap: float,
) -> list[list[Tested]]:
    """Estimate each configuration's difference, whether runs have collapsed or not.

    Args:
        families: as for `anova.differences`.
        collapsed: where a run has collapsed, of the same shapes.
        least: as for `anova.differences`.
        folds: with cross-validation, per family the blocks that its columns are; else none.
        overlap: as for `anova.differences`.

    Returns:
        Per family one for each configuration.
    """

    def estimated(tables: Sequence[Floats]) -> list[list[Estimate | None]]:
        if folds:
            tables = [fold_means(t, blocks) for t, blocks in zip(tables, folds, strict=True)]
        return differences(tables, least, overlap)

    every = estimated(families)
    if not any(of.any() for of in collapsed):
        return [[Tested(one) for one in row] for row in every]
    whole = estimated(
        [np.where(of, np.nan, table) for table, of in zip(families, collapsed, strict=True)]
    )
    dealt = dealt_p(families)
    made = []
    for at, of in enumerate(collapsed):
        struck = of[1:].any(axis=1) | of[0].any()
        made.append(
            [
                Tested(every[at][row], dealt[at][row], whole[at][row])
                if is_struck
                else Tested(whole[at][row])
                for row, is_struck in enumerate(struck)
            ]
        )
    return made


def constant_score(metric: str, labels: NDArray[np.float64]) -> float | None:
    """The best score of a model that gives every example the same answer; None if not known."""
    _, counts = np.unique(labels, axis=0, return_counts=True)
    shares = counts / len(labels)
    if labels.ndim > 1:
        return _constant_set(metric, labels, float(shares.max()))
    match metric:
        case "accuracy":
            return float(shares.max())
        case "f1":
            positive = float(np.mean(labels == 1))
            return 2 * positive / (1 + positive)
        case "macro_f1":
            return float((2 * shares / (1 + shares)).max()) / len(shares)
        case "matthews" | "pearson" | "spearman":
            return 0.0
        case "rmse":
            return float(labels.std())
    return None


def _constant_set(metric: str, labels: NDArray[np.float64], commonest: float) -> float | None:
    """`constant_score` of several labels: the same ones for every example, whichever are best."""
    often = np.sort(labels.mean(axis=0))[::-1]  # the share of examples that have each label
    match metric:
        case "subset_accuracy":
            return commonest
        case "micro_f1":  # the labels that most examples have, up to some number of them
            hits, total = np.cumsum(often), np.arange(1, len(often) + 1) + often.sum()
            return float((2 * hits / total).max())
        case "macro_f1":
            return float((2 * often / (1 + often)).mean())
    return None


def has_collapsed(run: Run, score: float, metric: str, sign: float) -> bool:
    """Whether a run is no better than one that always gives the same answer.

    Args:
        run: its labels say what that would score; without them nothing has collapsed.
        score: the run's.
        metric: what it is scored by.
        sign: 1 where more is better, else -1.
    """
    if run.labels is None:
        return False
    constant = constant_score(metric, run.labels)
    return constant is not None and sign * score <= sign * constant + _SAME


def dealt_p(families: Sequence[Floats], seed: int = 0) -> list[list[float]]:
    """P value of each configuration, over all of them, by dealing scores out within seeds.

    Args:
        families: as for `anova.differences`.
        seed: of the deals.

    Returns:
        Per family one for each configuration: the share of deals in which any configuration of
        the search is as far from its clean arm as this one is.
    """
    rng = np.random.default_rng(seed)
    largest = np.concatenate([_largest(families, count, rng) for count in _chunks(families)])
    ranked = np.sort(largest)
    below = [np.searchsorted(ranked, _distances(table) - _SAME) for table in families]
    return [[float((1 + _DEALS - at) / (1 + _DEALS)) for at in row] for row in below]


def _chunks(families: Sequence[Floats]) -> list[int]:
    """Numbers of deals that together make all, none of which takes much memory."""
    each = max(1, _ROOM // max(sum(table.size for table in families), 1))
    return [min(each, _DEALS - start) for start in range(0, _DEALS, each)]


def _largest(families: Sequence[Floats], deals: int, rng: np.random.Generator) -> Floats:
    """In each deal, how far the configuration is that is farthest from its clean arm."""
    found = [_distances(_dealt(table, deals, rng)).max(axis=-1, initial=0.0) for table in families]
    return np.asarray(np.max(found, axis=0))


def _distances(table: Floats) -> Floats:
    """How far each configuration's mean paired difference is from 0, `(..., J)`."""
    paired = table[..., 1:, :] - table[..., :1, :]
    there = ~np.isnan(paired)
    sums = np.where(there, paired, 0.0).sum(axis=-1)
    return np.asarray(abs(sums) / np.maximum(there.sum(axis=-1), 1))


def _dealt(table: Floats, deals: int, rng: np.random.Generator) -> Floats:
    """The scores of each seed dealt out among the arms that have one, `(deals, A, S)`.

    They are put in order first, so that the order of the arms changes nothing.
    """
    made = np.full((deals, *table.shape), np.nan)
    for column in range(table.shape[1]):
        there = np.flatnonzero(~np.isnan(table[:, column]))
        scores = np.sort(table[there, column])
        made[:, there, column] = scores[rng.random((deals, len(there))).argsort(axis=1)]
    return made
