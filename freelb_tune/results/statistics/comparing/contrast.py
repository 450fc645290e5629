"""Each configuration against its clean arm: difference, intervals and p values.

Room: results. Arms in, contrasts out; the sentence about them is `verdict.py`'s. What is luck over
seeds is decided by `anova.py`; with one seed nothing is, and the interval is over examples.
An interval for other examples joins the seeds' reach and the examples' as independent errors, at a
right angle: Zou & Donner, Statistics in Medicine 27, 2008.

P values are adjusted over all configurations by Holm's step-down method: Holm, Scandinavian
Journal of Statistics 6, 1979. Equivalence is two one-sided tests: Schuirmann, Journal of
Pharmacokinetics and Biopharmaceutics 15, 1987.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from freelb_tune.results.statistics.comparing.arms import Arm, Run, check_one_dev_set, paired
from freelb_tune.results.statistics.comparing.collapse import (
    Tested,
    tested_with_collapses,
)
from freelb_tune.results.statistics.comparing.comparison import Comparison, Interval
from freelb_tune.results.statistics.comparing.examples import (
    flips_of,
    one_seed_interval,
    paired_values,
)
from freelb_tune.results.statistics.comparing.families import Family, families_of
from freelb_tune.results.statistics.numbers.anova import Estimate, reach_over_examples
from freelb_tune.results.statistics.numbers.pseudo_values import predicted
from freelb_tune.results.statistics.numbers.spending import ALPHA, share_of

__all__ = ["Contrast", "adjusted", "contrasts", "holm", "unadjusted"]

ONE_SEED = "one seed: interval of these two models on other examples"
IDENTICAL = "the same predictions as its clean arm on every example"

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Contrast:
    """A comparison, with what the verdict needs beside it.

    Attributes:
        comparison: what is printed; its `p_adjusted` is of the whole search.
        name: how a sentence calls the configuration.
        is_complete: whether every planned run could be compared.
        estimate: of the difference over seeds; None where nothing could be tested.
        overlap: what its error has more than independent replicates would give it.
    """

    comparison: Comparison
    name: str
    is_complete: bool = True
    estimate: Estimate | None = None
    overlap: float = 0.0


def contrasts(
    arms: Sequence[Arm],
    metric: str,
    better: Literal["higher", "lower"] = "higher",
    margin: float | None = None,
    look: int = 1,
) -> list[Contrast]:
    """Compare every configuration that has a clean arm among `arms`, in their order.

    Args:
        arms: all configurations of a search, clean ones among them.
        metric: what is compared.
        better: which way the metric counts.
        margin: differences below this do not matter, in the metric's own unit; None tests no
            equivalence.
        look: which look at these results this is; p values are adjusted for it, too.

    Raises:
        FreeLBTuneError: dev sets differ, a seed stands twice in an arm, or a prediction is not
            finite.
    """
    return adjusted(*unadjusted(arms, metric, better, margin), share_of(look))


def unadjusted(
    arms: Sequence[Arm],
    metric: str,
    better: Literal["higher", "lower"],
    margin: float | None = None,
    dev: Sequence[Arm] | None = None,
) -> tuple[list[Contrast], list[float]]:
    """The contrasts before any adjustment, and p values of the further test that each has to pass.

    Args:
        arms: as for `contrasts`.
        metric: what is compared.
        better: which way it counts.
        margin: as for `contrasts`.
        dev: the same runs on the dev set, which tells the collapsed; None where `arms` are these.

    Raises:
        FreeLBTuneError: as `contrasts`.
    """
    check_one_dev_set(arms)
    sign = 1.0 if better == "higher" else -1.0
    families = families_of(arms, arms if dev is None else dev, metric, sign)
    found = tested_with_collapses(
        [family.scores for family in families],
        [family.collapsed for family in families],
        _rounding(arms),
        [family.blocks for family in families if family.has_folds],
        max((family.overlap for family in families), default=0.0),
    )
    made, dealt = {}, {}
    for family, row in zip(families, found, strict=True):
        for at, tested in enumerate(row, start=1):
            one = _contrast(family, at, tested, metric, sign, margin)
            made[one.comparison.config_id], dealt[one.comparison.config_id] = one, tested.p_dealt
    names = [arm.config_id for arm in arms if arm.config_id in made]
    return [made[name] for name in names], [dealt[name] for name in names]


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


def adjusted(made: Sequence[Contrast], dealt: Sequence[float], share: float) -> list[Contrast]:
    """Holm's adjustment over all contrasts that have a p value, and whether each is better.

    Args:
        made: the contrasts.
        dealt: p values of the further test that each has to pass; 0 where it need not.
        share: the share of the chance of a false claim that this look may spend.
    """
    tested = [at for at, one in enumerate(made) if one.estimate is not None]
    p = holm([made[at].comparison.p or 0.0 for at in tested])
    equal = holm([made[at].comparison.p_equivalent or 0.0 for at in tested])
    done = list(made)
    for at, first, same in zip(tested, p, equal, strict=True):
        one = made[at].comparison
        adjusted = min(1.0, max(first, dealt[at]) / share)
        gains = (one.difference or 0.0) > 0
        one = replace(
            one,
            p_adjusted=adjusted,
            better=gains and adjusted <= ALPHA,
            p_equivalent=None if one.p_equivalent is None else min(1.0, same / share),
        )
        done[at] = replace(made[at], comparison=one)
    return done


def _rounding(arms: Sequence[Arm]) -> float:
    """Variance that a score has from being a count of examples, by Sheppard's correction."""
    labels = next((run.labels for arm in arms for run in arm.runs if run.labels is not None), None)
    return 0.0 if labels is None else 1 / (12 * len(labels) ** 2)


