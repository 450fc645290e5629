"""A model of the same kind as another with few and narrow layers: quick to build and to look at.

Room: training. Which path a model may take depends on its class and its config's switches, not on
how many or how wide its layers are, nor on its weights.
"""

import copy
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn

from freelb_tune.training.inputs.model_config import UNBUILT, short

__all__ = ["SMALL", "Unbuilt", "small_models"]

Build = Callable[[Any], nn.Module]

SMALL = 30_000_000
"""Most weights of a model that is looked at; in double precision they take a quarter of a GB."""

_WIDTH, _EMBEDDING, _HEADS, _INNER, _WORDS, _PLACES = 32, 16, 4, 64, 101, 512
_WIDTHS = ("hidden_size", "d_model", "n_embd", "dim", "emb_dim", "embed_dim")
_SIZES = {
    **dict.fromkeys(("intermediate_size", "d_inner", "hidden_dim", "n_inner", "d_ff"), _INNER),
    **dict.fromkeys(("num_attention_heads", "n_head", "n_heads", "num_heads"), _HEADS),
    **dict.fromkeys(("num_key_value_heads", "multi_query_groups"), _HEADS),
    **dict.fromkeys(("head_dim", "d_head", "kv_channels", "d_kv"), _WIDTH // _HEADS),
    **dict.fromkeys(("max_position_embeddings", "n_positions", "max_seq_len"), _PLACES),
    **dict.fromkeys(("moe_intermediate_size", "shared_expert_intermediate_size"), _INNER),
    **dict.fromkeys(("num_experts", "num_local_experts", "n_routed_experts"), _HEADS),
    **dict.fromkeys(("num_experts_per_tok", "num_experts_per_token", "experts_per_token"), 2),
    "rotary_dim": _WIDTH // _HEADS,
}
_LAYERS = ("num_hidden_layers", "n_layer", "n_layers", "num_layers", "encoder_layers")
_SPECIAL = {"pad": 0, "bos": 1, "cls": 1, "eos": 2, "sep": 2}


class Unbuilt(Exception):
    """No model can be made of a config, as the message says."""


def small_models(build: Build, config: Any) -> Iterator[tuple[nn.Module, bool]]:
    """The model of a config in float32: narrow, then with its own widths, then as it is.

    A shape that is too large or that repeats the one before is left out, and so is a narrow one
    that cannot be built: its sizes may not go together. Global generators move.

    Yields:
        A model, and whether its sizes are ours.

    Raises:
        Unbuilt: what is no larger than `SMALL` cannot be built as the config has it.
    """
    shallow = _shallow(config)
    shapes = [_narrow(shallow), shallow, config]
    for place, shape in enumerate(shapes):
        if place and shape.to_dict() == shapes[place - 1].to_dict():
            continue
        ours = shape.to_dict() != config.to_dict()
        try:
            if _weights(build, shape) > SMALL:
                continue
            yield build(copy.deepcopy(shape)), ours
        except UNBUILT as err:
            if not ours:
                raise Unbuilt(short(err)) from err


def _weights(build: Build, config: Any) -> int:
    with torch.device("meta"):
        return sum(weight.numel() for weight in build(copy.deepcopy(config)).parameters())


def _shallow(config: Any) -> Any:
    """Two layers and a hundred words, with the widths that they have."""
    found = copy.deepcopy(config)
    for own in _configs(found):
        layers = {name: value for name, value in vars(own).items() if name in _LAYERS}
        depths = {value for value in layers.values() if isinstance(value, int) and value > 2}
        for name, value in list(vars(own).items()):
            if name in layers and value in depths:
                setattr(own, name, 2)
            elif isinstance(value, list) and len(value) in depths:
                setattr(own, name, value[:2])  # such as layer_types
        _cut_words(own)
        for name in ("quantization_config",):
            vars(own).pop(name, None)
    return found


def _cut_words(own: Any) -> None:
    for name, value in list(vars(own).items()):
        if not isinstance(value, int) or value < _WORDS:
            continue
        if name.endswith("vocab_size"):
            setattr(own, name, _WORDS)
        elif name.endswith("_token_id"):
            setattr(own, name, _SPECIAL.get(name.removesuffix("_token_id"), 3))


def _narrow(config: Any) -> Any:
    """Widths, heads and inner sizes made small, where they are large; equal ones stay equal."""
    found = copy.deepcopy(config)
    for own in _configs(found):
        sizes = vars(own)
        width = max((n for n in map(sizes.get, _WIDTHS) if isinstance(n, int)), default=0)
        if width <= 2 * _WIDTH:
            continue
        for name, size in list(sizes.items()):
            if name in _WIDTHS or (size == width and name.endswith(("_size", "_dim"))):
                setattr(own, name, _WIDTH)
            elif name == "embedding_size" and isinstance(size, int):
                own.embedding_size = _EMBEDDING
            elif name == "attention_window":
                own.attention_window = 8 if isinstance(size, int) else [8] * len(size)
        for name, limit in _SIZES.items():
            if isinstance(size := sizes.get(name), int) and not isinstance(size, bool):
                setattr(own, name, min(size, limit))
    return found


def _configs(config: Any) -> Iterator[Any]:
    """A config and the ones inside it, such as `text_config`."""
    yield config
    for value in list(vars(config).values()):
        if hasattr(value, "model_type") and hasattr(value, "to_dict"):
            yield from _configs(value)
