"""VAT: push the prediction away from itself along its most sensitive direction."""

from torch import Tensor

from freelb_tune.adversary.delta import direction, random_entries
from freelb_tune.adversary.divergence import kl
from freelb_tune.adversary.passes import Outcome, Passes
from freelb_tune.space.settings.adversaries import VATSettings

__all__ = ["VAT"]


class VAT:
    """Virtual adversarial training on word embeddings.

    With f the logits, q = f(x) held fixed and KL the divergence (the squared difference for a
    regression):

        u_0 ~ N(0, 1) on the real tokens
        u_m+1 = dKL(q || f(x + init_mag * u_m / ||u_m||))/du,  m = 0 .. ascent_steps - 1
        r = adv_lr * u / ||u||
        loss = L(x) + adv_weight * KL(q || f(x + r))

    Cost: ascent_steps + 2 passes: the clean one, the power iterations (no gradient by the
    parameters), and the perturbed one.

    Reference:
        Miyato et al., "Adversarial Training Methods for Semi-Supervised Text Classification",
        ICLR 2017, arXiv:1605.07725; tensorflow/models, research/adversarial_text,
        `virtual_adversarial_loss`. Supervised only here: there the divergence is taken on
        unlabelled text too. There the word embeddings are normalised to mean 0 and variance 1, so
        that its `perturb_norm_length` does not carry over; `relative` comes nearest.
    """

    def __init__(self, settings: VATSettings) -> None:
        self.settings = settings

    def __call__(self, passes: Passes) -> Outcome:
        s = self.settings

        def objective(outs: tuple[Tensor, ...], clean: Tensor) -> Tensor:
            return s.adv_weight * kl(clean, outs[0], passes.problem)

        def away(outs: tuple[Tensor, ...], clean: Tensor) -> Tensor:
            return kl(clean, outs[0], passes.problem)

        clean = passes.run(None, ascend=False)
        fixed = clean.logits[0]
        way = random_entries(passes.mask, passes.width, passes.generator, "normal")
        for _ in range(s.ascent_steps):
            probe = s.init_mag * direction(way, "l2")
            way = passes.run(probe, objective=away, targets=fixed, parameters=False).slope
        delta = s.adv_lr * direction(way, "l2")
        result = passes.run(delta, objective=objective, targets=fixed, ascend=False)
        adversarial = passes.loss(result.logits[0], passes.labels)
        losses = clean.losses + result.losses
        return Outcome(losses, adversarial, delta=delta, passes=s.ascent_steps + 2)
