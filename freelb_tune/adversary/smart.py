"""SMART: the clean loss, and how far a small push can move the prediction."""

from torch import Tensor

from freelb_tune.adversary.delta import ascend, direction, random_entries
from freelb_tune.adversary.divergence import symmetric
from freelb_tune.adversary.passes import Outcome, Passes
from freelb_tune.space.settings.adversaries import SMARTSettings

__all__ = ["SMART"]

ADDED = 1e-6
"""What mt-dnn adds to the norm that a gradient is divided by (its `epsilon`)."""


class SMART:
    """SMART's smoothness-inducing adversarial regularisation.

    With f the logits and D the symmetric KL divergence of two predictions (the squared difference
    for a regression):

        d_0 ~ N(0, init_mag^2) on the real tokens
        d_m+1 = project(d_m + adv_lr * g / ||g||),  g = dD(f(x + d_m), f(x))/dd
        loss = L(x) + adv_weight * D(f(x), f(x + d_M)),  M = ascent_steps

    Cost: M + 3 passes: the clean prediction (forward only), M of the climb (no gradient by the
    parameters), and the clean and the perturbed pass that train.

    Only the regulariser: the paper's other half, the Bregman proximal point term that ties the
    weights to those of earlier steps, is not here.

    bfloat16 and float16 cannot tell words apart that differ by the usual 1e-5; take float32 or
    larger lengths.

    Reference:
        Jiang et al., "SMART: Robust and Efficient Fine-Tuning for Pre-trained Natural Language
        Models through Principled Regularized Optimization", ACL 2020, arXiv:1911.03437;
        namisan/mt-dnn, mt_dnn/perturbation.py and loss.py. The paper bounds the perturbation by a
        ball (`max_norm`); that code has none, but norms each token by itself (here each example)
        and, in its later form, norms the sum of noise and step instead of the step. In its
        symmetric loss each half holds its target fixed (`detach`); in the paper's formula
        gradients run through both, so that for a small push the regulariser's gradient is twice
        that code's at the same `adv_weight`. That code adds 1e-6 to the norm that an example's
        gradient is divided by, so that a gradient not far above it takes a shorter step than
        `adv_lr`; else each step has that length, however small the gradient. `form: mt-dnn` takes
        both from the code. There each forward pass drops other units, so that the divergence is
        that of dropout too; here the masks are shared.
    """

    def __init__(self, settings: SMARTSettings) -> None:
        self.settings = settings

    def __call__(self, passes: Passes) -> Outcome:
        s = self.settings

        as_coded = s.form == "mt-dnn"

        def objective(outs: tuple[Tensor, ...], labels: Tensor) -> Tensor:
            apart = symmetric(outs[0], outs[1], passes.problem, fixed=as_coded)
            return passes.loss(outs[0], labels) + s.adv_weight * apart

        def away(outs: tuple[Tensor, ...], clean: Tensor) -> Tensor:
            return symmetric(outs[0], clean, passes.problem)

        clean = passes.run(None, parameters=False, ascend=False).logits[0]
        delta = s.init_mag * random_entries(passes.mask, passes.width, passes.generator, "normal")
        for _ in range(s.ascent_steps):
            climb = passes.run(delta, objective=away, targets=clean, parameters=False)
            if as_coded:  # whose gradient is of the sum over examples
                delta = ascend(delta, climb.slope * passes.items, s, added=ADDED)
            else:
                delta = ascend(delta, direction(climb.slope, s.norm), s)
        result = passes.run(None, delta, objective=objective, ascend=False)
        adversarial = passes.loss(result.logits[1], passes.labels)
        return Outcome(result.losses, adversarial, delta=delta, passes=s.ascent_steps + 3)
