"""What adversaries' settings have in common: each base adds what a family of methods shares.

Room: space.
"""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

__all__ = [
    "AdversarySettings",
    "Ascent",
    "Count",
    "NonNegative",
    "Norm",
    "Perturbing",
    "Positive",
    "Scheduled",
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
    """

    # built when first read: a space uses one or two of them, and there are over fifty like it
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, defer_build=True)

    UPDATES_WEIGHTS: ClassVar[bool] = False

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
