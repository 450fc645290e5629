"""What a user may say about an adversary: one settings class per method, checked at the door.

Room: space. Text and numbers only, no torch. The methods themselves live in `adversary/`.
"""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

__all__ = [
    "ADVERSARIES",
    "DEFAULT_METHOD",
    "ASAMSettings",
    "AdversarySettings",
    "Ascent",
    "CreATSettings",
    "FGMSettings",
    "FreeATSettings",
    "FreeLBSettings",
    "NoiseSettings",
    "NoneSettings",
    "PGDSettings",
    "Perturbing",
    "R3FSettings",
    "RDropSettings",
    "RepeatSettings",
    "SAMSettings",
    "SMARTSettings",
    "Scheduled",
    "TAVATSettings",
    "VATSettings",
]

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]
Norm = Literal["l2", "linf"]


class AdversarySettings(BaseModel):
    """Base of every method's settings: frozen, and a misspelt name is an error.

    Attributes:
        method: the method's name, as written in the search space.
        UPDATES_WEIGHTS: whether the method lets the optimizer step between its passes, which
            leaves no room for gradient accumulation.
        READS_STATES: whether it asks for the encoder's states, which the path without padding
            does not have.
    """

    # built when first read: a space uses one or two of them, and there are over fifty like it
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, defer_build=True)

    UPDATES_WEIGHTS: ClassVar[bool] = False
    READS_STATES: ClassVar[bool] = False

    method: str

    @property
    def passes_per_batch(self) -> int | None:
        """Forward and backward passes of a mini-batch, to say beforehand what a search costs.

        `adv_steps`, where a method has it; None where nothing is known.
        """
        steps = getattr(self, "adv_steps", None)
        return steps if isinstance(steps, int) else None

    def plainest(self) -> "AdversarySettings":
        """Settings that provably train the same to the last bit, what cannot matter put away.

        Each method's own to say (`twins.py`): a subclass may read what its base ignores.
        """
        return self


class NoneSettings(AdversarySettings):
    """The clean arm of every search: one clean pass per batch."""

    method: Literal["none"] = "none"

    @property
    def passes_per_batch(self) -> int:
        """The clean one."""
        return 1


class RepeatSettings(AdversarySettings):
    """Clean passes with other dropout masks each, averaged: the control for compute.

    Attributes:
        adv_steps: K, forward and backward passes per batch.
    """

    method: Literal["repeat"] = "repeat"
    adv_steps: Count = 3

    def plainest(self) -> AdversarySettings:
        """One pass of it is the clean arm's."""
        return NoneSettings() if self.adv_steps == 1 else self


class Scheduled(AdversarySettings):
    """Settings shared by every method with a length that may begin late and grow.

    Attributes:
        adv_begin_step: the weight update, counted from 0, at which the perturbation begins.
            Updates before it are clean, with one pass.
        adv_warmup_steps: W, weight updates over which the perturbation then grows: in the n-th of
            them, counted from 1, every length is n / (W + 1) of what is set.
        LENGTHS: the settings that are lengths; a method that calls its own otherwise lists them.
    """

    LENGTHS: ClassVar[tuple[str, ...]] = ("adv_lr", "init_mag", "max_norm")

    adv_begin_step: Annotated[int, Field(ge=0)] = 0
    adv_warmup_steps: Annotated[int, Field(ge=0)] = 0

    def times(self, factor: float) -> Self:
        """The same settings with every length multiplied; None stays None."""
        lengths = {
            name: getattr(self, name) for name in self.LENGTHS if name in type(self).model_fields
        }
        changed = {name: value * factor for name, value in lengths.items() if value is not None}
        return self.model_copy(update=changed)


class Perturbing(Scheduled):
    """Settings shared by every method that perturbs the word embeddings.

    Attributes:
        relative: whether lengths are given in units of the mean norm of the model's word
            embeddings (as pretrained, in the same norm) instead of embedding units.
    """

    relative: bool = False


class Ascent(Perturbing):
    """Settings shared by the methods that climb the loss by steps from a random start.

    Attributes:
        adv_steps: K, forward and backward passes per batch (the paper's K). With 1 the
            perturbation is the starting noise, and `adv_lr` and `max_norm` do nothing.
        adv_lr: alpha, length of one ascent step, in embedding units of `norm`.
        init_mag: size of the starting noise, in embedding units of `norm`. Under l2 the uniform
            noise is divided by sqrt(real tokens x embedding width), so an example's norm never
            exceeds `init_mag`. 0.0 starts clean.
        max_norm: epsilon, radius of the ball around the clean embeddings; None for no ball.
            (The authors' script writes 0 for none; here 0 is refused.)
        norm: how an example's perturbation is measured, over all its tokens together.
    """

    adv_steps: Count = 3
    adv_lr: NonNegative = 0.1
    init_mag: NonNegative = 0.1
    max_norm: Positive | None = None
    norm: Norm = "l2"

    def climbed(self) -> Self:
        """`plainest` of the methods that climb as FreeLB does: K - 1 steps from the start.

        A ball that is a twentieth beyond their reach is beyond it in half precision too; a
        projection then multiplies by 1. Schedules and `relative` multiply all lengths alike.
        """
        if self.adv_steps == 1:
            return self.model_copy(update={"adv_lr": 0.0, "max_norm": None})
        reach = self.init_mag + (self.adv_steps - 1) * self.adv_lr
        is_far = self.max_norm is not None and self.max_norm >= 1.05 * reach
        return self.model_copy(update={"max_norm": None}) if is_far else self


