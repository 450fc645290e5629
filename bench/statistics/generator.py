"""Made-up searches whose truth is known: which examples each run gets right.

Letters used below: R searches, J configurations (arm 0 is clean), S seeds, N examples.

Example i has an ease z_i, normal over examples and shared by all runs. Run (j, s) gets it right
where z_i + m_js + h x_ji + e_jsi > 0: m_js sets the run's accuracy on all possible examples,
exactly accuracy + effect_j + seed_sd times a normal draw; x_ji is what configuration j changes
about example i for good; e is the run's own noise, of which a share `same_noise` is common to all
arms of one seed. The ease's spread is set so that two runs of one configuration disagree on the
given share of examples.
"""

from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

__all__ = ["Truth", "correct", "ease_spread"]


@dataclass(frozen=True)
class Truth:
    """What a simulated search is like.

    Attributes:
        n_dev: N.
        seeds: S.
        configurations: J without the clean arm.
        seed_sd: deviation of a run's true accuracy over seeds, beyond single examples flipping.
        discordance: share of examples on which two runs of one configuration disagree.
        accuracy: true accuracy of the clean arm.
        effects: true gain per configuration; those not listed have none.
        example_change: h, what a configuration changes about an example, in units of the noise.
        same_noise: share of the noise that arms with one seed have in common.
        heavy: seeds' draws from Student's t with 3 degrees of freedom, of the same deviation.
        collapse: share of runs that end at chance, with every other example right.
        same_level: share of the seeds' variance that arms with one seed have in common.
        unsteady: how many times larger the first configuration's seed deviation is.
    """

    n_dev: int
    seeds: int
    configurations: int
    seed_sd: float = 0.0
    discordance: float = 0.15
    accuracy: float = 0.80
    effects: tuple[float, ...] = field(default=())
    example_change: float = 0.0
    same_noise: float = 0.0
    heavy: bool = False
    collapse: float = 0.0
    same_level: float = 0.0
    unsteady: float = 1.0


@lru_cache
def ease_spread(accuracy: float, discordance: float) -> float:
    """The ease's deviation at which two runs disagree on `discordance` of the examples."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(96)
    weights = weights / weights.sum()
    low, high = 0.0, 60.0
    for _ in range(60):
        spread = (low + high) / 2
        right = ndtr(ndtri(accuracy) * np.sqrt(1 + spread**2) + spread * nodes)
        low, high = (
            (spread, high)
            if float((2 * right * (1 - right) * weights).sum()) > discordance
            else (low, spread)
        )
    return (low + high) / 2


def correct(
    truth: Truth,
    searches: int,
    rng: np.random.Generator,
    seed_sds: NDArray[np.float64] | None = None,
) -> NDArray[np.float32]:
    """Draw searches: 1 where a run gets an example right, `(R, 1 + J, S, N)`.

    Args:
        truth: what every search is like.
        searches: R.
        rng: source of all draws.
        seed_sds: deviation over seeds of each search, `(R,)`; None takes the truth's for all.
    """
    arms, seeds, examples = truth.configurations + 1, truth.seeds, truth.n_dev
    spread = ease_spread(truth.accuracy, truth.discordance)
    shape = (searches, arms, seeds, 1)
    draw = rng.standard_t(3, shape) / 3**0.5 if truth.heavy else rng.standard_normal(shape)
    if truth.same_level:
        common = rng.standard_normal((searches, 1, seeds, 1))
        draw = (1 - truth.same_level) ** 0.5 * draw + truth.same_level**0.5 * common
    draw = draw * (truth.seed_sd if seed_sds is None else seed_sds.reshape(-1, 1, 1, 1))
    draw[:, 1] *= truth.unsteady
    target = truth.accuracy + draw
    for arm, effect in enumerate(truth.effects, start=1):
        target[:, arm] += effect
    if truth.collapse:
        target[rng.random(shape) < truth.collapse] = 0.5
    total = np.sqrt(1 + spread**2 + truth.example_change**2)
    level = ndtri(np.clip(target, 0.01, 0.999)) * total
    latent = spread * rng.standard_normal((searches, 1, 1, examples), dtype=np.float32)
    if truth.example_change:
        change = rng.standard_normal((searches, arms, 1, examples), dtype=np.float32)
        latent = latent + truth.example_change * change
    noise = rng.standard_normal((searches, arms, seeds, examples), dtype=np.float32)
    if truth.same_noise:
        common = rng.standard_normal((searches, 1, seeds, examples), dtype=np.float32)
        share = truth.same_noise
        noise = (1 - share) ** 0.5 * noise + share**0.5 * common
    return (latent + noise > -level).astype(np.float32)
