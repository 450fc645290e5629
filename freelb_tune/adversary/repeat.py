"""Repeat: FreeLB's number of passes, all clean. The control for compute."""

from freelb_tune.adversary.passes import Outcome, Passes
from freelb_tune.space.settings.adversaries import RepeatSettings

__all__ = ["Repeat"]


class Repeat:
    """Clean passes, averaged: what does FreeLB's compute buy without its perturbation?

        parameter gradient = 1/K sum over k of dL/dtheta at x, with dropout masks m_k

    Each pass draws its own dropout masks; with the same ones, as FreeLB has them, all K gradients
    would be alike. Without dropout it is the clean arm. Cost: K passes.

    Reference:
        None; a control of ours.
    """

    def __init__(self, settings: RepeatSettings) -> None:
        self.settings = settings

    def __call__(self, passes: Passes) -> Outcome:
        k = self.settings.adv_steps
        result = passes.run(None, scale=1 / k)
        total = result.losses
        for _ in range(k - 1):
            passes.redraw()
            result = passes.run(None, scale=1 / k)
            total = total + result.losses
        return Outcome(total / k, result.losses, delta=None, passes=k)
