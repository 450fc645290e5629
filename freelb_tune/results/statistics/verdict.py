"""What a search has shown, in one plain sentence and the footnotes that go with it.

Room: results. Arms in, a Verdict out; every sentence a table prints about significance is made
here, and every number in it comes from `contrast.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal

from freelb_tune.results.statistics.arms import Arm
from freelb_tune.results.statistics.best_of import budget_sentence, optimism_sentence
from freelb_tune.results.statistics.comparison import Comparison, Verdict
from freelb_tune.results.statistics.contrast import (
    ALPHA,
    IDENTICAL,
    ONE_SEED,
    SEEDS_ONLY,
    Contrast,
    contrasts,
)

__all__ = ["POINTS", "Unit", "verdict", "verdict_of"]

_POWER = 0.8


@dataclass(frozen=True)
class Unit:
    """How a difference is said.

    Attributes:
        factor: what a difference is multiplied by.
        digits: after the point.
        word: what it is counted in.
    """

    factor: float
    digits: int
    word: str

    def size(self, value: float) -> str:
        """Without a sign, with its word: "4.0 points"."""
        return f"{value * self.factor:.{self.digits}f} {self.word}"

    def signed(self, value: float | None) -> str:
        """With its sign and no word: "+1.1"; nothing is ever minus zero."""
        rounded = round((value or 0.0) * self.factor, self.digits) + 0.0
        return f"{rounded:+.{self.digits}f}"

    def by(self, comparison: Comparison) -> str:
        """A difference with its interval."""
        low, high = self.signed(comparison.low), self.signed(comparison.high)
        word = f"{self.signed(comparison.difference)} {self.word}"
        return f"{word} (95 % interval {low} to {high})"


POINTS = Unit(100.0, 1, "points")
"""Hundredths of a score that counts up to 1."""


def verdict(
    arms: Sequence[Arm], metric: str, better: Literal["higher", "lower"] = "higher"
) -> Verdict:
    """Say what a search has shown.

    Args:
        arms: all configurations in plan order, clean arms among them, with their finished runs.
        metric: the search metric.
        better: which way it counts.

    Raises:
        FreeLBTuneError: as `contrasts`.
    """
    silent = _why_silent(arms)
    if silent is not None:
        return Verdict(silent)
    found = contrasts(arms, metric, better)
    told = verdict_of(found, POINTS if better == "higher" else Unit(1.0, 4, metric))
    more = [budget_sentence(arms), optimism_sentence(arms, metric, better)]
    footnotes = told.footnotes + tuple(note for note in more if note is not None)
    return Verdict(told.sentence, told.comparisons, told.better, footnotes)


def verdict_of(found: Sequence[Contrast], unit: Unit = POINTS) -> Verdict:
    """The sentence about contrasts that are adjusted already."""
    comparisons = tuple(one.comparison for one in found)
    known = [one for one in found if one.comparison.difference is not None]
    if not known:
        return Verdict(
            "No verdict: no seed has finished both in a configuration and in its clean arm.",
            comparisons,
        )
    tested = [one for one in known if one.p_seeds is not None]
    if not tested:
        best = max(known, key=_place)
        return Verdict(
            "No verdict: without predictions and without a spread over seeds nothing can be "
            f"tested. The best, {best.name}, is {unit.signed(best.comparison.difference)} "
            f"{unit.word} against normal training.",
            comparisons,
        )
    better = frozenset(one.config_id for one in comparisons if one.better)
    sentence = _better(tested, unit) if better else _not_better(tested, unit)
    return Verdict(sentence, comparisons, better, tuple(_footnotes(tested, len(known))))


def _why_silent(arms: Sequence[Arm]) -> str | None:
    """Why there cannot be a verdict, if so."""
    if not any(arm.runs for arm in arms):
        if arms and all(arm.failed >= arm.planned for arm in arms):
            cells = sum(arm.planned for arm in arms)
            return f"No verdict: all {cells} cells failed."
        return "No verdict: no cell has finished yet."
    if all(arm.is_clean for arm in arms):
        return "No verdict: every cell is normal training, so there is nothing to compare it with."
    if all(arm.clean_id is None for arm in arms if not arm.is_clean):
        return (
            "No verdict: the clean arm is switched off (clean_arm: false), so nothing here can be "
            "compared with normal training."
        )
    return None


def _place(one: Contrast) -> tuple[bool, float, str]:
    """Complete ones first, then the largest difference, then by text, so always alike."""
    return one.is_complete, one.comparison.difference or 0.0, one.name


def _better(tested: Sequence[Contrast], unit: Unit) -> str:
    winners = [one for one in tested if one.comparison.better]
    best = max(winners, key=_place)
    by = f"by {unit.by(best.comparison)}"
    if len(winners) == 1:
        return f"{best.name} is better than normal training {by}.{_worse(tested, unit)}"
    return (
        f"{len(winners)} of {len(tested)} settings are better than normal training; the best, "
        f"{best.name}, {by}.{_worse(tested, unit)}"
    )


def _not_better(tested: Sequence[Contrast], unit: Unit) -> str:
    best, worse = max(tested, key=_place), _worse(tested, unit)
    claim = "better than" if worse else "distinguishable from"
    if len(tested) == 1 and worse:
        return f"{worse.strip()}"
    return (
        f"No setting is {claim} normal training: the best, {best.name}, is "
        f"{unit.by(best.comparison)}.{worse} "
        f"A difference of {unit.size(_detectable(tested))} or more would have been seen."
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
        return f" {worst.name} is worse than normal training {by}."
    return f" {len(losers)} of {len(tested)} are worse; the worst, {worst.name}, {by}."


def _detectable(tested: Sequence[Contrast]) -> float:
    """The true difference that the middle configuration would have shown in 80 of 100 searches."""
    from scipy.special import stdtrit

    def reach(one: Contrast) -> float:
        assert one.error is not None
        needed = float(stdtrit(one.freedom, 1 - ALPHA / 2 / len(tested)))
        return (needed + float(stdtrit(one.freedom, _POWER))) * one.error

    return median(reach(one) for one in tested)


def _footnotes(tested: Sequence[Contrast], known: int) -> list[str]:
    notes = [one.comparison.note or "" for one in tested]
    lines = []
    if any(note.startswith(ONE_SEED) for note in notes):
        lines.append(
            "One seed: intervals and p are over examples only; adjusted p also allows for the "
            "spread over seeds that RTE is known to have, since one seed shows none."
        )
    if any(note.startswith(SEEDS_ONLY) for note in notes):
        lines.append(
            "Predictions are missing: intervals are over seeds only and speak of these dev "
            "examples, not of others."
        )
    same = [one.name for one in tested if IDENTICAL in (one.comparison.note or "")]
    if same:
        lines.append(
            f"Identical to normal training on every example: {'; '.join(same)}. Is the "
            "perturbation active?"
        )
    if known > 1:
        lines.append(
            f"Adjusted p: Holm over {len(tested)} configurations; 'would have been seen' means "
            "with 80 % power after that adjustment."
        )
    return lines
