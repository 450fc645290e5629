"""The verdict of a search that gave seeds in rounds until its question was answered.

Room: results. What the rounds have shown is in the journal (`sequential.py` has the test); here it
is put into sentences. The tests and intervals of `contrast.py` are for seeds that were planned
beforehand: of seeds that were added until something showed they say too much, so none is given.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from freelb_tune.errors import counted
from freelb_tune.results.statistics.answers.collapsed import collapsed_runs, collapsed_sentence
from freelb_tune.results.statistics.answers.verdict import why_silent
from freelb_tune.results.statistics.answers.wording import Unit, unit_of
from freelb_tune.results.statistics.comparing.arms import Arm
from freelb_tune.results.statistics.comparing.collapse import collapses
from freelb_tune.results.statistics.comparing.comparison import Comparison, Verdict
from freelb_tune.results.statistics.comparing.contrast import Contrast, contrasts
from freelb_tune.results.statistics.numbers.spending import ALPHA, share_of
from freelb_tune.store import Answered

__all__ = ["answered_verdict"]

_NOTES = {
    "below": "a gain by the margin is excluded",
    "open": "a gain by the margin is not excluded",
    "failed": "left out, as a seed of it failed",
}


def answered_verdict(
    arms: Sequence[Arm],
    metric: str,
    better: Literal["higher", "lower"],
    answered: Answered | None,
    look: int = 1,
) -> Verdict:
    """Say what the rounds of a search have shown.

    Args:
        arms: all configurations in plan order, clean arms among them, with their finished runs.
        metric: the search metric.
        better: which way it counts.
        answered: what the rounds have shown; None where not one is complete.
        look: which look at these results this is.

    Raises:
        FreeLBTuneError: as `contrasts`.
    """
    collapsed = collapses(arms, metric, better)
    unit = unit_of(metric, better)
    silent = why_silent(arms, collapsed, unit)
    if silent is not None:
        return silent
    if answered is None:
        return Verdict("No verdict: no round of two seeds of each arm is complete.")
    found = [_untested(one, answered) for one in contrasts(arms, metric, better)]
    said = [_sentence(found, answered, unit)]
    notes = [
        "Seeds were added round by round, and a sequential test was asked after each. Its answer "
        f"is wrong with at most {100 * ALPHA * share_of(look):.2g} % chance, whatever ended the "
        "search. "
        "Intervals and p values of a fixed plan do not hold here. Differences that ended the "
        "search look larger than they are."
    ]
    if collapsed is not None:
        said.append(collapsed_sentence(collapsed, (), unit))
        notes += collapsed_runs(collapsed, unit)[:1]
    comparisons = tuple(one.comparison for one in found)
    winners = frozenset(one.config_id for one in comparisons if one.better)
    return Verdict(" ".join(said), comparisons, winners, tuple(notes), answered.margin)


def _untested(one: Contrast, answered: Answered) -> Contrast:
    """A contrast without what is true of a fixed plan alone, and with what the rounds say."""
    answer = answered.answers.get(one.comparison.config_id, "open")
    kept = one.comparison
    told = Comparison(
        kept.config_id,
        kept.clean_id,
        kept.n_seeds,
        kept.difference,
        better=answer == "better",
        note=_NOTES.get(answer),
        flips=kept.flips,
        collapsed=kept.collapsed,
        clean_collapsed=kept.clean_collapsed,
    )
    return replace(one, comparison=told, estimate=None)


def _sentence(found: Sequence[Contrast], answered: Answered, unit: Unit) -> str:
    """The answer, or what is open and what it would take."""
    answers = [answered.answers.get(one.comparison.config_id, "open") for one in found]
    left = [one for one, said in zip(found, answers, strict=True) if said == "open"]
    by = f"by {unit.size(answered.margin)} or more"
    failed = answers.count("failed")
    are = "is" if failed == 1 else "are"
    out = f" {failed} of {len(found)} had a failed seed and {are} left out." if failed else ""
    known = [one for one in found if one.comparison.difference is not None]
    if not known:
        return "No verdict: no seed has finished both in a configuration and in its clean arm."
    winners = [one for one in known if one.comparison.better]
    if winners:
        best = max(winners, key=_gain)
        more = f"; so are {len(winners) - 1} more" if len(winners) > 1 else ""
        return f"{best.name} is better than the clean arm, {_seen(best, unit)}{more}.{out}"
    if not left:
        best = max(known, key=_gain)
        told = f"the best of them, {_best(best, unit)}.{out}"
        return f"No setting is better than the clean arm {by}: {told}"
    ended = {"budget": "the budget is spent", "seeds": "all seeds are run"}.get(
        answered.ended, "the search ended"
    )
    takes = ""
    if answered.more is not None:
        takes = (
            f" To tell takes about {counted(answered.more, 'seed')} more of each, "
            f"{counted(answered.more * (len(left) + 1), 'cell')} with the clean arm."
        )
    return (
        f"Open: {ended}, and a gain {by} is not excluded for {len(left)} of "
        f"{counted(len(found), 'setting')}; the best of them, {_best(max(left, key=_gain), unit)}."
        f"{out}{takes}"
    )


def _gain(one: Contrast) -> tuple[float, str]:
    difference = one.comparison.difference
    return -1e9 if difference is None else difference, one.name


def _best(one: Contrast, unit: Unit) -> str:
    return f"{one.name}, is {_seen(one, unit)}"


def _seen(one: Contrast, unit: Unit) -> str:
    """A difference with the seeds that it is of."""
    seeds = counted(one.comparison.n_seeds, "seed")
    return f"{unit.signed(one.comparison.difference)} {unit.word} over {seeds}"
