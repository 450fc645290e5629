"""How many tokens and words a model has rows for: asked of itself, built without memory.

Room: training.
"""

from typing import Any

from freelb_tune.training.inputs.model_config import UNBUILT, own_config
from freelb_tune.training.inputs.source import ModelSource

__all__ = ["bare_model", "position_room", "room_of", "word_rows"]

_TABLES = ("position_embeddings", "position_embedding", "embed_positions", "positions_embed", "wpe")


def position_room(source: ModelSource) -> int | None:
    """The most tokens that a model takes; None where it has no table of positions.

    A table may have rows that no token gets (RoBERTa's first two).
    """
    return room_of(bare_model(source))


def room_of(model: Any) -> int | None:
    """The same of a model at hand; None is no model."""
    rooms = [
        int(each.weight.shape[0]) - (0 if each.padding_idx is None else each.padding_idx + 1)
        for name, each in (() if model is None else model.named_modules())
        if name.rpartition(".")[2] in _TABLES and hasattr(each, "padding_idx")
        if "vision" not in name  # whose patches have places of their own
    ]
    said = getattr(getattr(model, "config", None), "max_position_embeddings", None)
    if rooms and isinstance(said, int):
        rooms.append(said)
    return min(rooms, default=None)


def word_rows(source: ModelSource) -> int | None:
    """How many words a model has embeddings for; None where it cannot be asked."""
    try:
        weight = getattr(bare_model(source).get_input_embeddings(), "weight", None)
    except (AttributeError, NotImplementedError):
        return None
    return None if weight is None else int(weight.shape[0])


def bare_model(source: ModelSource) -> Any:
    """The model without weights; None where it cannot be built, which building it will tell."""
    import torch
    from transformers import AutoModelForSequenceClassification, logging

    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()  # tokens that the type has and a small vocabulary has not
    try:
        with torch.device("meta"):
            return AutoModelForSequenceClassification.from_config(
                own_config(source), trust_remote_code=source.trust_remote_code
            )
    except UNBUILT:
        return None
    finally:
        logging.set_verbosity(verbosity)
