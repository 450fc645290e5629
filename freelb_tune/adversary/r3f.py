"""R3F: the clean loss, and how far noise moves the prediction."""

from torch import Tensor

from freelb_tune.adversary.delta import random_entries
from freelb_tune.adversary.divergence import symmetric
from freelb_tune.adversary.passes import Outcome, Passes
from freelb_tune.space.settings.adversaries import R3FSettings

__all__ = ["R3F"]


class R3F:
    """Robust representations through regularised fine-tuning.

    With f the logits and D the symmetric KL divergence of two predictions (the squared difference
    for a regression):

        z ~ U(-init_mag, init_mag) or N(0, init_mag^2), each entry of the real tokens
        loss = L(x) + adv_weight * D(f(x), f(x + z))

    Cost: 2 passes; no ascent.

    bfloat16 and float16 cannot tell words apart that differ by the usual 1e-5; take float32 or
    larger noise.

    Reference:
        Aghajanyan et al., "Better Fine-Tuning by Reducing Representational Collapse",
        arXiv:2008.03156; facebookresearch/fairseq,
        examples/rxf/rxf_src/sentence_prediction_r3f.py. That code adds noise to padding as well,
        does not send the noisy copy's gradient into the word embeddings, and trains a regression
        without the divergence. There the two forward passes drop different units, so that the
        divergence is that of dropout too; here the masks are shared.
    """

    def __init__(self, settings: R3FSettings) -> None:
        self.settings = settings

    def __call__(self, passes: Passes) -> Outcome:
        s = self.settings

        def objective(outs: tuple[Tensor, ...], labels: Tensor) -> Tensor:
            apart = symmetric(outs[0], outs[1], passes.problem)
            return passes.loss(outs[0], labels) + s.adv_weight * apart

        noise = random_entries(passes.mask, passes.width, passes.generator, s.noise)
        delta = s.init_mag * noise
        result = passes.run(None, delta, objective=objective, ascend=False)
        adversarial = passes.loss(result.logits[1], passes.labels)
        return Outcome(result.losses, adversarial, delta=delta, passes=2)
