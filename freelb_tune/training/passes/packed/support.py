"""Which models the padding-free path knows, and the packing of one.

Room: training. A model is taken only if every part of it is what the path was written for; any
other model is left to the general path.
"""

from typing import Any

from torch import nn

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
    """Give a model's padding-free form, or None where it is not supported.

    Supported: the sequence classifiers of BERT, RoBERTa, XLM-RoBERTa and ELECTRA as transformers
    defines them, with gelu or relu and eager or sdpa attention. None for a subclass, a decoder,
    gradient checkpointing, adapters, quantised layers, and hooks on a module (but for the input
    embeddings', which perturbations use) or on a parameter.
    """
    supported = _is_known(model) and _has_standard_config(model) and _has_standard_parts(model)
    return PackedEncoder(model) if supported else None


def _is_known(model: Any) -> bool:
    kind = str(getattr(getattr(model, "config", None), "model_type", ""))
    name = f"{_FAMILIES.get(kind, '')}ForSequenceClassification"
    package = f"transformers.models.{kind.replace('-', '_')}."
    return type(model).__name__ == name and type(model).__module__.startswith(package)


def _has_standard_config(model: Any) -> bool:
    config = model.config
    return (
        config.hidden_act in ("gelu", "relu")
        and getattr(config, "position_embedding_type", "absolute") == "absolute"
        and not config.is_decoder
        and not config.add_cross_attention
        and config._attn_implementation in ("eager", "sdpa")
        and config.num_hidden_layers > 0
        and not any(getattr(part, "gradient_checkpointing", False) for part in model.modules())
    )


def _has_standard_parts(model: Any) -> bool:
    family = type(model).__module__
    embeddings = model.get_input_embeddings()
    for module in model.modules():
        kind = type(module)
        ours = kind in _STANDARD_LAYERS or kind.__module__.startswith(
            (family, "torch.nn.modules.activation", "torch.nn.modules.container")
        )
        if not (ours or kind.__module__ == "transformers.activations"):
            return False
        if module is not embeddings and any(getattr(module, name) for name in _HOOKS):
            return False
        if isinstance(module, nn.Embedding) and (
            module.max_norm is not None or module.scale_grad_by_freq or module.sparse
        ):
            return False
        if isinstance(module, nn.Dropout) and module.p >= 1:
            return False
        if isinstance(module, nn.Linear) and module.bias is None:
            return False
    return not any(p._backward_hooks or p._post_accumulate_grad_hooks for p in model.parameters())
