"""PGD: climb first, then train on where the climb ended."""

from freelb_tune.adversary.delta import ascend, init_delta
from freelb_tune.adversary.passes import Outcome, Passes
from freelb_tune.space.settings.adversaries import PGDSettings

__all__ = ["PGD"]


class PGD:
    """Projected gradient descent's adversarial training.

    With L the mean loss at the perturbed words x + d_k:

        d_0 ~ U(-1, 1) * init_mag / sqrt(n E)  on the n real tokens (l2)
        d_k+1 = project(d_k + adv_lr * dL/dd / ||dL/dd||)
        parameter gradient = dL/dtheta at x + d_K-1, with K = adv_steps

    Cost: K passes, of which the first K - 1 need no gradient by the parameters.

    Reference:
        Madry et al., "Towards Deep Learning Models Resistant to Adversarial Attacks", ICLR 2018,
        arXiv:1706.06083, in the form of zhuchen03/FreeLB, fairseq-RoBERTa, `--std-adv`
        (`std_adv_train_step`). That code counts `adv_steps` without the last pass: its S is
        adv_steps = S + 1 here. It divides by the gradient's norm as it is; here a norm under 1e-8
        counts as 1e-8.
    """

    def __init__(self, settings: PGDSettings) -> None:
        self.settings = settings

    def __call__(self, passes: Passes) -> Outcome:
        k = self.settings.adv_steps
        delta = init_delta(passes.mask, passes.width, self.settings, passes.generator)
        for _ in range(k - 1):
            climb = passes.run(delta, parameters=False)
            delta = ascend(delta, climb.slope, self.settings)
        result = passes.run(delta, ascend=False)
        return Outcome(result.losses, result.losses, delta=delta, passes=k)
