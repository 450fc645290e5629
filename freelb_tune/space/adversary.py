"""What a user may say about an adversary: one settings class per method, checked at the door.

Room: space. Text and numbers only, no torch. The methods themselves live in `adversary/`.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["ADVERSARIES", "AdversarySettings", "Ascent", "FreeLBSettings", "NoneSettings"]

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class AdversarySettings(BaseModel):
    """Base of every method's settings: frozen, and a misspelt name is an error.

    Attributes:
        method: the method's name, as written in the search space.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    method: str


class NoneSettings(AdversarySettings):
    """Normal training: one clean pass per batch. The clean arm of every search."""

    method: Literal["none"] = "none"


class Ascent(AdversarySettings):
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

    adv_steps: Annotated[int, Field(ge=1)] = 3
    adv_lr: NonNegative = 0.1
    init_mag: NonNegative = 0.1
    max_norm: Positive | None = None
    norm: Literal["l2", "linf"] = "l2"


class FreeLBSettings(Ascent):
    """FreeLB (Zhu et al., ICLR 2020, arXiv:1909.11764, Algorithm 1)."""

    method: Literal["freelb"] = "freelb"


ADVERSARIES: dict[str, type[AdversarySettings]] = {"none": NoneSettings, "freelb": FreeLBSettings}
"""Every method's settings by name: what `adversary.method` may say."""
