"""FreeAT: every pass of the climb trains, with an optimizer step of its own."""

from freelb_tune.adversary.delta import ascend, init_delta
from freelb_tune.adversary.passes import Outcome, Passes
from freelb_tune.space.settings.adversaries import FreeATSettings

__all__ = ["FreeAT"]


class FreeAT:
    """Adversarial training for free, in the FreeLB authors' form.

    With L_k the mean loss at the perturbed words x + d_k and parameters theta_k:

        d_0 ~ U(-1, 1) * init_mag / sqrt(n E)  on the n real tokens (l2)
        theta_k+1 = optimizer step from theta_k along dL_k/dtheta,  k = 0 .. K - 1
        d_k+1 = project(d_k + adv_lr * dL_k/dd / ||dL_k/dd||)

    Cost: K passes and K optimizer steps per batch, which count as one weight update: the learning
    rate is the same in all of them, and each is clipped by itself. The last step is the trainer's
    own. Every pass draws its own dropout masks. Gradient accumulation is refused, as a step
    between two passes of one part of the batch would move the weights under the others.

    Reference:
        Shafahi et al., "Adversarial Training for Free!", NeurIPS 2019, arXiv:1904.12843, in the
        form of zhuchen03/FreeLB, fairseq-RoBERTa, `--per-step-adv` (`freeat_train_step`). As in
        that code the perturbation starts anew with each batch; in the paper on images it goes on
        from the last one. That code divides each loss by adv_steps + 1; here it is not divided.
    """

    def __init__(self, settings: FreeATSettings) -> None:
        self.settings = settings

    def __call__(self, passes: Passes) -> Outcome:
        k = self.settings.adv_steps
        delta = init_delta(passes.mask, passes.width, self.settings, passes.generator)
        result = passes.run(delta, ascend=k > 1)
        total = result.losses
        for step in range(1, k):
            passes.update()
            passes.redraw()
            delta = ascend(delta, result.slope, self.settings)
            result = passes.run(delta, ascend=step < k - 1)
            total = total + result.losses
        return Outcome(total / k, result.losses, delta=delta, passes=k)