class FreeLBSettings(Ascent):
    """FreeLB (Zhu et al., ICLR 2020, arXiv:1909.11764, Algorithm 1)."""

    method: Literal["freelb"] = "freelb"
    plainest = Ascent.climbed


class PGDSettings(Ascent):
    """PGD: `adv_steps` passes, of which only the last trains (the authors' `--std-adv`)."""

    method: Literal["pgd"] = "pgd"
    plainest = Ascent.climbed


class FreeATSettings(Ascent):
    """FreeAT: `adv_steps` passes with an optimizer step each. Takes no gradient accumulation."""

    UPDATES_WEIGHTS: ClassVar[bool] = True

    method: Literal["freeat"] = "freeat"
    plainest = Ascent.climbed


class NoiseSettings(Ascent):
    """FreeLB's passes and lengths along a random direction: the control for the gradient.

    Attributes:
        adv_lr: length of one step along the random direction, in embedding units of `norm`.
    """

    method: Literal["noise"] = "noise"
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

    READS_STATES: ClassVar[bool] = True

    method: Literal["creat"] = "creat"
    adv_steps: Annotated[int, Field(ge=2)] = 3
    adv_lr: NonNegative = 0.1
    init_mag: Positive = 1e-5
    max_norm: Positive | None = 0.1
    norm: Norm = "l2"
    adv_weight: NonNegative = 1.0


class RDropSettings(AdversarySettings):
    """R-Drop: two dropout masks, and how far they move the prediction (arXiv:2106.14448).

    A control: nothing is perturbed.

    Attributes:
        adv_weight: what the divergence is multiplied by (the paper's alpha, the authors'
            `--reg-alpha`; theirs for GLUE are 0.1, 0.5 and 1).
    """

    method: Literal["rdrop"] = "rdrop"
    adv_weight: NonNegative = 1.0

    @property
    def passes_per_batch(self) -> int:
        """One with each mask."""
        return 2


class SAMSettings(Scheduled):
    """SAM: the gradient from where the loss is highest around the weights (arXiv:2010.01412).

    A control: weights are perturbed, not words. For language models: Bahri et al.,
    arXiv:2110.08529.

    Attributes:
        rho: length of the step in the weights, l2 over all that are trained.
    """

    LENGTHS: ClassVar[tuple[str, ...]] = ("rho",)

    method: Literal["sam"] = "sam"
    rho: NonNegative = 0.05

    @property
    def passes_per_batch(self) -> int:
        """One to find the place, one to train from there."""
        return 2


class ASAMSettings(Scheduled):
    """ASAM: SAM with a step in proportion to each weight (Kwon et al., arXiv:2102.11600).

    Attributes:
        rho: length of the step, in units of the weights' own sizes.
        eta: added to each weight's size, so that one of zero can move.
    """

    LENGTHS: ClassVar[tuple[str, ...]] = ("rho",)

    method: Literal["asam"] = "asam"
    rho: NonNegative = 0.5
    eta: NonNegative = 0.01

    @property
    def passes_per_batch(self) -> int:
        """One to find the place, one to train from there."""
        return 2


ADVERSARIES: dict[str, type[AdversarySettings]] = {
    "none": NoneSettings,
    "freelb": FreeLBSettings,
    "pgd": PGDSettings,
    "freeat": FreeATSettings,
    "fgm": FGMSettings,
    "smart": SMARTSettings,
    "r3f": R3FSettings,
    "vat": VATSettings,
    "noise": NoiseSettings,
    "repeat": RepeatSettings,
    "tavat": TAVATSettings,
    "creat": CreATSettings,
    "rdrop": RDropSettings,
    "sam": SAMSettings,
    "asam": ASAMSettings,
}
"""Every method's settings by name: what `adversary.method` may say. Plugins add theirs."""

DEFAULT_METHOD = "freelb"
"""What a space has that does not say `adversary.method`."""

PLUGINS: dict[str, str] = {}
"""Fingerprint of the code of each method that a plugin added: a part of its cells' ids."""
