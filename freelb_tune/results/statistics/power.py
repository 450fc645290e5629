"""What a search can show, before it runs: detectable difference, seeds needed.

Room: results. A few numbers in, a few numbers and a sentence out, in milliseconds: `scipy.special`
is the heaviest import. It describes the tests of `contrast.py`, priors and adjustment included.

Letters used below: S seeds, N dev examples, J configurations, D share of examples on which two
runs of one configuration disagree.

Reference:
    Card et al., "With Little Power Comes Great Responsibility", EMNLP 2020, arXiv:2010.06595, for
    power of comparisons on GLUE's dev sets and what it depends on.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from freelb_tune.errors import FreeLBTuneError
from freelb_tune.results.statistics.anova import Evidence
from freelb_tune.results.statistics.contrast import ALPHA
from freelb_tune.results.statistics.prior import (
    ONE_SEED_DISPERSION,
    PRIOR_DISPERSION,
    prior_discordance,
    prior_seed_sd,
)

__all__ = ["Plan", "Power", "chance_to_see", "power", "spread_of"]

_MOST_SEEDS = 10_000
_QUANTILES = (np.arange(24) + 0.5) / 24


@dataclass(frozen=True)
class Plan:
    """What a search is going to be, for its power.

    Attributes:
        n_dev: N, examples of the dev set.
        configurations: J, adversarial configurations compared with normal training.
        seeds: S per configuration.
        seed_sd: deviation of one configuration's score over seeds, as a fraction.
        discordance: D; accuracy's, or for another metric the value that makes `D / 2 / N` the
            variance of its score from examples flipping independently.
    """

    n_dev: int
    configurations: int
    seeds: int
    seed_sd: float
    discordance: float

    @property
    def dispersion(self) -> float:
        """Variance over seeds in units of the part that comes from single examples flipping."""
        return self.seed_sd**2 * 2 * self.n_dev / self.discordance


@dataclass(frozen=True)
class Power:
    """What a search can show.

    Attributes:
        smallest: the smallest true difference that is called significant with 80 % power after
            the adjustment, as a fraction; None where none below 1 is.
        seeds_for_a_point: seeds per configuration that would show 1 point; None above 10,000.
        luck: how far the best of the configurations is expected to be above its true score where
            none has any effect, as a fraction.
        plan: what it is about.
        source: where the spread comes from, in words.
    """

    smallest: float | None
    seeds_for_a_point: int | None
    luck: float
    plan: Plan
    source: str

    @property
    def sentence(self) -> str:
        """The line that `plan` prints."""
        plan = self.plan
        seen = (
            "no difference at all" if self.smallest is None else f"{100 * self.smallest:.1f} points"
        )
        needed = f"more than {_MOST_SEEDS:,}"
        if self.seeds_for_a_point is not None:
            needed = f"{self.seeds_for_a_point:,}"
        luck = ""
        if plan.configurations > 1:
            luck = (
                f" With no effect at all the best would look {100 * self.luck:.1f} points better "
                "than it is."
            )
        return (
            f"Smallest true difference that this search would show with 80 % power: {seen} "
            f"({plan.n_dev:,} dev examples, {_counted(plan.configurations, 'configuration')}, "
            f"{_counted(plan.seeds, 'seed')}, spread over seeds {100 * plan.seed_sd:.1f} points: "
            f"{self.source}). To show 1 point: {needed} seeds.{luck}"
        )


def power(
    n_dev: int,
    configurations: int,
    seeds: int,
    *,
    metric: str = "accuracy",
    seed_sd: float | None = None,
    discordance: float | None = None,
) -> Power:
    """What a search of `configurations` with `seeds` seeds each can show.

    Args:
        n_dev: examples of the dev set.
        configurations: adversarial ones, without their clean arms.
        seeds: per configuration.
        metric: only chooses the prior spread.
        seed_sd: spread of one configuration over seeds, a fraction, as `spread_of` measures it;
            None takes the prior for this size of dev set.
        discordance: share of examples on which two runs of one configuration disagree; None takes
            the prior.

    Raises:
        FreeLBTuneError: a count is below 1 (examples: 2), or a spread or share is not above 0.
    """
    source = "as measured in finished cells"
    if n_dev >= 2 and seed_sd is None:
        seed_sd, source = prior_seed_sd(n_dev, metric), "assumed for a dev set of this size"
    if n_dev >= 2 and discordance is None:
        # another metric than accuracy: keep the prior's dispersion
        discordance = prior_discordance(n_dev)
        if metric != "accuracy":
            discordance = 2 * n_dev * (seed_sd or 0.0) ** 2 / PRIOR_DISPERSION
    _check(n_dev, configurations, seeds, seed_sd, discordance)
    assert seed_sd is not None
    assert discordance is not None
    plan = Plan(n_dev, configurations, seeds, seed_sd, discordance)
    return Power(_smallest(plan), _seeds_for(plan, 0.01), _luck(plan), plan, source)


def spread_of(scores: list[list[float]]) -> float | None:
    """Deviation over seeds within configurations, from finished cells.

    Args:
        scores: one list per configuration, a fraction per seed.

    Returns:
        The pooled deviation; None where no configuration has two seeds or nothing varies.
    """
    rows = [np.asarray(row) for row in scores if len(row) > 1]
    freedom = sum(len(row) - 1 for row in rows)
    squares = sum(float(((row - row.mean()) ** 2).sum()) for row in rows)
    return math.sqrt(squares / freedom) if squares > 1e-16 else None


def chance_to_see(plan: Plan, difference: float) -> float:
    """Chance that one configuration with this true difference is called significant.

    It faces the first, strictest step of Holm's method, as the only one with an effect.
    """
    from scipy.special import ndtr, ndtri, stdtrit

    level = ALPHA / 2 / plan.configurations
    flips = plan.discordance / plan.n_dev / plan.seeds  # variance of a mean from flips alone
    if plan.seeds == 1:
        differ = (
            flips + difference**2 / plan.n_dev
        )  # the gain itself is discordance, at least so much
        reach = -float(ndtri(level)) * math.sqrt(ONE_SEED_DISPERSION * differ)
        needed = np.array([reach + 1 / plan.n_dev])  # an exact test needs one example more
        true = math.sqrt(plan.dispersion * flips)
    else:
        uneven, allowed = _uneven_effect(plan, difference)
        evidence = Evidence(plan.seeds - 1.0, (plan.configurations - 1) * (plan.seeds - 1.0))
        used = _dispersions_used(plan, evidence)
        scatter = used**2 / evidence.freedom + allowed**2 / (plan.n_dev - 1)
        freedom = (used + allowed) ** 2 / scatter
        needed = stdtrit(freedom, 1 - level) * np.sqrt((used + allowed) * flips)
        true = math.sqrt((plan.dispersion + uneven) * flips)
    chances = ndtr((difference - needed) / true) + ndtr((-difference - needed) / true)
    return float(np.mean(chances))


def _uneven_effect(plan: Plan, difference: float) -> tuple[float, float]:
    """What a gain that some examples have more of than others adds, in units of flips.

    Ease is taken as normal over examples, as wide as makes two runs disagree on D of them, and a
    gain as a shift of it: examples near the decision gain most, and the gains' variance is
    difference^2 (1 / sin(pi D) - 1).

    Returns:
        What it adds to the variance of the mean, and what the test will estimate of that, on
        average: its estimate is never below 0, so above the truth.
    """
    from scipy.special import ndtr

    spread = 1 / math.sin(math.pi * min(plan.discordance, 0.5)) - 1
    uneven = plan.seeds * difference**2 * spread / plan.discordance
    error = math.sqrt(2 / (plan.n_dev - 1)) * (1 + uneven)
    place = uneven / error
    density = math.exp(-(place**2) / 2) / math.sqrt(2 * math.pi)
    return uneven, uneven * float(ndtr(place)) + error * density


def _dispersions_used(plan: Plan, evidence: Evidence) -> NDArray[np.float64]:
    """The dispersions that the test will use, over their chance."""
    from scipy.special import gammaincinv

    def scattered(freedom: float) -> NDArray[np.float64]:  # quantiles of a mean square
        return np.asarray(plan.dispersion * 2 * gammaincinv(freedom / 2, _QUANTILES) / freedom)

    mine = scattered(evidence.own)
    theirs = scattered(evidence.others) if evidence.others else np.zeros(1)
    return np.asarray(
        evidence.dispersion(mine[:, None, None], mine[None, :, None], theirs[None, None, :])
    ).ravel()


def _smallest(plan: Plan) -> float | None:
    if chance_to_see(plan, 1.0) < 0.8:
        return None
    low, high = 0.0, 1.0
    for _ in range(24):
        middle = (low + high) / 2
        low, high = (low, middle) if chance_to_see(plan, middle) >= 0.8 else (middle, high)
    return high


def _seeds_for(plan: Plan, difference: float) -> int | None:
    def enough(seeds: int) -> bool:
        asked = Plan(plan.n_dev, plan.configurations, seeds, plan.seed_sd, plan.discordance)
        return chance_to_see(asked, difference) >= 0.8

    if not enough(_MOST_SEEDS):
        return None
    low, high = 0, _MOST_SEEDS
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def _luck(plan: Plan) -> float:
    """Expected maximum of J means around one truth, from the normal's order statistics."""
    from scipy.special import ndtr

    grid = np.linspace(-8, 8, 2001)
    density = np.exp(-(grid**2) / 2) / math.sqrt(2 * math.pi)
    count = plan.configurations
    best = np.sum(grid * count * density * ndtr(grid) ** (count - 1)) * (grid[1] - grid[0])
    return max(0.0, float(best)) * plan.seed_sd / math.sqrt(plan.seeds)


def _check(
    n_dev: int, configurations: int, seeds: int, sd: float | None, share: float | None
) -> None:
    asked = {"dev examples": (n_dev, 2), "configurations": (configurations, 1), "seeds": (seeds, 1)}
    for name, (value, least) in asked.items():
        if value < least:
            raise FreeLBTuneError(f"power: {name} must be {least} or more, got {value}")
    for name, given in {"spread over seeds": sd, "discordance": share}.items():
        if given is None or not given > 0:
            raise FreeLBTuneError(f"power: {name} must be above 0, got {given}")


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}" + ("" if count == 1 else "s")
