"""The sentence and the footnote about runs that are no better than always giving one answer.

Room: results.
"""

from collections.abc import Sequence

from freelb_tune.results.statistics.answers.wording import Unit
from freelb_tune.results.statistics.comparing.collapse import Collapses
from freelb_tune.results.statistics.comparing.contrast import Contrast

__all__ = ["collapsed_runs", "collapsed_sentence"]

_NAMED = 12  # most collapsed runs that a footnote names


def collapsed_sentence(collapsed: Collapses, tested: Sequence[Contrast], unit: Unit) -> str:
    """How many runs of which arm collapsed, and the difference among the others."""
    counts = [f"{len(arm.runs)} of {arm.of} of {arm.name}" for arm in collapsed.arms if arm.runs]
    constant = unit.number(collapsed.constant)
    said = f"Collapsed, no better than always giving one answer ({constant}): {', '.join(counts)}."
    whole = [one for one in tested if one.comparison.whole is not None]
    if not whole:
        return said

    def place(one: Contrast) -> tuple[float, str]:
        assert one.comparison.whole is not None
        return one.comparison.whole.difference, one.name

    best = max(whole, key=place)
    assert best.comparison.whole is not None
    interval = best.comparison.whole
    return (
        f"{said} Among whole runs the best, {best.name}, is {unit.signed(interval.difference)} "
        f"{unit.word} (95 % interval over {best.comparison.over} {unit.ends(interval)})."
    )


def collapsed_runs(collapsed: Collapses, unit: Unit) -> list[str]:
    """Which runs collapsed, and what is asked of a claim."""
    runs = [
        f"{arm.name}, seed {seed} ({unit.number(score)})"
        for arm in collapsed.arms
        for seed, score in arm.runs
    ]
    more = f"; and {len(runs) - _NAMED} more" if len(runs) > _NAMED else ""
    return [
        f"Collapsed: {'; '.join(runs[:_NAMED])}{more}.",
        "Where a run has collapsed, a claim also needs the agreement of a test that deals the "
        "scores out again within each seed; adjusted p is the larger of the two.",
    ]
