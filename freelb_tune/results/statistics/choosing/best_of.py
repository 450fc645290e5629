"""What choosing the best does to its number: best-of-n curves, optimism, unequal budgets.

Room: results. Scores and pseudo-values in, numbers and sentences out.

Letters used below: n trials, J configurations, N examples.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from freelb_tune.errors import counted
from freelb_tune.results.statistics.comparing.arms import Arm
from freelb_tune.results.statistics.numbers.pseudo_values import INFLUENCES, pseudo_values

__all__ = [
    "BestOf",
    "Optimism",
    "best_of",
    "budget_sentence",
    "optimism",
    "optimism_sentence",
]


@dataclass(frozen=True)
class BestOf:
    """One point of a curve: what the best of n trials is expected to score.

    Attributes:
        trials: n.
        hours: device-hours that n trials take on average; None where costs are unknown.
        expected: expected score of the best of n, as a fraction.
    """

    trials: int
    hours: float | None
    expected: float


@dataclass(frozen=True)
class Optimism:
    """How much of the best configuration's score is the choosing.

    Attributes:
        drop: mean of (score on the half that selected - score of the same configuration on the
            other half), as a fraction.
        deviation: deviation of that drop over the repeats.
        repeats: random halvings.
        configurations: J, what was chosen from.
    """

    drop: float
    deviation: float
    repeats: int
    configurations: int


def best_of(
    scores: Sequence[float],
    hours: Sequence[float] | None = None,
    better: Literal["higher", "lower"] = "higher",
) -> list[BestOf]:
    """Expected score of the best of 1, 2, ... all trials of an arm.

    Args:
        scores: one per finished trial, fractions.
        hours: device-hours per trial, in the same order.
        better: which way the score counts.

    Returns:
        One point per number of trials, in order; none without scores. The last one is the best
        score itself, the first the mean.

    Reference:
        The curve: Dodge et al., "Show Your Work", EMNLP 2019, arXiv:1909.03004. The estimator:
        drawn without replacement, unbiased: Tang et al., "Showing Your Work Doesn't Always Work",
        ACL 2020, arXiv:2004.13705.
    """
    sign = 1.0 if better == "higher" else -1.0
    ranked = np.sort(sign * np.asarray(scores, dtype=np.float64))[::-1]
    total = len(ranked)
    each = None if hours is None or not hours else sum(hours) / len(hours)
    worse = np.arange(total - 1, 0, -1)  # how many are worse than the best, the second, ...
    curve = []
    for trials in range(1, total + 1):
        # the one with i worse is the best of n in C(i, n - 1) of C(total, n) draws, and
        # C(i - 1, n - 1) is C(i, n - 1) times (i - n + 1) / i
        steps = np.maximum(worse - trials + 1, 0) / worse
        shares = trials / total * np.concatenate([[1.0], np.cumprod(steps)])
        spent = None if each is None else each * trials
        curve.append(BestOf(trials, spent, sign * float(shares @ ranked)))
    return curve


def optimism(
    values: NDArray[np.float64],
    better: Literal["higher", "lower"] = "higher",
    repeats: int = 200,
    seed: int = 0,
) -> Optimism | None:
    """Select on one half of the dev set, report on the other; the mean drop over random halvings.

    Half a dev set is noisier than the whole, so the drop is an upper estimate of the optimism of
    selecting on all of it, by about the square root of two.

    Args:
        values: pseudo-values `(J, N)`, averaged over the seeds of each configuration.
        better: which way the metric counts.
        repeats: random halvings.
        seed: of the halvings.

    Returns:
        None with fewer than two configurations or four examples: nothing was chosen.
    """
    count, examples = values.shape
    if count < 2 or examples < 4:
        return None
    rng = np.random.default_rng(seed)
    half = examples // 2
    signed = values if better == "higher" else -values
    drops = np.empty(repeats)
    for at in range(repeats):
        order = rng.permutation(examples)
        chose = signed[:, order[:half]].mean(axis=1)
        other = signed[:, order[half : 2 * half]].mean(axis=1)
        best = int(chose.argmax())
        drops[at] = chose[best] - other[best]
    return Optimism(float(drops.mean()), float(drops.std(ddof=1)), repeats, count)


def optimism_sentence(
    arms: Sequence[Arm], metric: str, better: Literal["higher", "lower"]
) -> str | None:
    """The footer's line on optimism; None where predictions are missing or nothing was chosen."""
    if metric not in INFLUENCES:
        return None
    rows = []
    for arm in arms:
        if arm.is_clean or not arm.is_complete or not arm.runs:
            continue
        values: dict[int, list[NDArray[np.float64]]] = {}
        for run in arm.runs:
            if run.logits is not None and run.labels is not None and len(run.labels) > 1:
                values.setdefault(run.fold, []).append(
                    pseudo_values(metric, run.logits, run.labels)
                )
        if sum(map(len, values.values())) == len(arm.runs):  # folds together are all examples
            rows.append(np.concatenate([np.mean(values[f], axis=0) for f in sorted(values)]))
    found = optimism(np.stack(rows), better) if len(rows) > 1 else None
    if found is None:
        return None
    return (
        f"Optimism: the best of {found.configurations} chosen on one half of the dev set scores "
        f"{100 * found.drop:.1f} points less on the other half (mean of {found.repeats} random "
        "halvings)."
    )


def budget_sentence(arms: Sequence[Arm]) -> str | None:
    """Say that the clean arm was tuned less than its rival; None where it was not.

    The best of many configurations looks better than the best of one by chance alone.
    """
    clean = sum(1 for arm in arms if arm.is_clean and arm.runs)
    adversarial = sum(1 for arm in arms if not arm.is_clean and arm.runs)
    if not clean or adversarial <= clean:
        return None
    return (
        f"Unequal budgets: {adversarial} adversarial configurations against "
        f"{counted(clean, 'clean one')}; the best of more looks better by chance alone."
    )
