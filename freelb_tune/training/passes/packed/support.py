"""Which models the padding-free path knows, and the packing of one.

Room: training. A model is taken only if every part of it is what the path was written for; any
other model is left to the general path.
"""

from typing import Any

import torch
from torch import nn
from torch.nn.modules import module as torch_module

from freelb_tune.training.passes.lookup import is_checkpointing
from freelb_tune.training.passes.packed.encoder import PackedEncoder

__all__ = ["pack"]

_FAMILIES = {
    "bert": "Bert",
    "roberta": "Roberta",
    "xlm-roberta": "XLMRoberta",
    "electra": "Electra",
}
_HOOKS = (
    "_forward_hooks",
    "_forward_pre_hooks",
    "_backward_hooks",
    "_backward_pre_hooks",
)
_STANDARD_LAYERS = (nn.Linear, nn.Embedding, nn.LayerNorm, nn.Dropout)


def pack(model: Any) -> PackedEncoder | None:
    """Give a model's padding-free form as the model stands now, or None where it has none.

    Supported: the sequence classifiers of BERT, RoBERTa, XLM-RoBERTa and ELECTRA as transformers
    defines them, with gelu or relu and eager or sdpa attention. None for a subclass, a wrapper, a
    decoder, gradient checkpointing, adapters, quantised layers, autocast, a `forward` that was
    replaced, and hooks on a module or on a parameter: what they do would be left out.
    """
    supported = (
        _is_known(model)
        and _has_standard_config(model)
        and _has_standard_parts(model)
        and not _is_watched(model)
    )
    return PackedEncoder(model) if supported else None


def _is_known(model: Any) -> bool:
    kind = str(getattr(getattr(model, "config", None), "model_type", ""))
    name = f"{_FAMILIES.get(kind, '')}ForSequenceClassification"
    package = f"transformers.models.{kind.replace('-', '_')}."
    return type(model).__name__ == name and type(model).__module__.startswith(package)


def _has_standard_config(model: Any) -> bool:
    config = model.config
    return (
        all(_has_known_activation(layer) for layer in model.base_model.encoder.layer)
        and getattr(config, "position_embedding_type", "absolute") == "absolute"
        and not config.is_decoder
        and not config.add_cross_attention
        and config._attn_implementation in ("eager", "sdpa")
        and config.num_hidden_layers > 0
        and not (config.output_hidden_states or config.output_attentions)
        and not is_checkpointing(model)
    )


def _has_known_activation(layer: Any) -> bool:
    """Whether its derivative is written out: `gelu` in its exact form, and `relu`."""
    kind = type(layer.intermediate.intermediate_act_fn)
    return kind is nn.ReLU or (kind.__name__, kind.__module__) == (
        "GELUActivation",
        "transformers.activations",
    )


def _has_standard_parts(model: Any) -> bool:
    family = type(model).__module__
    for module in model.modules():
        kind = type(module)
        ours = kind in _STANDARD_LAYERS or kind.__module__.startswith(
            (family, "torch.nn.modules.activation", "torch.nn.modules.container")
        )
        if not (ours or kind.__module__ == "transformers.activations"):
            return False
        if "forward" in vars(module) or any(getattr(module, name) for name in _HOOKS):
            return False
        if not kind.forward.__module__.startswith(("torch.nn.", "transformers.")):
            return False
        if isinstance(module, nn.Embedding) and (
            module.max_norm is not None or module.scale_grad_by_freq or module.sparse
        ):
            return False
        if isinstance(module, nn.Dropout) and module.p >= 1:
            return False
        if isinstance(module, nn.Linear) and module.bias is None:
            return False
    return True


def _is_watched(model: Any) -> bool:
    """Whether somebody else's code takes part in each pass."""
    hooked = any(p._backward_hooks or p._post_accumulate_grad_hooks for p in model.parameters())
    kind = model.device.type
    everywhere: Any = torch_module
    return hooked or everywhere._has_any_global_hook() or torch.is_autocast_enabled(kind)
