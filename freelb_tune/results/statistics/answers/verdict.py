"""What a search has shown, in plain sentences, and the footnotes that go with them.

Room: results. Arms in, a Verdict out; every sentence a table prints about luck is made here, and
every number in it comes from `contrast.py` and `power.py`.
"""

from collections.abc import Sequence
from dataclasses import replace
from statistics import median
from typing import Literal

from freelb_tune.errors import counted
from freelb_tune.results.statistics.answers.collapsed import collapsed_runs, collapsed_sentence
from freelb_tune.results.statistics.answers.wording import POINTS, Unit, extent, unit_of
from freelb_tune.results.statistics.choosing.best_of import budget_sentence, optimism_sentence
from freelb_tune.results.statistics.comparing.arms import Arm
from freelb_tune.results.statistics.comparing.collapse import Collapses, collapses
from freelb_tune.results.statistics.comparing.comparison import Verdict
from freelb_tune.results.statistics.comparing.contrast import (
    IDENTICAL,
    ONE_SEED,
    Contrast,
    contrasts,
)
from freelb_tune.results.statistics.numbers.power import MOST_SEEDS, Trial, seeds_for, smallest
from freelb_tune.results.statistics.numbers.spending import ALPHA, share_of

__all__ = ["verdict", "verdict_of", "why_silent"]

_FEW_SEEDS = 3


def verdict(
    arms: Sequence[Arm],
    metric: str,
    better: Literal["higher", "lower"] = "higher",
    margin: float | None = None,
    look: int = 1,
) -> Verdict:
    """Say what a search has shown.

    Args:
        arms: all configurations in plan order, clean arms among them, with their finished runs.
        metric: the search metric.
        better: which way it counts.
        margin: differences below this do not matter, as `contrasts` has it.
        look: which look at these results this is.

    Raises:
        FreeLBTuneError: as `contrasts`.
    """
    collapsed = collapses(arms, metric, better)
    unit = unit_of(metric, better)
    silent = why_silent(arms, collapsed, unit)
    if silent is not None:
        return silent
    found = contrasts(arms, metric, better, margin, look)
    told = verdict_of(found, unit, margin, collapsed, look)
    more = [budget_sentence(arms), optimism_sentence(arms, metric, better)]
    footnotes = told.footnotes + tuple(note for note in more if note is not None)
    return replace(told, footnotes=footnotes)


def verdict_of(
    found: Sequence[Contrast],
    unit: Unit = POINTS,
    margin: float | None = None,
    collapsed: Collapses | None = None,
    look: int = 1,
) -> Verdict:
    """The sentences about contrasts that are adjusted already.

    Args:
        found: the contrasts.
        unit: of their differences.
        margin: what was tested for equivalence.
        collapsed: the runs that collapsed; None where none did.
        look: which look this is.
    """
    comparisons = tuple(one.comparison for one in found)
    known = [one for one in found if one.comparison.difference is not None]
    if not known:
        return Verdict(
            "No verdict: no seed has finished both in a configuration and in its clean arm.",
            comparisons,
        )
    better = frozenset(one.config_id for one in comparisons if one.better)
    tested = [one for one in known if one.estimate is not None]
    if not tested:
        said = [_untested(known, unit)]
    else:
        said = [_better(tested, unit) if better else _not_better(tested, unit, look, margin)]
        said += [] if margin is None else [_equivalence(tested, margin, unit, look)]
    footnotes = _footnotes(known, tested) + ([_spent(look)] if tested else [])
    if collapsed is not None:
        said.append(collapsed_sentence(collapsed, tested, unit))
        footnotes += collapsed_runs(collapsed, unit)
    return Verdict(" ".join(said), comparisons, better, tuple(footnotes), margin)


def why_silent(arms: Sequence[Arm], collapsed: Collapses | None, unit: Unit) -> Verdict | None:
    """Why there cannot be a verdict, if so, and which runs collapsed."""
    said = _why_silent(arms, collapsed)
    if said is None or collapsed is None:
        return None if said is None else Verdict(said)
    if any(len(arm.runs) < arm.of for arm in collapsed.arms):  # else it is said already
        said = f"{said} {collapsed_sentence(collapsed, (), unit)}"
    return Verdict(said, footnotes=tuple(collapsed_runs(collapsed, unit)[:1]))