def _contrast(
    family: Family,
    row: int,
    tested: Tested,
    metric: str,
    sign: float,
    margin: float | None,
) -> Contrast:
    """One configuration against its clean arm, before any adjustment."""
    clean, arm, estimate = family.arms[0], family.arms[row], tested.estimate
    known, pairs = family.paired(row), paired(arm, clean)
    both = ~np.isnan(family.scores[row] - family.scores[0])
    blocks = [block for block, is_there in zip(family.blocks, both, strict=True) if is_there]
    one = Comparison(
        arm.config_id,
        clean.config_id,
        len({block.seed for block in blocks}),
        float(known.mean()) if len(known) else None,
        note=_note(arm, pairs, len(blocks), family.has_folds),
        flips=flips_of(pairs),
        collapsed=family.collapsed_seeds(row),
        clean_collapsed=family.collapsed_seeds(0),
        n_folds=len(known) if family.has_folds else 0,
    )
    values = None if family.has_folds else paired_values(pairs, metric, sign)
    if estimate is not None:
        one = _over_seeds(one, estimate, values, margin)
    elif len(known) > 1:
        one = replace(one, note=f"no spread over {one.over}: nothing can be tested")
    elif len(known) == 1 and values is not None:
        found = one_seed_interval(values[0], metric)
        one = replace(one, low=found.low, high=found.high)
    if tested.whole is not None:
        one = replace(one, whole=Interval(tested.whole.mean, *tested.whole.interval()))
    return Contrast(one, arm.name, len(blocks) >= arm.planned, estimate, family.overlap)


def _over_seeds(
    one: Comparison, estimate: Estimate, values: Floats | None, margin: float | None
) -> Comparison:
    """Fill in what two seeds or more allow to say."""
    low, high = estimate.interval()
    others = None
    if values is not None and values.shape[0] > 1:
        wider = math.hypot(high - estimate.mean, reach_over_examples(values))
        others = Interval(estimate.mean, estimate.mean - wider, estimate.mean + wider)
    equivalent = None
    if margin is not None:
        equivalent = max(estimate.p_below(margin), estimate.p_above(-margin))
    return replace(
        one,
        low=low,
        high=high,
        p=estimate.p,
        other_examples=others,
        gain_below=estimate.interval(0.9)[1],
        p_equivalent=equivalent,
    )


def _note(arm: Arm, pairs: Sequence[tuple[Run, Run]], known: int, has_folds: bool) -> str | None:
    """What a reader has to know of a comparison."""
    word = "cell" if has_folds else "seed"
    if not pairs:
        return f"no {word} has finished in both arms"
    notes = [ONE_SEED] if known == 1 and not has_folds else []
    if 1 < known < arm.planned:
        notes.append(f"{known} of {arm.planned} {word}s")
    if all(_same_predictions(*pair) for pair in pairs):
        notes.append(IDENTICAL)
    return "; ".join(notes) or None


def _same_predictions(run: Run, clean: Run) -> bool:
    mine, theirs, labels = run.logits, clean.logits, run.labels
    if mine is None or theirs is None or labels is None or mine.shape != theirs.shape:
        return False
    return np.array_equal(predicted(mine, labels), predicted(theirs, labels))
