"""Noise: FreeLB's passes and lengths without its gradient. The control for the ascent."""

import torch

from freelb_tune.adversary.delta import ascend, init_delta, random_entries
from freelb_tune.adversary.passes import Outcome, Passes
from freelb_tune.space.settings.adversaries import NoiseSettings

__all__ = ["Noise"]


class Noise:
    """FreeLB with a random direction in the gradient's place: is it adversarial, or only noisy?

        d_0 ~ U(-1, 1) * init_mag / sqrt(n E)  on the n real tokens (l2)
        u ~ N(0, 1) on the real tokens, once per batch
        d_k+1 = project(d_k + adv_lr * u / ||u||)
        parameter gradient = 1/K sum over k of dL/dtheta at x + d_k,  k = 0 .. K - 1

    Take FreeLB's own settings. The direction is kept through a batch, so that the perturbation
    grows as FreeLB's does where successive gradients agree: wherever `max_norm` binds the two are
    equally long, and without a ball FreeLB's is the shorter one as far as its gradients turn
    (`delta_norm` in epochs.csv tells). Cost: K passes, as FreeLB.

    Reference:
        Random perturbations as the control are "rp" in tensorflow/models,
        research/adversarial_text (`random_perturbation_loss`); there of one fixed norm, in one
        pass. This form, matched to FreeLB pass by pass, is ours.
    """

    def __init__(self, settings: NoiseSettings) -> None:
        self.settings = settings

    def __call__(self, passes: Passes) -> Outcome:
        k = self.settings.adv_steps
        delta = init_delta(passes.mask, passes.width, self.settings, passes.generator)
        way = random_entries(passes.mask, passes.width, passes.generator, "normal")
        total = torch.zeros(len(passes.mask), device=passes.mask.device)
        for step in range(k):
            result = passes.run(delta, scale=1 / k, ascend=False)
            total = total + result.losses
            if step < k - 1:
                delta = ascend(delta, way, self.settings)
        return Outcome(total / k, result.losses, delta=delta, passes=k)
