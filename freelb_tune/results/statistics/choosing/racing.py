"""Racing: which configurations get another seed.

Room: results. Scores in, a decision out; a pure function of what is known, so that a search that
was interrupted decides the same again. Who runs what is `search`'s.

Every configuration gets two seeds. After each full round of seeds the contenders are compared by
their means over common seeds, and leave the race in one of two ways, kept apart:

- by test: a contender whose mean is below the leader's by more than chance explains is out. The
  test is Student's t on paired differences, its variance pooled over the contenders, at
  alpha / ((J - 1) (S - 1)) one-sided, for J configurations and S - 1 looks; so the chance that the
  truly best configuration is ever tested out is at most alpha (Bonferroni).
- by budget: where the rest of the budget cannot give every contender all S seeds, the last in
  rank go, at a constant rate per round. This has no error rate; it is what a budget costs.

The race ends with one contender, with all S seeds, or with the budget.

Reference:
    Maron & Moore, "Hoeffding Races", NIPS 1993, and Birattari et al., GECCO 2002 (F-race), for
    racing; Karnin, Koren & Somekh, ICML 2013 (sequential halving), for sharing out a budget.
    Deviation: a t test with Bonferroni's correction, where F-race has Friedman's test without one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from freelb_tune.errors import FreeLBTuneError, counted
from freelb_tune.space.settings.algorithms import RaceSettings

__all__ = ["RaceDecision", "race_decide"]

FIRST_SEEDS = RaceSettings.FIRST_SEEDS


@dataclass(frozen=True)
class RaceDecision:
    """What a race says now.

    Attributes:
        run: cells to run next, as (configuration, place of the seed in the list of seeds).
        contenders: configurations still in, best mean first.
        out_by_test: configurations that are worse than the leader, with the seeds each had.
        out_by_budget: configurations that went for the budget's sake, with the seeds each had.
        failed: configurations with a failed seed; they never win.
        is_over: whether nothing more is to be run.
        reason: why it is over, or what comes next, in words.
    """

    run: tuple[tuple[str, int], ...]
    contenders: tuple[str, ...]
    out_by_test: Mapping[str, int]
    out_by_budget: Mapping[str, int]
    failed: tuple[str, ...]
    is_over: bool
    reason: str


def race_decide(
    scores: Mapping[str, Sequence[float | None]],
    seeds: int,
    budget: int | None = None,
    alpha: float = 0.05,
) -> RaceDecision:
    """Decide which cells to run next.

    Args:
        scores: per configuration, the score of its first, second, ... seed as far as finished,
            higher is better; None for a failed seed.
        seeds: S, the most seeds a configuration can get.
        budget: the most cells to run in all; None for no limit but S seeds each.
        alpha: the most chance of testing the best configuration out.

    Raises:
        FreeLBTuneError: fewer than two seeds, a budget that does not cover two seeds each, or a
            configuration with more scores than seeds.
    """
    limit = _checked(scores, seeds, budget)
    failed = tuple(name for name, row in scores.items() if None in row)
    alive = {name: np.array(row, dtype=float) for name, row in scores.items() if None not in row}
    contenders, by_test, by_budget = list(alive), {}, {}  # type: ignore[var-annotated]
    spent = FIRST_SEEDS * len(scores)
    for done in range(FIRST_SEEDS, seeds + 1):
        missing = [(name, at) for name in contenders for at in range(len(alive[name]), done)]
        if missing or not contenders:
            text = f"seed {done} of {seeds} for {counted(len(contenders), 'configuration')}"
            return _decision(missing, contenders, by_test, by_budget, failed, text)
        means = {name: float(alive[name][:done].mean()) for name in contenders}
        contenders.sort(key=lambda name: (-means[name], name))  # noqa: B023
        level = alpha / max(len(scores) - 1, 1) / (seeds - 1)
        worse = _worse({name: alive[name][:done] for name in contenders}, level)
        by_test |= dict.fromkeys(worse, done)
        contenders = [name for name in contenders if name not in worse]
        if len(contenders) == 1 or done == seeds:
            break
        keep = _affordable(len(contenders), seeds - done, limit - spent)
        by_budget |= dict.fromkeys(contenders[keep:] if keep else (), done)
        if keep == 0:
            text = f"the budget of {limit} cells is spent"
            return _decision([], contenders, by_test, by_budget, failed, text)
        contenders = contenders[:keep]
        spent += keep
    text = "every contender has all its seeds"
    if len(contenders) == 1:
        text = f"{contenders[0]} is ahead of all others"
        if by_budget:
            text = f"{contenders[0]} is ahead of all that the budget kept"
    return _decision([], contenders, by_test, by_budget, failed, text)


def _checked(scores: Mapping[str, Sequence[float | None]], seeds: int, budget: int | None) -> int:
    RaceSettings(budget=budget).check(len(scores), seeds)
    for name, row in scores.items():
        if len(row) > seeds:
            raise FreeLBTuneError(f"{name} has {len(row)} scores and a race of {seeds} seeds")
    return seeds * len(scores) if budget is None else budget


def _worse(rows: Mapping[str, np.ndarray], level: float) -> list[str]:
    """Contenders, best mean first, whose paired difference to the leader is significant."""
    names = list(rows)
    if len(names) < 2:
        return []
    from scipy.special import stdtrit

    table = np.stack([rows[name] for name in names])  # (contenders, seeds)
    count, done = table.shape
    left = table - table.mean(axis=1, keepdims=True) - table.mean(axis=0) + table.mean()
    freedom = (count - 1) * (done - 1)
    error = np.sqrt(2 * (left**2).sum() / freedom / done)
    behind = table[0].mean() - table.mean(axis=1)
    needed = float(stdtrit(freedom, 1 - level)) * max(error, 1e-12)
    return [name for name, gap in zip(names, behind, strict=True) if gap > needed]


def _affordable(contenders: int, rounds: int, cells: int) -> int:
    """How many contenders go on, so that shrinking at one rate per round stays in the budget.

    Never one: a seed that only the leader gets decides nothing.
    """
    if contenders * rounds <= cells:
        return contenders
    if cells < 2:
        return 0
    low, high = 0.0, 1.0  # the rate: what share of the contenders stays in each round
    for _ in range(20):
        rate = (low + high) / 2
        cost = sum(max(2, int(contenders * rate**turn)) for turn in range(1, rounds + 1))
        low, high = (rate, high) if cost <= cells else (low, rate)
    return max(2, int(contenders * low))


def _decision(
    run: Sequence[tuple[str, int]],
    contenders: Sequence[str],
    by_test: Mapping[str, int],
    by_budget: Mapping[str, int],
    failed: tuple[str, ...],
    reason: str,
) -> RaceDecision:
    if not contenders:
        reason = "every configuration failed"
    return RaceDecision(tuple(run), tuple(contenders), by_test, by_budget, failed, not run, reason)
