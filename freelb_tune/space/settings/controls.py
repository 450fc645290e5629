"""Settings of what attacks are compared with: the clean arm, and controls for a part of an attack.

Room: space. What each does is a file in `adversary/`.
"""

from typing import ClassVar, Literal

from freelb_tune.space.settings.adversary_bases import (
    AdversarySettings,
    Ascent,
    Count,
    NonNegative,
    Scheduled,
)

__all__ = [
    "CONTROLS",
    "ASAMSettings",
    "NoiseSettings",
    "NoneSettings",
    "RDropSettings",
    "RepeatSettings",
    "SAMSettings",
]


class NoneSettings(AdversarySettings):
    """The clean arm of every search: one clean pass per batch."""

    method: Literal["none"] = "none"

    @property
    def passes_per_batch(self) -> int:
        """The clean one."""
        return 1


class RepeatSettings(AdversarySettings):
    """Clean passes with other dropout masks each, averaged: the control for compute.

    Attributes:
        adv_steps: K, forward and backward passes per batch.
    """

    method: Literal["repeat"] = "repeat"
    adv_steps: Count = 3

    def plainest(self) -> AdversarySettings:
        """One pass of it is the clean arm's."""
        return NoneSettings() if self.adv_steps == 1 else self


class NoiseSettings(Ascent):
    """FreeLB's passes and lengths along a random direction: the control for the gradient.

    Attributes:
        adv_lr: length of one step along the random direction, in embedding units of `norm`.
    """

    method: Literal["noise"] = "noise"
    plainest = Ascent.climbed


class RDropSettings(AdversarySettings):
    """R-Drop: two dropout masks, and how far they move the prediction (arXiv:2106.14448).

    A control: nothing is perturbed.

    Attributes:
        adv_weight: what the divergence is multiplied by (the paper's alpha, the authors'
            `--reg-alpha`; theirs for GLUE are 0.1, 0.5 and 1).
    """

    method: Literal["rdrop"] = "rdrop"
    adv_weight: NonNegative = 1.0

    @property
    def passes_per_batch(self) -> int:
        """One with each mask."""
        return 2


class SAMSettings(Scheduled):
    """SAM: the gradient from where the loss is highest around the weights (arXiv:2010.01412).

    A control: weights are perturbed, not words. For language models: Bahri et al.,
    arXiv:2110.08529.

    Attributes:
        rho: length of the step in the weights, l2 over all that are trained.
    """

    LENGTHS: ClassVar[tuple[str, ...]] = ("rho",)

    method: Literal["sam"] = "sam"
    rho: NonNegative = 0.05

    @property
    def passes_per_batch(self) -> int:
        """One to find the place, one to train from there."""
        return 2

    def plainest(self) -> AdversarySettings:
        """Without a step it trains at the weights, with the units dropped that the first pass
        dropped.
        """
        return self if self.rho else NoneSettings()


class ASAMSettings(Scheduled):
    """ASAM: SAM with a step in proportion to each weight (Kwon et al., arXiv:2102.11600).

    Attributes:
        rho: length of the step, in units of the weights' own sizes.
        eta: added to each weight's size, so that one of zero can move.
    """

    LENGTHS: ClassVar[tuple[str, ...]] = ("rho",)

    method: Literal["asam"] = "asam"
    rho: NonNegative = 0.5
    eta: NonNegative = 0.01

    @property
    def passes_per_batch(self) -> int:
        """One to find the place, one to train from there."""
        return 2

    def plainest(self) -> AdversarySettings:
        """As SAM's."""
        return self if self.rho else NoneSettings()


CONTROLS: dict[str, type[AdversarySettings]] = {
    "none": NoneSettings,
    "repeat": RepeatSettings,
    "noise": NoiseSettings,
    "rdrop": RDropSettings,
    "sam": SAMSettings,
    "asam": ASAMSettings,
}
"""The clean arm's and every control's settings by their names."""
