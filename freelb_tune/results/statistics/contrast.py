"""Each configuration against its clean arm: difference, interval and p values.

Room: results. Arms in, contrasts out; the sentence about them is `verdict.py`'s. What a contrast
can rest on decides how it is made:

- predictions of two seeds or more: seeds and examples both random (`crossed.py`);
- predictions of one seed: examples only (`discordance.py` for accuracy);
- scores without predictions: Student's t over the seeds' differences.

P values are adjusted over all configurations by Holm's step-down method: Holm, Scandinavian
Journal of Statistics 6, 1979.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from freelb_tune.results.statistics.anova import Estimate, analysis, crossed_estimates
from freelb_tune.results.statistics.arms import Arm, Run, check_one_dev_set, paired
from freelb_tune.results.statistics.comparison import Comparison
from freelb_tune.results.statistics.mcnemar import Discordance, one_seed_p
from freelb_tune.results.statistics.prior import ONE_SEED_DISPERSION
from freelb_tune.results.statistics.pseudo_values import INFLUENCES, pseudo_values

__all__ = [
    "ALPHA",
    "Contrast",
    "adjusted",
    "compare",
    "contrasts",
    "holm",
    "one_seed_contrast",
]

ALPHA = 0.05
"""Chance that a search without any effect calls one of its configurations different."""

ONE_SEED = "one seed: interval over examples only"
SEEDS_ONLY = "predictions missing: interval over seeds only"
IDENTICAL = "the same predictions as its clean arm on every example"

_MANY = 1e6  # degrees of freedom of a normal statistic

Pairs = list[tuple[Run, Run]]


@dataclass(frozen=True)
class Contrast:
    """A comparison, with what the verdict needs beside it.

    Attributes:
        comparison: what is printed; its `p_adjusted` is of the whole search.
        name: how a sentence calls the configuration.
        is_complete: whether every planned seed could be compared.
        p_seeds: p value before the adjustment, widened by the seeds' prior where there is one
            seed; what Holm's method reads.
        error: standard error behind `p_seeds`; None where nothing could be tested.
        freedom: its degrees of freedom.
    """

    comparison: Comparison
    name: str
    is_complete: bool = True
    p_seeds: float | None = None
    error: float | None = None
    freedom: float = _MANY


def compare(
    arms: Sequence[Arm], metric: str, better: Literal["higher", "lower"] = "higher"
) -> tuple[Comparison, ...]:
    """Compare every configuration with its clean arm, as the table prints it.

    See `contrasts` for arguments and errors.
    """
    return tuple(one.comparison for one in contrasts(arms, metric, better))


def contrasts(
    arms: Sequence[Arm], metric: str, better: Literal["higher", "lower"] = "higher"
) -> list[Contrast]:
    """Compare every configuration that has a clean arm among `arms`, in their order.

    Args:
        arms: all configurations of a search, clean ones among them.
        metric: what is compared; a metric without influence values is compared over seeds.
        better: which way the metric counts.

    Raises:
        FreeLBTuneError: dev sets differ, a seed stands twice in an arm, or a prediction is not
            finite.
    """
    check_one_dev_set(arms)
    clean = {arm.config_id: arm for arm in arms if arm.is_clean}
    found = [
        (arm, clean[arm.clean_id]) for arm in arms if not arm.is_clean and arm.clean_id in clean
    ]
    pairs = [paired(arm, normal) for arm, normal in found]
    sign = 1.0 if better == "higher" else -1.0
    tables = [_values(of, metric, sign) for of in pairs]
    analyses = {
        at: analysis(*table)
        for at, table in enumerate(tables)
        if table is not None and table.shape[1] > 1
    }
    crossed = dict(zip(analyses, crossed_estimates(list(analyses.values())), strict=True))
    made = []
    for at, (arm, normal) in enumerate(found):
        blank = Contrast(_blank(arm, normal, pairs[at]), arm.name, len(pairs[at]) >= arm.planned)
        table = tables[at]
        if table is None:
            one = _from_scores(blank, pairs[at], sign)
        elif at in crossed:
            one = _from_estimate(blank, crossed[at], _note_crossed(arm, table))
        else:
            one = _from_examples(blank, table[0, 0] - table[1, 0], metric)
        made.append(one)
    return adjusted(made)


def adjusted(made: Sequence[Contrast]) -> list[Contrast]:
    """Holm's adjustment over all contrasts that have a p value."""
    tested = [at for at, one in enumerate(made) if one.p_seeds is not None]
    if not tested:
        return list(made)
    done = list(made)
    for at, value in zip(tested, holm([made[at].p_seeds or 0.0 for at in tested]), strict=True):
        comparison = made[at].comparison
        gains = (comparison.difference or 0.0) > 0
        comparison = replace(comparison, p_adjusted=value, better=gains and value <= ALPHA)
        done[at] = replace(made[at], comparison=comparison)
    return done


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's adjusted p values, in the order given.

    statsmodels has the same (`multipletests`), at a second of import and, in 0.15, a full garbage
    collection per call; the tests hold the two together.
    """
    order = sorted(range(len(p_values)), key=lambda at: p_values[at])
    adjusted_values, highest = [0.0] * len(p_values), 0.0
    for steps, at in enumerate(order):
        highest = max(highest, min(1.0, p_values[at] * (len(p_values) - steps)))
        adjusted_values[at] = highest
    return adjusted_values


def one_seed_contrast(blank: Contrast, counts: Discordance, note: str) -> Contrast:
    """Fill in a contrast from one seed's discordant examples."""
    low, high = counts.interval()
    spread = max(counts.gained + counts.lost, 1) ** 0.5 / counts.n_examples
    return _filled(
        blank,
        counts.difference,
        (low, high),
        counts.p,
        note,
        p_seeds=one_seed_p(counts.p),
        error=spread * ONE_SEED_DISPERSION**0.5,
    )


