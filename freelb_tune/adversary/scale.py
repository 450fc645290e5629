"""Lengths in units of a model's own embeddings, turned into embedding units.

Room: adversary. A perturbation of 0.1 is small beside one encoder's words and large beside
another's; relative to their mean norm, a setting carries over.
"""

from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from freelb_tune.errors import FreeLBTuneError
from freelb_tune.space.settings.adversaries import AdversarySettings, Perturbing

__all__ = ["absolute", "embedding_norm"]

Settings = TypeVar("Settings", bound=AdversarySettings)


def embedding_norm(embeddings: nn.Module, norm: str = "l2") -> float | None:
    """The mean norm of a vocabulary's word embeddings, the padding token's left out.

    Args:
        embeddings: what turns token ids into embeddings, with a `weight` `(V, E)`.
        norm: `l2`, or `linf` for the largest entry's size.

    Returns:
        The mean over the vocabulary, in embedding units; None if there is no such `weight`.
    """
    weight: Any = getattr(embeddings, "weight", None)
    if not isinstance(weight, Tensor) or weight.ndim != 2 or not weight.is_floating_point():
        return None
    order = float("inf") if norm == "linf" else 2.0
    with torch.no_grad():
        sizes = torch.linalg.vector_norm(weight.float(), ord=order, dim=1)
        padding = getattr(embeddings, "padding_idx", None)
        if padding is not None:
            sizes = torch.cat([sizes[:padding], sizes[padding + 1 :]])
        return float(sizes.mean(dtype=torch.float64))


def absolute(settings: Settings, unit: float | None) -> Settings:
    """The same settings with every length in embedding units.

    Args:
        settings: of any method; returned as they are unless `relative`.
        unit: `embedding_norm` of the model.

    Raises:
        FreeLBTuneError: the lengths are relative and there is nothing to measure them by.
    """
    if not isinstance(settings, Perturbing) or not settings.relative:
        return settings
    if not unit:
        raise FreeLBTuneError(
            f"adversary.relative: the model's word embeddings have the mean norm {unit}, which "
            "cannot be a unit; write relative: false and give lengths in embedding units"
        )
    return settings.times(unit).model_copy(update={"relative": False})
