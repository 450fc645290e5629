"""R-Drop: two dropout masks, and how far they move the prediction. A control."""

from torch import Tensor

from freelb_tune.adversary.divergence import symmetric
from freelb_tune.adversary.passes import Outcome, Passes
from freelb_tune.space.settings.adversaries import RDropSettings

__all__ = ["RDrop"]


class RDrop:
    """Regularised dropout: does agreement help without a perturbation?

    With f_1 and f_2 the logits under two draws of the dropout masks, L_1 and L_2 their losses and
    D half their symmetric KL divergence (the squared difference for a regression):

        loss = 1/2 (L_1 + L_2 + adv_weight * D(f_1, f_2))

    Cost: 2 passes. Without dropout it trains as the clean arm does.

    Reference:
        Liang et al., "R-Drop: Regularized Dropout for Neural Networks", NeurIPS 2021,
        arXiv:2106.14448, equation 4; dropreg/R-Drop, fairseq_src/examples/roberta,
        `RegSentencePredictionCriterion.forward_kl`. There the sum is not halved, which here keeps
        the loss on the scale of every other method's: the same to Adam, but for its epsilon. For
        a regression that code has the loss of one draw, not of both.
    """

    def __init__(self, settings: RDropSettings) -> None:
        self.settings = settings

    def __call__(self, passes: Passes) -> Outcome:
        weight = self.settings.adv_weight / (2 if passes.problem == "regression" else 4)

        def objective(outs: tuple[Tensor, ...], labels: Tensor) -> Tensor:
            both = passes.loss(outs[0], labels) + passes.loss(outs[1], labels)
            return both / 2 + weight * symmetric(outs[0], outs[1], passes.problem)

        result = passes.run(None, None, objective=objective, ascend=False, apart=True)
        other = passes.loss(result.logits[1], passes.labels)
        return Outcome(result.losses, other, delta=None, passes=2)
