"""What to try next, by Optuna's samplers: what is known goes in, a proposal comes out.

Room: search, without Ray. Optuna loads when a proposal is asked for. Nothing is kept between two
proposals, Optuna's study neither: each is a function of what is known, its number and the draw
seed, so a search that goes on after a kill proposes what it would have proposed.

Reference:
    Optuna's `TPESampler` (Bergstra et al., NIPS 2011, and Watanabe, arXiv:2304.11127) and
    `GPSampler`, with Optuna's defaults but for the number of random trials that come first: a third
    of all, as its 10 would be the whole of a short search.
"""

import hashlib
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from math import ceil
from typing import TYPE_CHECKING, Any, Literal

from freelb_tune.errors import FreeLBTuneError
from freelb_tune.space import AlgorithmSettings
from freelb_tune.space.settings.algorithms import Sampling
from freelb_tune.space.settings.domains import Choice, Range
from freelb_tune.space.values import Value

if TYPE_CHECKING:
    import optuna

__all__ = ["Observed", "check_sampler", "suggest"]

_MOST_RANDOM = 10


@dataclass(frozen=True)
class Observed:
    """What is known of a configuration.

    Attributes:
        values: of what is proposed, by dotted name, as it was run.
        state: "stopped" was ended early.
        score: the mean over its seeds, each at the epoch that counts; None where there is none.
        scores: the means over its seeds by epoch; those of a stopped one are compared by epoch.
    """

    values: Mapping[str, Value]
    state: Literal["running", "failed", "stopped", "done"]
    score: float | None
    scores: Mapping[int, float]


def check_sampler(search: AlgorithmSettings) -> None:
    """Refuse a sampler that is not installed, before anything is begun.

    Raises:
        FreeLBTuneError: Optuna is missing.
    """
    if isinstance(search, Sampling) and search.proposes and find_spec("optuna") is None:
        raise FreeLBTuneError(
            f"search.sampler: {search.sampler} is Optuna's, which is not installed; "
            "pip install 'freelb-tune[optuna]', or take the sampler out"
        )


def suggest(
    sampler: str,
    domains: Mapping[str, Choice | Range],
    known: Sequence[Observed],
    *,
    samples: int,
    seed: str,
    better: Literal["higher", "lower"],
) -> dict[str, Value]:
    """Propose a configuration.

    Args:
        sampler: "tpe" or "gp".
        domains: what is proposed, by dotted name.
        known: what was proposed before, in that order.
        samples: how many are proposed in all.
        seed: decides the chances of this proposal.
        better: whether higher or lower scores are better.

    Returns:
        A value of each domain. Fractions have four digits, and that is what Optuna is told of them.
    """
    import optuna

    number = int.from_bytes(hashlib.sha256(seed.encode()).digest()[:4], "big")
    distributions = {name: _distribution(domain) for name, domain in domains.items()}
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            study = optuna.create_study(
                sampler=_sampler(sampler, number, samples),
                direction="maximize" if better == "higher" else "minimize",
            )
            for each in known:
                study.add_trial(_trial(each, domains, distributions, prunes=sampler == "tpe"))
            asked = study.ask(distributions)
    finally:
        optuna.logging.set_verbosity(level)
    return {name: _value(domain, asked.params[name]) for name, domain in domains.items()}


def _sampler(name: str, seed: int, samples: int) -> "optuna.samplers.BaseSampler":
    import optuna

    random = min(_MOST_RANDOM, ceil(samples / 3))
    if name == "gp":
        return optuna.samplers.GPSampler(seed=seed, n_startup_trials=random)
    return optuna.samplers.TPESampler(seed=seed, n_startup_trials=random, constant_liar=True)


def _distribution(domain: Choice | Range) -> "optuna.distributions.BaseDistribution":
    """A domain in Optuna's words; a choice by its place, as its values may be lists."""
    from optuna.distributions import (
        CategoricalDistribution,
        FloatDistribution,
        IntDistribution,
    )

    if isinstance(domain, Choice):
        return CategoricalDistribution(range(len(domain.values)))
    if domain.whole:
        return IntDistribution(int(domain.low), int(domain.high), log=domain.log)
    return FloatDistribution(domain.low, domain.high, log=domain.log)


def _value(domain: Choice | Range, told: Any) -> Value:
    """What is run for Optuna's value."""
    return domain.values[told] if isinstance(domain, Choice) else domain.nearest(told)


def _trial(
    each: Observed,
    domains: Mapping[str, Choice | Range],
    distributions: Mapping[str, "optuna.distributions.BaseDistribution"],
    *,
    prunes: bool,
) -> "optuna.trial.FrozenTrial":
    """A configuration in Optuna's words.

    One that was stopped early is pruned to a sampler that compares pruned ones by their epochs, and
    to another one complete with the score that it had.
    """
    from optuna.trial import TrialState, create_trial

    states = {"running": TrialState.RUNNING, "failed": TrialState.FAIL, "done": TrialState.COMPLETE}
    state = states.get(each.state, TrialState.PRUNED if prunes else TrialState.COMPLETE)
    params = {
        name: domain.values.index(each.values[name])
        if isinstance(domain, Choice)
        else each.values[name]
        for name, domain in domains.items()
    }
    return create_trial(
        state=state,
        params=params,
        distributions=dict(distributions),
        value=each.score if state is TrialState.COMPLETE else None,
        intermediate_values=dict(each.scores) if state is TrialState.PRUNED else None,
    )
