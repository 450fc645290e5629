"""FGM: one step up the gradient, and train on both ends of it."""

from freelb_tune.adversary.delta import direction
from freelb_tune.adversary.passes import Outcome, Passes
from freelb_tune.space.settings.adversaries import FGMSettings

__all__ = ["FGM"]


class FGM:
    """The fast gradient method on word embeddings.

    With g the gradient of the mean loss L by the words x, of one example:

        r = adv_lr * g / ||g||
        parameter gradient = 1/2 (dL/dtheta at x + dL/dtheta at x + r)

    Cost: 2 passes. The same as FreeLB with `adv_steps` 2, `init_mag` 0 and no ball.

    Reference:
        Miyato et al., "Adversarial Training Methods for Semi-Supervised Text Classification",
        ICLR 2017, arXiv:1605.07725; tensorflow/models, research/adversarial_text,
        `adversarial_loss`. There the two losses are added, with a coefficient of 1.0; here they
        are averaged, which keeps the loss on the scale of every other method's. There the word
        embeddings are normalised to mean 0 and variance 1, so that its `perturb_norm_length` does
        not carry over; `relative` comes nearest.
    """

    def __init__(self, settings: FGMSettings) -> None:
        self.settings = settings

    def __call__(self, passes: Passes) -> Outcome:
        start = passes.mask.new_zeros(*passes.mask.shape, passes.width)
        clean = passes.run(start, scale=1 / 2)
        delta = self.settings.adv_lr * direction(clean.slope, "l2")
        result = passes.run(delta, scale=1 / 2, ascend=False)
        losses = (clean.losses + result.losses) / 2
        return Outcome(losses, result.losses, delta=delta, passes=2)
