"""What a pass on packed tokens, and a recorded one, takes for granted of a model.

Room: training. A recording repeats kernels on fixed memory: it knows nothing of weights that moved,
of layers that were frozen or changed, nor of code that somebody hung on to the model since.
"""

from collections.abc import Mapping
from typing import Any

from torch import nn
from torch.nn.modules import module as torch_module

from freelb_tune.training.passes.lookup import parts_of

__all__ = ["standing_of"]

_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


_PLAIN = frozenset((bool, int, float, str))


def standing_of(model: nn.Module) -> int | None:
    """A number that is the same for as long as a recording holds; None where none would.

    None for a model with hooks or parts of somebody else's, which would see packed tokens, with
    layers that run again in backward, with texts that are dropped or layers that are skipped at
    random, and for a compiled one.
    """
    everywhere: Any = torch_module
    config: Any = getattr(model, "config", None)
    skips = any("layerdrop" in name and value for name, value in vars(config).items())
    compiled = hasattr(model, "_orig_mod") or model._compiled_call_impl is not None
    if skips or compiled or everywhere._has_any_global_hook():
        return None
    parts: list[Any] = [_plain_values(vars(config))]
    for part in parts_of(model):
        own = vars(part)
        patched = part is not model and "forward" in own
        odd = patched or own.get("gradient_checkpointing") or "DropPath" in type(part).__name__
        if odd or any(own[name] for name in _HOOKS):
            return None
        parts.append(_plain_values(own))
        parts += [each.data_ptr() for each in own["_buffers"].values() if each is not None]
        for weight in own["_parameters"].values():
            if weight is None:
                continue
            if weight._backward_hooks or weight._post_accumulate_grad_hooks:
                return None
            parts.append((weight.requires_grad, weight.data_ptr()))
    return hash(tuple(parts))


def _plain_values(own: Mapping[str, Any]) -> tuple[Any, ...]:
    """The numbers and words among an object's attributes, and those in its dicts."""
    found = [value for value in own.values() if type(value) in _PLAIN]
    for name, value in own.items():
        if type(value) is dict and name[0] != "_":
            found += [each for each in value.values() if type(each) in _PLAIN]
    return tuple(found)
