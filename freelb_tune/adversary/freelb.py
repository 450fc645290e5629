"""FreeLB: K passes from a random start, their gradients averaged."""

import torch

from freelb_tune.adversary.delta import ascend, init_delta
from freelb_tune.adversary.passes import Outcome, Passes
from freelb_tune.space.settings.adversaries import FreeLBSettings

__all__ = ["FreeLB"]


class FreeLB:
    """FreeLB's inner maximisation, in the authors' Hugging Face form.

    With g_k the gradient of the mean loss L at the perturbed words x + d_k:

        d_0 ~ U(-1, 1) * init_mag / sqrt(n E)  on the n real tokens (l2)
        d_k+1 = project(d_k + adv_lr * dL/dd / ||dL/dd||)
        parameter gradient = 1/K sum over k of dL/dtheta at x + d_k,  k = 0 .. K - 1

    Cost: K passes. After the last pass no step is taken, as no pass would see it.

    Reference:
        Zhu et al., "FreeLB: Enhanced Adversarial Training for Natural Language Understanding",
        ICLR 2020, arXiv:1909.11764, Algorithm 1; zhuchen03/FreeLB,
        huggingface-transformers/examples/run_glue_freelb.py. The fairseq code beside it counts
        `adv_steps` without the first pass.
    """

    def __init__(self, settings: FreeLBSettings) -> None:
        self.settings = settings

    def __call__(self, passes: Passes) -> Outcome:
        k = self.settings.adv_steps
        delta = init_delta(passes.mask, passes.width, self.settings, passes.generator)
        total = torch.zeros(len(passes.mask), device=passes.mask.device)
        for step in range(k):
            last = step == k - 1
            result = passes.run(delta, scale=1 / k, ascend=not last)
            total = total + result.losses
            if not last:
                delta = ascend(delta, result.slope, self.settings)
        return Outcome(total / k, result.losses, delta=delta, passes=k)
