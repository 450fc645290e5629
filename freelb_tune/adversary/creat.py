"""CreAT: climb away from the encoder's own states, and train on both ends."""

from typing import Any

from torch import Tensor
from torch.nn.functional import cosine_similarity

from freelb_tune.adversary.delta import ascend, random_entries
from freelb_tune.adversary.passes import Outcome, Passes
from freelb_tune.space.settings.adversaries import CreATSettings

__all__ = ["CreAT"]


class CreAT:
    """Contextualized representation adversarial training.

    With H(x) the encoder's last states, one per real token, held fixed at the clean words, and L
    the mean loss:

        d_0 ~ N(0, init_mag^2) on the real tokens
        d_k+1 = project(d_k + adv_lr * g / ||g||),
            g = d/dd [L(x + d_k) - adv_weight * sum over tokens of cos(H(x + d_k), H(x))]
        parameter gradient = 1/2 (dL/dtheta at x + dL/dtheta at x + d_K-2)

    Cost: K passes: the clean one, K - 2 of the climb (no gradient by the parameters), and the
    perturbed one. With K = 2 there is no climb, and it trains on clean and noisy words.

    bfloat16 and float16 cannot tell words apart that differ by the usual 1e-5; take float32 or a
    larger start.

    Reference:
        Wu et al., "Toward Adversarial Training on Contextualized Language Representation",
        ICLR 2023, arXiv:2305.04557; gingasan/CreAT, trainer/creat.py. That code counts `adv_steps`
        without the clean pass: its S is adv_steps = S + 1 here; and adds each perturbation to words
        that still have the ones before. There each pass drops other units; here the masks are
        shared, so that states move by the perturbation alone.
    """

    def __init__(self, settings: CreATSettings) -> None:
        self.settings = settings

    def __call__(self, passes: Passes) -> Outcome:
        s = self.settings

        def away(outs: tuple[Tensor, ...], known: Any) -> Tensor:
            (logits, states), (labels, fixed) = outs, known
            alike = cosine_similarity(states, fixed[:, : states.shape[1]].to(states), dim=-1)
            return passes.loss(logits, labels) - s.adv_weight * alike.sum(1)

        clean = passes.run(None, scale=1 / 2, ascend=False, states=s.adv_steps > 2)
        delta = s.init_mag * random_entries(passes.mask, passes.width, passes.generator, "normal")
        for _ in range(s.adv_steps - 2):
            known = (passes.labels, clean.states[0])
            climb = passes.run(delta, objective=away, targets=known, parameters=False, states=True)
            delta = ascend(delta, climb.slope, s)
        result = passes.run(delta, scale=1 / 2, ascend=False)
        losses = (clean.losses + result.losses) / 2
        return Outcome(losses, result.losses, delta=delta, passes=s.adv_steps)
