"""What passes read of a model and a batch: its words' embeddings, its logits, its real tokens.

Room: training.

Letters: B examples in the mini-batch, b in one micro-batch, T tokens, E embedding width, C classes.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, cast

import torch
from torch import Tensor, nn

from freelb_tune.errors import FreeLBTuneError

__all__ = [
    "OVER_TOKENS",
    "can_be_cut",
    "fixed",
    "input_embeddings",
    "is_checkpointing",
    "logits_of",
    "parts_of",
    "real_tokens",
    "rows_of",
    "rows_of_input",
    "same_ids",
    "starts_with_words",
    "states_seen",
    "token_lengths",
    "unused",
    "word_count",
]

OVER_TOKENS = frozenset(("input_ids", "attention_mask", "token_type_ids", "position_ids"))
"""Inputs with one entry for each token, `(B, T)`, which may be cut with their examples."""


def can_be_cut(model: nn.Module, inputs: Mapping[str, Any]) -> bool:
    """Whether a batch may be cut by length, and its words be looked up once for all passes.

    Not where an input has another shape than one entry per token, nor where somebody's hooks act
    on the embeddings: they are to act in each pass.
    """
    module = input_embeddings(model)
    handles = getattr(model, "_require_grads_hooks", ())  # checkpointing's: changes no number
    hooks = [
        *(module._forward_hooks.keys() - {handle.id for handle in handles}),
        *module._forward_pre_hooks,
        *module._backward_hooks,
        *module._backward_pre_hooks,
    ]
    shape = inputs["input_ids"].shape
    return not hooks and all(
        name in OVER_TOKENS and (not isinstance(value, Tensor) or value.shape == shape)
        for name, value in inputs.items()
    )


def input_embeddings(model: nn.Module) -> nn.Module:
    """The module that turns token ids into word embeddings.

    Raises:
        FreeLBTuneError: the model has none, or has a decoder that reads the same one.
    """
    config = getattr(model, "config", None)
    if getattr(config, "is_encoder_decoder", False):
        raise FreeLBTuneError(
            f"{type(model).__name__} has a decoder; adversaries need an encoder-only classifier"
        )
    try:
        module = cast(Any, model).get_input_embeddings()
    except (AttributeError, NotImplementedError):
        module = None
    if not isinstance(module, nn.Module):
        raise FreeLBTuneError(
            f"{type(model).__name__} has no input embeddings to perturb; "
            "adversaries need a classifier that reads get_input_embeddings()"
        )
    return module


def logits_of(output: Any) -> Tensor:
    """The logits `(b, C)` of what a classifier returned."""
    logits: Tensor = output["logits"] if isinstance(output, Mapping) else output[0]
    return logits


def unused(model: nn.Module) -> FreeLBTuneError:
    """What to raise where a model's logits do not come from its tokens' embeddings."""
    return FreeLBTuneError(
        f"{type(model).__name__} computed its logits without looking up the batch's tokens in its "
        "input embeddings; adversaries need a classifier that reads get_input_embeddings()"
    )


def real_tokens(model: nn.Module, inputs: Mapping[str, Tensor]) -> Tensor:
    """1 for a real token and 0 for padding, `(B, T)`.

    Without a mask, which a model such as FNet takes none of, what is not the config's padding.
    """
    mask = inputs.get("attention_mask")
    if mask is not None:
        return mask
    pad = getattr(getattr(model, "config", None), "pad_token_id", None)
    ids = inputs["input_ids"]
    return ids.ne(pad).long() if isinstance(pad, int) else torch.ones_like(ids)


def starts_with_words(model: nn.Module, inputs: Mapping[str, Tensor]) -> bool:
    """Whether each example's first token is real: a head may read the first, whatever it is.

    To look is to wait for the device.
    """
    return bool(real_tokens(model, inputs)[:, 0].ne(0).all())


def same_ids(looked_up: Any, ids: Tensor) -> bool:
    """Whether a model looks up these very ids; the same memory is not read, nor waited for."""
    if not isinstance(looked_up, Tensor) or looked_up.shape != ids.shape:
        return False
    if looked_up.data_ptr() == ids.data_ptr() and looked_up.stride() == ids.stride():
        return True
    return torch.equal(looked_up, ids)


def token_lengths(mask: Tensor) -> list[int]:
    """Each example's number of positions up to its last real token, from `(B, T)`.

    With padding on the left nothing can be trimmed on the right, and every length is T.
    """
    places = torch.arange(1, mask.shape[1] + 1, device=mask.device)
    lengths: list[int] = (mask.ne(0) * places).amax(1).clamp_min(1).tolist()
    return lengths


def is_checkpointing(model: nn.Module) -> bool:
    """Whether layers run again in backward, to save memory."""
    return any(getattr(part, "gradient_checkpointing", False) for part in parts_of(model))


def parts_of(model: nn.Module) -> list[nn.Module]:
    """A model's modules, itself first: `modules()` at a third of its price, in another order."""
    found, seen = [model], {id(model)}
    for part in found:
        for child in part._modules.values():
            if child is not None and id(child) not in seen:
                seen.add(id(child))
                found.append(child)
    return found


def rows_of_input(value: Any, rows: Tensor, count: int) -> Any:
    """Rows of an input that has one entry for each of `count` examples; anything else as it is."""
    if not isinstance(value, Tensor) or value.ndim == 0 or len(value) != count:
        return value
    return value[rows.to(value.device)]


def rows_of(targets: Any, rows: Tensor) -> Any:
    """A micro-batch's rows of targets, of which there may be several."""
    if isinstance(targets, tuple):
        return tuple(each[rows] for each in targets)
    return targets[rows]


@contextmanager
def states_seen(model: nn.Module, wanted: bool) -> Iterator[list[Tensor]]:
    """Note the last states `(b, t, H)` that a classifier's encoder gives while it is open.

    Raises:
        FreeLBTuneError: it has no encoder by itself.
    """
    seen: list[Tensor] = []
    if not wanted:
        yield seen
        return
    whole: Any = getattr(model, "get_base_model", lambda: model)()  # of an adapted one
    encoder = getattr(whole, getattr(whole, "base_model_prefix", "") or "?", None)
    if not isinstance(encoder, nn.Module):
        raise FreeLBTuneError(
            f"{type(model).__name__} has no encoder whose states could be read; take a method "
            "other than creat"
        )

    def note(module: nn.Module, args: Any, output: Any) -> None:
        seen.append(output[0] if isinstance(output, tuple) else output.last_hidden_state)

    handle = encoder.register_forward_hook(note)
    try:
        yield seen
    finally:
        handle.remove()


def word_count(module: Any) -> int:
    """How many words a module of embeddings knows; 0 where it has no such table."""
    weight = getattr(module, "weight", None)
    return int(weight.shape[0]) if isinstance(weight, Tensor) else 0


@contextmanager
def fixed(model: nn.Module) -> Iterator[None]:
    """Keep backward away from the parameters.

    Unlike `torch.autograd.grad` it goes with reentrant checkpointing, and with layers that add to
    `.grad` themselves.
    """
    moving = [p for p in model.parameters() if p.requires_grad]
    for parameter in moving:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in moving:
            parameter.requires_grad_(True)
