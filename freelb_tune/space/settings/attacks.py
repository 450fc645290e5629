"""Settings of the adversaries that perturb the word embeddings, one class each.

Room: space. What each does is a file in `adversary/`.
"""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from freelb_tune.space.settings.adversary_bases import (
    AdversarySettings,
    Ascent,
    Count,
    NonNegative,
    Norm,
    Perturbing,
    Positive,
)

__all__ = [
    "ATTACKS",
    "CreATSettings",
    "FGMSettings",
    "FreeATSettings",
    "FreeLBPlusPlusSettings",
    "FreeLBSettings",
    "PGDSettings",
    "R3FSettings",
    "SMARTSettings",
    "TAVATSettings",
    "VATSettings",
]


class FreeLBSettings(Ascent):
    """FreeLB (Zhu et al., ICLR 2020, arXiv:1909.11764, Algorithm 1)."""

    method: Literal["freelb"] = "freelb"
    plainest = Ascent.climbed


class FreeLBPlusPlusSettings(Ascent):
    """FreeLB++: FreeLB with more steps and no ball (Li et al., EMNLP 2021, arXiv:2108.12777).

    It computes what `freelb` does. Its own are the defaults: ten passes, and the lengths of
    RockyLzy/TextDefender, which takes five.
    """

    method: Literal["freelb++"] = "freelb++"
    adv_steps: Count = 10
    adv_lr: NonNegative = 0.03
    init_mag: NonNegative = 0.05

    def plainest(self) -> FreeLBSettings:
        """FreeLB with the same settings."""
        return FreeLBSettings(**self.model_dump(exclude={"method"})).climbed()


class PGDSettings(Ascent):
    """PGD: `adv_steps` passes, of which only the last trains (the authors' `--std-adv`)."""

    method: Literal["pgd"] = "pgd"
    plainest = Ascent.climbed


class FreeATSettings(Ascent):
    """FreeAT: `adv_steps` passes with an optimizer step each. Takes no gradient accumulation."""

    UPDATES_WEIGHTS: ClassVar[bool] = True

    method: Literal["freeat"] = "freeat"
    plainest = Ascent.climbed


class FGMSettings(Perturbing):
    """One step up the gradient (Miyato et al., ICLR 2017, arXiv:1605.07725).

    Attributes:
        adv_lr: epsilon, the perturbation's l2 norm over all tokens of an example, in embedding
            units.
    """

    norm: ClassVar[Norm] = "l2"

    method: Literal["fgm"] = "fgm"
    adv_lr: NonNegative = 0.1

    @property
    def passes_per_batch(self) -> int:
        """The clean one and the perturbed one."""
        return 2


class SMARTSettings(Perturbing):
    """SMART's smoothness-inducing regulariser (Jiang et al., ACL 2020, arXiv:1911.03437).

    Attributes:
        ascent_steps: steps up the divergence (mt-dnn's `adv_k`). A batch costs three passes more,
            one of them forward only.
        adv_lr: length of one step, in embedding units of `norm` (mt-dnn's `adv_step_size`).
        init_mag: standard deviation of each entry of the starting noise, in embedding units
            (mt-dnn's `noise_var`). 0 is refused: at the clean words the divergence is flat.
        max_norm: radius of the ball around the clean embeddings; None for no ball.
        norm: how an example's perturbation is measured, over all its tokens together.
        adv_weight: what the divergence is multiplied by in the loss (mt-dnn's `adv_alpha`).
        form: the paper's formula, or what mt-dnn's code has in its place: half the gradient of the
            divergence, and shorter steps up small gradients.
    """

    method: Literal["smart"] = "smart"
    ascent_steps: Count = 1
    adv_lr: NonNegative = 1e-3
    init_mag: Positive = 1e-5
    max_norm: Positive | None = None
    norm: Norm = "linf"
    adv_weight: NonNegative = 1.0
    form: Annotated[Literal["paper", "mt-dnn"], Field(exclude_if=lambda form: form == "paper")] = (
        "paper"  # left out of ids, which are older
    )

    @property
    def passes_per_batch(self) -> int:
        """The steps, and the three of the class's docstring."""
        return self.ascent_steps + 3


