"""What a model's config may say: alone, in a folder, and laid over pretrained weights.

Room: training. The driver asks before a search; transformers' model classes, which take seconds
to import, are loaded only where a config is laid over weights.
"""

import copy
from typing import Any

from huggingface_hub.errors import StrictDataclassError

from freelb_tune.errors import FreeLBTuneError, unknown_name
from freelb_tune.training.inputs.source import ModelSource, read_config

__all__ = ["UNBUILT", "check_config", "check_words", "own_config", "short"]

_TASKS = ("num_labels", "id2label", "label2id", "problem_type", "model_type", "architectures")
_ENCODERS = ("albert", "bert", "deberta-v2", "distilbert", "electra", "modernbert", "roberta")

UNBUILT = (ArithmeticError, AssertionError, AttributeError, ImportError, LookupError, OSError,
           RuntimeError, TypeError, ValueError, StrictDataclassError)  # fmt: skip
"""What transformers raises of a config that no model can be built from."""


def check_config(source: ModelSource) -> None:
    """Refuse a config that has no classifier, and what `model.config` may not say.

    Raises:
        FreeLBTuneError: a type without a classifier, damaged weights; a field of `model.config`
            that the type does not have, that the task settles, that is no such number, or that
            asks for other weights than the files hold.
    """
    if source.folder is None:
        _check_type(source, source.name)
        _check_own(dict(source.config or {}))
        return
    if not source.trust_remote_code:
        _check_type(source, f"{source.folder / 'config.json'}")
    _check_weights(source)
    _check_quantised(source)
    if source.config:
        _check_laid_over(source, source.config)


def own_config(source: ModelSource) -> Any:
    """The model's config as transformers has it, with what is laid over it.

    Raises:
        UNBUILT: it is none.
    """
    from transformers import AutoConfig

    content = dict(source.config or {})
    if source.folder is None:
        return AutoConfig.for_model(str(content.pop("model_type")), **content)
    return AutoConfig.from_pretrained(
        source.folder,
        local_files_only=True,
        trust_remote_code=source.trust_remote_code,
        **content,
    )


def check_words(source: ModelSource, words: int) -> None:
    """Refuse a model built from a config that has fewer words than the data's tokenizer.

    Raises:
        FreeLBTuneError: so it is.
    """
    own = (source.config or {}).get("vocab_size")
    if source.folder is None and isinstance(own, int) and own < words:
        raise FreeLBTuneError(
            f"model.config.vocab_size: {own} is too few for the {words} words of the data; "
            "take it out"
        )


def short(err: Exception) -> str:
    """An exception in a line or two: transformers may list all that it knows."""
    said = " ".join(str(err).split()) or "nothing said"
    said = said if isinstance(err, ValueError) else f"{type(err).__name__}: {said}"
    return said if len(said) <= 240 else f"{said[:240]} ..."


def _check_type(source: ModelSource, where: str) -> None:
    from transformers import CONFIG_MAPPING
    from transformers.models.auto.modeling_auto import (
        MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES as CLASSIFIERS,
    )

    kind = read_config(source).get("model_type")
    if not isinstance(kind, str) or kind not in CONFIG_MAPPING:
        told = unknown_name(kind, _ENCODERS) if isinstance(kind, str) else "no model_type"
        raise FreeLBTuneError(
            f"model: {where}: {told}, and any other type of transformers with a sequence classifier"
        )
    if kind not in CLASSIFIERS:
        raise FreeLBTuneError(
            f"model: {where}: transformers has no sequence classifier of type {kind!r}; "
            f"such as {', '.join(_ENCODERS)} have"
        )


def _check_fields(fields: dict[str, Any], own: Any) -> None:
    for name in fields:
        if name in _TASKS:
            raise FreeLBTuneError(f"model.config.{name}: is settled by the task; take it out")
        if not hasattr(own, name):  # which knows a field's other names too, unlike to_dict
            raise FreeLBTuneError(f"model.config: {unknown_name(name, own.to_dict())}")


def _check_own(config: dict[str, Any]) -> None:
    """Refuse a config without weights of which no model could be built."""
    from transformers import AutoConfig

    kind = str(config.pop("model_type"))
    _check_fields(config, AutoConfig.for_model(kind))
    try:
        whole = AutoConfig.for_model(kind, **config)
    except UNBUILT as err:
        raise FreeLBTuneError(f"model.config: {short(err)}") from err
    sizes = {name: getattr(whole, name, 1) for name in ("hidden_size", "num_attention_heads")}
    for name, size in sizes.items():
        if isinstance(size, int) and size < 1:
            raise FreeLBTuneError(f"model.config.{name}: expected at least 1, got {size}")
    width, heads = sizes.values()
    if kind in _ENCODERS and width % heads:
        raise FreeLBTuneError(
            f"model.config.hidden_size: {width} is no multiple of num_attention_heads {heads}"
        )


def _check_weights(source: ModelSource) -> None:
    from safetensors import SafetensorError, safe_open

    assert source.folder is not None  # the caller has looked
    for path in sorted(source.folder.glob("*.safetensors")):
        try:
            with safe_open(path, "pt"):
                pass
        except (SafetensorError, OSError) as err:
            raise FreeLBTuneError(f"{path}: the weights cannot be read: {short(err)}") from err


def _check_quantised(source: ModelSource) -> None:
    how = read_config(source).get("quantization_config")
    if how:
        method = how.get("quant_method") if isinstance(how, dict) else how
        raise FreeLBTuneError(
            f"model: the weights of {source.name!r} are quantised ({method}), and Trainer "
            "fine-tunes no such weights; name the checkpoint that they were made from"
        )


def _check_laid_over(source: ModelSource, fields: dict[str, Any]) -> None:
    from transformers import AutoConfig

    trust = source.trust_remote_code
    own = AutoConfig.from_pretrained(source.folder, local_files_only=True, trust_remote_code=trust)
    _check_fields(fields, own)
    changed = copy.deepcopy(own)
    try:
        for name, value in fields.items():
            setattr(changed, name, value)
        same = _shapes(own, trust) == _shapes(changed, trust)
    except UNBUILT as err:
        raise FreeLBTuneError(f"model.config: {short(err)}") from err
    if not same:
        raise FreeLBTuneError(
            f"model.config: {', '.join(sorted(fields))} would change the shape of weights "
            f"that {source.name!r} comes with; only fields such as hidden_dropout_prob may differ"
        )


def _shapes(config: Any, trust: bool) -> dict[str, Any]:
    import torch
    from transformers import AutoModelForSequenceClassification

    with torch.device("meta"):
        model = AutoModelForSequenceClassification.from_config(config, trust_remote_code=trust)
    return {name: weight.shape for name, weight in model.state_dict().items()}
