"""One question, asked after every round of seeds: is a configuration better, or none by a margin?

Room: results. An estimate in, an answer out. Each configuration faces two of Wald's sequential
tests, which hold however often they are asked. With n seeds, d the mean paired difference, e its
standard error and m the margin:

    better   the likelihood of a gain of m is (configurations) / BETTER times that of no gain
    below    the likelihood of no gain is 1 / BELOW times that of a gain of m

For normal errors the logarithm of the first ratio is (m / e) (d - m / 2) / e, so a test asks for
m / (2 e) + log(ratio) e / m standard errors: sqrt(2 log(ratio)) at least, at one place. As the
variance is estimated (`anova.py`), that least number is put into Student's t by its chance.

"Better" is shared out over the configurations by Bonferroni. "None is better by the margin" needs
no share: it is said when every configuration is below, and is wrong only if one of those that are
not is called so. So a search is wrong with a chance of at most BETTER + BELOW, whatever ends it.

Reference:
    Wald, Annals of Mathematical Statistics 16, 1945. A test that is asked at whole seeds passes its
    limit by some of a seed's weight, and the limit is lowered by that: Siegmund, "Sequential
    Analysis", 1985, chapter 3. Chances in place of limits where the variance is estimated:
    Jennison & Turnbull, "Group Sequential Methods", 1999, section 4.4. Beside that log(ratio) grows
    by 1 + 2 / freedom: so the errors stay what they are to be where there are few degrees of
    freedom, by simulation (docs/statistics.md).
"""

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from freelb_tune.results.statistics.numbers.anova import Estimate
from freelb_tune.results.statistics.numbers.spending import ALPHA

__all__ = ["Answer", "Question", "needed"]

Answer = Literal["better", "below", "open"]

BETTER, BELOW = 0.15 * ALPHA, 0.85 * ALPHA
"""Chances of a wrong "better" and of a wrong "none is better by the margin", before looks share."""

_OVERSHOOT = 0.583  # standard normal steps: Siegmund's
_ESTIMATED = 2.0


@dataclass(frozen=True)
class Question:
    """What a search is to answer.

    Attributes:
        margin: a gain below this does not matter, as a fraction.
        configurations: how many are compared with their clean arms.
        share: of the chance of a wrong answer, as `spending.share_of` has it.
    """

    margin: float
    configurations: int
    share: float = 1.0

    @property
    def better(self) -> float:
        """Logarithm of the ratio that "better" asks for."""
        return math.log(self.configurations / (BETTER * self.share))

    @property
    def below(self) -> float:
        """Logarithm of the ratio that "below" asks for."""
        return math.log(1 / (BELOW * self.share))

    def answer(self, estimate: Estimate, seeds: int) -> Answer:
        """What is known of a configuration after so many seeds."""
        far = self.margin / estimate.error
        found = estimate.mean / estimate.error
        if found >= needed(far, self.better, seeds, estimate.freedom):
            return "better"
        if far - found >= needed(far, self.below, seeds, estimate.freedom):
            return "below"
        return "open"

    def seeds(self, spread: float) -> int:
        """Seeds that an answer is expected to take where no configuration gains anything.

        Args:
            spread: deviation of a score over seeds, what a seed gives to all arms taken out.
        """
        deviation = spread * 2**0.5 / self.margin  # of a paired difference, in margins
        return max(2, math.ceil(2 * self.below * deviation**2))


def needed(far: Any, ratio: float, seeds: Any, freedom: Any) -> Any:
    """How many standard errors a difference has to be away from the hypothesis that it refutes.

    Args:
        far: the margin in standard errors of the difference; a number or an array, as all others.
        ratio: logarithm of the likelihood ratio that is asked for.
        seeds: that the difference is the mean of.
        freedom: degrees of freedom of its standard error.
    """
    from scipy.special import ndtr, stdtrit

    asked = ratio * (1 + _ESTIMATED / freedom)
    lowered = np.maximum(asked - _OVERSHOOT * far / np.sqrt(seeds), math.log(2))
    least = -stdtrit(freedom, ndtr(-np.sqrt(2 * lowered)))
    return far / 2 + least**2 / 2 / far