class R3FSettings(Perturbing):
    """R3F: noise and a symmetric divergence, no ascent (Aghajanyan et al., arXiv:2008.03156).

    Attributes:
        init_mag: size of each entry of the noise, in embedding units: half its range where it is
            uniform, its standard deviation where it is normal (fairseq's `--eps`).
        noise: the noise's distribution (fairseq's `--noise-type`).
        adv_weight: what the divergence is multiplied by in the loss (fairseq's `--r3f-lambda`).
    """

    norm: ClassVar[Norm] = "linf"

    method: Literal["r3f"] = "r3f"
    init_mag: NonNegative = 1e-5
    noise: Literal["uniform", "normal"] = "uniform"
    adv_weight: NonNegative = 1.0

    @property
    def passes_per_batch(self) -> int:
        """The clean one and the one under noise."""
        return 2


class VATSettings(Perturbing):
    """Virtual adversarial training (Miyato et al., ICLR 2017, arXiv:1605.07725).

    Attributes:
        ascent_steps: power iterations (the authors' `num_power_iteration`). A batch costs two
            passes more.
        adv_lr: epsilon, the perturbation's l2 norm over all tokens of an example, in embedding
            units (the authors' `perturb_norm_length`).
        init_mag: l2 norm of the probe whose gradient gives the direction, in embedding units (the
            authors' `small_constant_for_finite_diff`). 0 is refused: there the divergence is flat.
        adv_weight: what the divergence is multiplied by in the loss.
    """

    norm: ClassVar[Norm] = "l2"

    method: Literal["vat"] = "vat"
    ascent_steps: Count = 1
    adv_lr: NonNegative = 0.1
    init_mag: Positive = 0.1
    adv_weight: NonNegative = 1.0

    @property
    def passes_per_batch(self) -> int:
        """The steps, and the two of the class's docstring."""
        return self.ascent_steps + 2


class TAVATSettings(Perturbing):
    """TAVAT, token-aware virtual adversarial training (Li and Qiu, arXiv:2004.14543).

    Attributes:
        adv_steps: K, forward and backward passes per batch (the authors' `adv_steps`).
        adv_lr: length of one step, of an example's and of each token's perturbation, in embedding
            units.
        init_mag: size of the starting noise, and of the words' start out of the vocabulary table,
            l2 over all tokens of an example, in embedding units.
        max_norm: radius of the ball around the clean embeddings; None for no ball.
    """

    norm: ClassVar[Norm] = "l2"

    method: Literal["tavat"] = "tavat"
    adv_steps: Count = 2
    adv_lr: NonNegative = 0.1
    init_mag: NonNegative = 0.1
    max_norm: Positive | None = 0.4


class CreATSettings(Perturbing):
    """CreAT, which deviates the encoder's states (Wu et al., ICLR 2023, arXiv:2305.04557).

    Attributes:
        adv_steps: K, passes per batch: the clean one, K - 2 of the climb and the perturbed one (the
            authors' `adv_steps` + 1).
        adv_lr: length of one step, in embedding units of `norm`.
        init_mag: standard deviation of each entry of the starting noise, in embedding units (the
            authors' `adv_init_var`). 0 is refused: at the clean words the states do not move.
        max_norm: radius of the ball around the clean embeddings; None for no ball.
        norm: how an example's perturbation is measured, over all its tokens together.
        adv_weight: what the cosines are multiplied by in the climb (the authors' `adv_temp`).
    """

    method: Literal["creat"] = "creat"
    adv_steps: Annotated[int, Field(ge=2)] = 3
    adv_lr: NonNegative = 0.1
    init_mag: Positive = 1e-5
    max_norm: Positive | None = 0.1
    norm: Norm = "l2"
    adv_weight: NonNegative = 1.0


ATTACKS: dict[str, type[AdversarySettings]] = {
    "freelb": FreeLBSettings,
    "freelb++": FreeLBPlusPlusSettings,
    "pgd": PGDSettings,
    "freeat": FreeATSettings,
    "fgm": FGMSettings,
    "smart": SMARTSettings,
    "r3f": R3FSettings,
    "vat": VATSettings,
    "tavat": TAVATSettings,
    "creat": CreATSettings,
}
"""Every attack's settings by its name."""