def _why_silent(arms: Sequence[Arm], collapsed: Collapses | None) -> str | None:
    runs = [run for arm in arms for run in arm.runs]
    if any(run.labels is not None and len(run.labels) == 1 for run in runs):
        return "No verdict: the dev set has one example, which tells no setting from another."
    if collapsed is not None and sum(len(arm.runs) for arm in collapsed.arms) == len(runs):
        return (
            f"No verdict: none of the {counted(len(runs), 'run')} is better than always giving one "
            "answer, so nothing was learned that could be compared."
        )
    if not any(arm.runs for arm in arms):
        if arms and all(arm.failed >= arm.planned for arm in arms):
            cells = sum(arm.planned for arm in arms)
            return f"No verdict: all {cells} cells failed."
        return "No verdict: no cell has finished yet."
    if all(arm.is_clean for arm in arms):
        return "No verdict: every cell is the clean arm, so there is nothing to compare it with."
    if all(arm.clean_id is None for arm in arms if not arm.is_clean):
        return (
            "No verdict: the clean arm is switched off (clean_arm: false), so nothing here can be "
            "compared with the clean arm."
        )
    return None


def _place(one: Contrast) -> tuple[bool, float, str]:
    """Complete ones first, then the largest difference, then by text, so always alike."""
    return one.is_complete, one.comparison.difference or 0.0, one.name


def _untested(known: Sequence[Contrast], unit: Unit) -> str:
    """Where no two seeds can be compared, or no two of them differ."""
    best = max(known, key=_place)
    against = f"The best setting, {best.name}, is {unit.by(best.comparison)} against the clean arm."
    over = best.comparison.over
    if max(one.comparison.replicates for one in known) == 1:
        return f"One {over[:-1]}: cannot be told from luck. {against}"
    return (
        f"No verdict: without predictions and without a spread over {over} nothing can be tested. "
        f"{against}"
    )


def _better(tested: Sequence[Contrast], unit: Unit) -> str:
    winners = [one for one in tested if one.comparison.better]
    best = max(winners, key=_place)
    by = f"by {unit.by(best.comparison)}"
    if len(winners) == 1:
        return f"{best.name} is better than the clean arm {by}.{_worse(tested, unit)}"
    return (
        f"{len(winners)} of {len(tested)} settings are better than the clean arm; the best, "
        f"{best.name}, {by}.{_worse(tested, unit)}"
    )


def _not_better(tested: Sequence[Contrast], unit: Unit, look: int, margin: float | None) -> str:
    best, worse = max(tested, key=_place), _worse(tested, unit)
    if len(tested) == 1 and worse:
        return worse.strip()
    few = best.comparison.n_seeds <= _FEW_SEEDS
    start = f"After {extent(best.comparison)} no setting is" if few else "No setting is"
    claim = "better than" if worse else "distinguishable from"
    gain = max(max(one.comparison.gain_below or 0.0 for one in tested), 0.0)
    return (
        f"{start} {claim} the clean arm: the best of them, {best.name}, "
        f"is {unit.by(best.comparison)}."
        f"{worse} Any gain is below {unit.size(gain)} (95 %). "
        f"{_seen(tested, best, unit, look, margin)}"
    )


def _worse(tested: Sequence[Contrast], unit: Unit) -> str:
    """A further sentence about settings that are worse; empty where there are none."""
    losers = [
        one
        for one in tested
        if (one.comparison.difference or 0.0) < 0 and (one.comparison.p_adjusted or 0.0) <= ALPHA
    ]
    if not losers:
        return ""
    worst = min(losers, key=_place)
    by = f"by {unit.by(worst.comparison)}"
    if len(losers) == 1:
        return f" {worst.name} is worse than the clean arm {by}."
    return f" {len(losers)} of {len(tested)} are worse; the worst, {worst.name}, {by}."


