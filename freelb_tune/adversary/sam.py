"""SAM and ASAM: train from where the loss is highest around the weights. Controls."""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from freelb_tune.adversary.passes import Outcome, Passes
from freelb_tune.space.settings.adversaries import ASAMSettings, SAMSettings

__all__ = ["ASAM", "SAM"]

SMALLEST = 1e-12
"""Added to the norm that a step is divided by, as in davda54/sam."""
_ROWS = 1024
"""Of a weight that are sized at a time, so that what is made for it stays in a core's cache."""


class SAM:
    """Sharpness-aware minimisation: a perturbation of the weights in place of the words.

    With L the mini-batch's mean loss at the weights theta, all that are trained taken together:

        g = dL/dtheta at theta
        parameter gradient = dL/dtheta at theta + rho * g / ||g||

    Cost: 2 passes, and a copy of the trained weights. Both passes drop the same units. Under
    gradient accumulation each batch climbs by itself (the paper's m-sharpness). `losses` are those
    at theta, as the usual code shows them; `adversarial` those at the place that it trains from.

    Reference:
        Foret et al., "Sharpness-Aware Minimization for Efficiently Improving Generalization",
        ICLR 2021, arXiv:2010.01412, Algorithm 1; for language models Bahri et al., ACL 2022,
        arXiv:2110.08529, who take rho 0.15 for T5; davda54/sam. There each pass drops other units.
    """

    def __init__(self, settings: SAMSettings | ASAMSettings) -> None:
        self.settings = settings

    def __call__(self, passes: Passes) -> Outcome:
        clean, slopes = passes.weigh()
        with torch.no_grad():
            steps = self._steps(passes.weights, slopes)
        with passes.moved(steps):
            result = passes.run(None, ascend=False)
        return Outcome(clean.losses, result.losses, delta=None, passes=2)

    def _steps(
        self, weights: Mapping[str, Tensor], slopes: Mapping[str, Tensor]
    ) -> dict[str, Tensor]:
        """Each weight's step, in its slope's memory."""
        scale = self._scale(slopes.values())
        return {name: slope.mul_(scale.to(slope)) for name, slope in slopes.items()}

    def _scale(self, slopes: Iterable[Tensor]) -> Tensor:
        whole = torch.stack([slope.float().norm() for slope in slopes]).norm()
        # Under fp16 a gradient may be too large for its scale, and accelerate skips the update.
        return torch.where(whole.isfinite(), self.settings.rho / (whole + SMALLEST), 0.0)


class ASAM(SAM):
    """Adaptive SAM: as SAM, with a step in proportion to each weight.

    With T the diagonal of |theta| + eta, of weights; 1 for biases:

        parameter gradient = dL/dtheta at theta + rho * T^2 g / ||T g||

    Cost: as SAM.

    Reference:
        Kwon et al., "ASAM: Adaptive Sharpness-Aware Minimization for Scale-Invariant Learning of
        Deep Neural Networks", ICML 2021, arXiv:2102.11600; SamsungLabs/ASAM, asam.py, which takes
        for weights what has "weight" in its name.
    """

    def _steps(
        self, weights: Mapping[str, Tensor], slopes: Mapping[str, Tensor]
    ) -> dict[str, Tensor]:
        assert isinstance(self.settings, ASAMSettings)
        eta = self.settings.eta
        sized = [(slope, weights[name]) for name, slope in slopes.items() if "weight" in name]
        for slope, weight in sized:
            _times_size(slope, weight, eta)
        steps = super()._steps(weights, slopes)
        for slope, weight in sized:
            _times_size(slope, weight, eta)
        return steps


def _times_size(slope: Tensor, weight: Tensor, eta: float) -> None:
    """Multiply a slope by T, some rows at a time: the words' table is too large to be copied."""
    for part, own in zip(torch.split(slope, _ROWS), torch.split(weight, _ROWS), strict=True):
        part.mul_(own.abs().add_(eta))