def _blank(arm: Arm, clean: Arm, pairs: Pairs) -> Comparison:
    note = None if pairs else "no seed has finished in both arms"
    return Comparison(
        config_id=arm.config_id,
        clean_id=clean.config_id,
        n_seeds=len(pairs),
        difference=None,
        low=None,
        high=None,
        p=None,
        p_adjusted=None,
        better=False,
        note=note,
    )


def _values(pairs: Pairs, metric: str, sign: float) -> NDArray[np.float64] | None:
    """Pseudo-values of both arms `(2, S, N)`, clean last; None where a prediction is missing."""
    if not pairs or metric not in INFLUENCES:
        return None
    rows = []
    for pair in pairs:
        for run in pair:
            if run.logits is None or run.labels is None:
                return None
            rows.append(sign * pseudo_values(metric, run.logits, run.labels))
    return np.stack([rows[0::2], rows[1::2]])


def _note_crossed(arm: Arm, table: NDArray[np.float64]) -> str | None:
    if np.array_equal(*table):
        return IDENTICAL
    if table.shape[1] < arm.planned:
        return f"{table.shape[1]} of {arm.planned} seeds"
    return None


def _from_estimate(blank: Contrast, estimate: Estimate, note: str | None) -> Contrast:
    return _filled(
        blank,
        estimate.mean,
        estimate.interval(),
        estimate.p,
        note,
        p_seeds=estimate.p,
        error=estimate.error,
        freedom=estimate.freedom,
    )


def _from_examples(blank: Contrast, row: NDArray[np.float64], metric: str) -> Contrast:
    """One seed: McNemar for accuracy, else Student's t over the examples' pseudo-values."""
    note = ONE_SEED if row.any() else f"{ONE_SEED}; {IDENTICAL}"
    if metric == "accuracy":
        counts = Discordance(int((row > 0).sum()), int((row < 0).sum()), len(row))
        return one_seed_contrast(blank, counts, note)
    error = max(float(row.std(ddof=1)), len(row) ** -0.5) / len(row) ** 0.5
    estimate = Estimate(float(row.mean()), error, len(row) - 1.0)
    one = _from_estimate(blank, estimate, note)
    wider = error * ONE_SEED_DISPERSION**0.5
    return replace(one, p_seeds=one_seed_p(estimate.p), error=wider)


def _from_scores(blank: Contrast, pairs: Pairs, sign: float) -> Contrast:
    """No predictions: Student's t over the seeds' differences, if there are two that differ."""
    known = [
        sign * (run.score - clean.score)
        for run, clean in pairs
        if run.score is not None and clean.score is not None
    ]
    if not known:
        return blank
    mean, spread = float(np.mean(known)), float(np.std(known))
    comparison = replace(blank.comparison, difference=mean, n_seeds=len(known), note=SEEDS_ONLY)
    if len(known) < 2 or spread < 1e-12:
        why = "one seed" if len(known) < 2 else "no spread over seeds"
        note = f"predictions missing and {why}: nothing can be tested"
        return replace(blank, comparison=replace(comparison, note=note))
    error = spread * math.sqrt(len(known) / (len(known) - 1) / len(known))
    estimate = Estimate(mean, error, len(known) - 1.0)
    return _from_estimate(replace(blank, comparison=comparison), estimate, SEEDS_ONLY)


def _filled(
    blank: Contrast,
    difference: float,
    interval: tuple[float, float],
    p: float,
    note: str | None,
    *,
    p_seeds: float,
    error: float,
    freedom: float = _MANY,
) -> Contrast:
    low, high = interval
    comparison = replace(
        blank.comparison, difference=difference, low=low, high=high, p=p, note=note
    )
    return replace(blank, comparison=comparison, p_seeds=p_seeds, error=error, freedom=freedom)