def _seen(
    tested: Sequence[Contrast], best: Contrast, unit: Unit, look: int, margin: float | None
) -> str:
    """What would have been seen at the spread that this search shows, and what it would take.

    Where a few seeds show no gain at all, it is said of the margin, or of one point.
    """
    errors = [
        one.estimate.error / (2 * (1 / one.comparison.replicates + one.overlap)) ** 0.5
        for one in tested
        if one.estimate is not None
    ]
    count = int(median(one.comparison.replicates for one in tested))
    trial = Trial(len(tested), count, median(errors), look, best.overlap)
    sentence = f"A difference of {unit.size(smallest(trial) or 0.0)} or more would have been seen"
    found = best.comparison.difference or 0.0
    asked = found if found > 0 else margin or (0.01 if unit is POINTS else None)
    if best.comparison.n_folds or best.comparison.n_seeds > _FEW_SEEDS or asked is None:
        return f"{sentence}."
    needed = seeds_for(replace(trial, look=look + 1), asked)
    many = f"more than {MOST_SEEDS:,}" if needed is None else f"about {needed:,}"
    what = f"tell {unit.signed(found)} from luck" if found > 0 else f"see {unit.size(asked)}"
    return f"{sentence}; to {what} takes {many} seeds of each."


def _equivalence(tested: Sequence[Contrast], margin: float, unit: Unit, look: int) -> str:
    """Whether settings are within the margin of the clean arm."""
    within = unit.size(margin)
    raw = [
        max(one.estimate.p_below(margin), one.estimate.p_above(-margin))
        for one in tested
        if one.estimate is not None
    ]
    if max(raw) <= ALPHA * share_of(look):  # all at once: each test at 5 %, as all have to pass
        all_ = "Both" if len(tested) == 2 else f"All {len(tested)}"
        those = "It is" if len(tested) == 1 else f"{all_} settings are"
        return f"{those} within {within} of the clean arm (two one-sided tests, 95 %)."
    count = sum((one.comparison.p_equivalent or 1.0) <= ALPHA for one in tested)
    if count:
        return (
            f"{count} of {len(tested)} settings {'is' if count == 1 else 'are'} within {within} of "
            "the clean arm (two one-sided tests, Holm, 95 %)."
        )
    return f"That any setting is within {within} of the clean arm is not shown."


def _spent(look: int) -> str:
    """What this look costs."""
    start = "First look" if look == 1 else f"Look {look}"
    return (
        f"{start} at these results: of the {100 * ALPHA:.0f} % chance of a false claim over all "
        f"looks it has {100 * ALPHA * share_of(look):.2g} %; adjusted p has that in it."
    )


def _footnotes(known: Sequence[Contrast], tested: Sequence[Contrast]) -> list[str]:
    notes = [one.comparison.note or "" for one in known]
    lines = []
    if any(note.startswith(ONE_SEED) for note in notes):
        lines.append(
            "One seed: how far another seed would move these numbers is not known, so nothing is "
            "tested; intervals are of these two models on other examples."
        )
    has_folds = any(one.comparison.n_folds for one in tested)
    if has_folds:
        lines.append(
            "Intervals are over folds (each the mean of its seeds), for other rows to train and "
            "judge on, each by itself. Folds share training rows, which is in their error: "
            "(1/n + n_test/n_train) of a fold's variance, by Nadeau and Bengio."
        )
    elif tested:
        lines.append(
            "Intervals are over seeds, on these dev examples, each by itself, so one may exclude 0 "
            "where adjusted p is large; table.json has those "
            "for other examples, too."
        )
    lacking = [one.name for one in tested if one.comparison.other_examples is None]
    if lacking and not has_folds:
        whose = f" for {'; '.join(lacking)}" if len(lacking) < len(tested) else ""
        lines.append(f"Predictions are missing: nothing is said about other examples{whose}.")
    same = [one.name for one in known if IDENTICAL in (one.comparison.note or "")]
    if same:
        lines.append(
            f"Identical to the clean arm on every example: {'; '.join(same)}. Is the "
            "perturbation active?"
        )
    if len(tested) > 1:
        lines.append(
            f"Adjusted p: Holm over {counted(len(tested), 'configuration')}; 'would have been "
            "seen' means with 80 % power after that adjustment."
        )
    return lines
