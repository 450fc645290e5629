"""TAVAT: FreeLB with a perturbation of each token beside the example's, kept by word."""

import torch
from torch import Tensor

from freelb_tune.adversary.delta import SMALLEST_NORM, ascend, init_delta, lengths
from freelb_tune.adversary.passes import Outcome, Passes
from freelb_tune.space.settings.adversaries import Ascent, TAVATSettings

__all__ = ["TAVAT"]

TABLE = "vocabulary"


class TAVAT:
    """Token-aware virtual adversarial training.

    With V a table of one vector per word, drawn once from U(-1, 1) / sqrt(E), w_i the i-th token,
    d an example's perturbation as FreeLB's, h_i the token's own, and g the gradient of the mean
    loss L by the words at x + d + h:

        d ~ U(-1, 1) * init_mag / sqrt(n E),  h = init_mag * V[w] / ||V[w]||
        d <- d + adv_lr * g / ||g||,  h_i <- h_i + adv_lr * g_i / ||g_i||
        h_i <- h_i * ||h_i|| / max over j ||h_j||
        d, h <- both scaled so that ||d + h|| is at most max_norm
        parameter gradient = 1/K sum of dL/dtheta over the K passes
        V[w_i] <- V[w_i] + h_i  once, after the last pass

    Cost: K passes. The table takes V x E numbers, and is a part of a checkpoint.

    Reference:
        Li and Qiu, "TAVAT: Token-Aware Virtual Adversarial Training for Language Understanding",
        AAAI 2021, arXiv:2004.14543, Algorithm 1; LinyangLee/Token-Aware-VAT, token_vat.py. There
        the rows of V that a batch reads are divided by their norm over the whole batch, padding
        with it, so that an example's perturbation depends on its company, and has a length of its
        own beside `init_mag`; here by the example's, and times `init_mag`. There padding is
        perturbed as a word, and the losses of the passes are summed, not averaged. As in that
        code the table adds up what comes (the paper writes the last over it), as it is read by
        direction alone.
    """

    def __init__(self, settings: TAVATSettings) -> None:
        self.settings = settings
        self.memory: dict[str, Tensor] = {}
        self._steps = Ascent(method="tavat", adv_lr=settings.adv_lr)

    def __call__(self, passes: Passes) -> Outcome:
        s, k, mask = self.settings, self.settings.adv_steps, passes.mask
        table = self._table(passes)
        example = init_delta(mask, passes.width, s, passes.generator)
        token = table[passes.ids].to(mask) * mask.unsqueeze(-1)
        token = token * (s.init_mag / lengths(token, "l2").clamp_min(SMALLEST_NORM))[:, None, None]
        total = torch.zeros(len(mask), device=mask.device)
        for step in range(k):
            last = step == k - 1
            result = passes.run(example + token, scale=1 / k, ascend=not last)
            total = total + result.losses
            if not last:
                example = ascend(example, result.slope, self._steps)
                token = self._climb(token, result.slope)
                example, token = self._within(example, token)
        real = mask.ne(0)
        table.index_put_((passes.ids[real],), token[real].to(table), accumulate=True)
        return Outcome(total / k, result.losses, delta=example + token, passes=k)

    def _table(self, passes: Passes) -> Tensor:
        """One vector per word, drawn when the first mini-batch is met."""
        if TABLE not in self.memory:
            drawn = torch.Generator().manual_seed(passes.generator.initial_seed())
            table = torch.empty(passes.words, passes.width).uniform_(-1, 1, generator=drawn)
            self.memory[TABLE] = table / passes.width**0.5
        self.memory[TABLE] = self.memory[TABLE].to(passes.mask.device)
        return self.memory[TABLE]

    def _climb(self, token: Tensor, slope: Tensor) -> Tensor:
        """A step of each token by itself; the longer a token's perturbation, the more is kept."""
        sizes = torch.linalg.vector_norm(slope, dim=-1, keepdim=True)
        moved = token + self.settings.adv_lr * slope / sizes.clamp_min(SMALLEST_NORM)
        own = torch.linalg.vector_norm(moved, dim=-1, keepdim=True)
        share = own / own.amax(1, keepdim=True).clamp_min(SMALLEST_NORM)
        kept: Tensor = moved * share
        return kept

    def _within(self, example: Tensor, token: Tensor) -> tuple[Tensor, Tensor]:
        ball = self.settings.max_norm
        if ball is None:
            return example, token
        length = lengths(example + token, "l2").clamp_min(SMALLEST_NORM)
        share = (ball / length).clamp_max(1.0)[:, None, None]
        return example * share, token * share
