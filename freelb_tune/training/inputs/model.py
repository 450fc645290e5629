"""A cell's model: pretrained weights read once per process, a head drawn from the cell's seed.

Room: training.
"""

import copy
import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    PreTrainedModel,
    set_seed,
)

from freelb_tune.errors import FreeLBTuneError
from freelb_tune.training.inputs.adapter import adapt
from freelb_tune.training.inputs.head import find_head
from freelb_tune.training.inputs.model_config import UNBUILT, short
from freelb_tune.training.inputs.source import ModelSource
from freelb_tune.training.inputs.tokens import Tokens

__all__ = ["build_model", "head_fields"]


def build_model(
    source: ModelSource, tokens: Tokens, seed: int, adapter: Mapping[str, Any] | None = None
) -> nn.Module:
    """The classifier a cell starts from; the same bits for the same seed, cached or not.

    Every weight that the checkpoint lacks (the head) is drawn from the seed after the others are
    read. A head of other classes than the task's is replaced by a new one. One of the same classes
    in another order has its rows put into the task's order. An adapter's weights are drawn last.

    Args:
        source: the model's files, or its config.
        tokens: the labels are read, and the padding.
        seed: of all that is drawn.
        adapter: put into it; None trains all weights.

    Raises:
        FreeLBTuneError: transformers knows no sequence classifier of this type, or the adapter
            does not go into it.
    """
    labels = tuple(tokens.labels) if tokens.labels else None
    if source.folder is None:
        set_seed(seed)
        whole = _from_config(source, tokens, labels)
        return whole if adapter is None else _adapted(whole, adapter)
    fields = json.dumps(source.config or {}, sort_keys=True)
    pristine, missing = _read(source.folder, labels, tokens.kind, source.trust_remote_code, fields)
    model = copy.deepcopy(pristine)
    if hasattr(model.config, "pad_token_id"):  # as `Trainer` aligns it; decoders read it
        model.config.pad_token_id = tokens.pad_id
    set_seed(seed)
    _draw(model, missing)
    return model if adapter is None else _adapted(model, adapter, drawn=missing, base=source.folder)


def _adapted(model: nn.Module, adapter: Mapping[str, Any], **about: Any) -> nn.Module:
    try:
        return adapt(model, adapter, **about)
    except UNBUILT as err:
        raise FreeLBTuneError(f"model.adapter: {short(err)}") from err


def head_fields(labels: tuple[str, ...] | None, kind: str) -> dict[str, Any]:
    """What a config says of the head for these labels, in their order; None for regression."""
    if labels is None:
        return {"num_labels": 1, "problem_type": "regression"}
    return {
        "num_labels": len(labels),
        "id2label": dict(enumerate(labels)),
        "label2id": {label: i for i, label in enumerate(labels)},
        "problem_type": f"{'multi' if kind == 'multi_label' else 'single'}_label_classification",
    }


def _from_config(
    source: ModelSource, tokens: Tokens, labels: tuple[str, ...] | None
) -> PreTrainedModel:
    content = dict(source.config or {})
    kind = str(content.pop("model_type"))
    try:
        config = AutoConfig.for_model(
            kind,
            **{
                "vocab_size": tokens.vocabulary,
                "pad_token_id": tokens.pad_id,
                **content,
                **head_fields(labels, tokens.kind),
            },
        )
        return AutoModelForSequenceClassification.from_config(config, dtype=torch.float32)
    except UNBUILT as err:
        raise FreeLBTuneError(f"model.config: {short(err)}") from err


@lru_cache(maxsize=1)
def _read(
    folder: Path, labels: tuple[str, ...] | None, kind: str, trust: bool, fields: str
) -> tuple[PreTrainedModel, tuple[str, ...]]:
    """The model as its files say, under `fields` (JSON), and the weights that the files lack."""
    try:
        model, info = AutoModelForSequenceClassification.from_pretrained(
            folder,
            dtype=torch.float32,
            use_safetensors=True,
            local_files_only=True,
            trust_remote_code=trust,
            ignore_mismatched_sizes=True,
            output_loading_info=True,
            **json.loads(fields),
            **head_fields(labels, kind),
        )
    except UNBUILT as err:
        raise FreeLBTuneError(f"model: {folder} could not be loaded: {short(err)}") from err
    lacking = len(info["missing_keys"])
    if lacking > len(model.state_dict()) / 2:
        raise FreeLBTuneError(
            f"model: {folder} lacks {lacking} of {len(model.state_dict())} weights, so most of the "
            "model would be random: its weights are another model's than its config.json"
        )
    other = {item[0] if isinstance(item, tuple) else item for item in info["mismatched_keys"]}
    absent = {*info["missing_keys"], *other}
    return model, tuple(sorted(absent | _settle_head(model, folder, labels or (), absent)))


def _settle_head(
    model: PreTrainedModel, folder: Path, labels: tuple[str, ...], absent: set[str]
) -> set[str]:
    """Put the rows of the files' own head into the order of the labels.

    Returns:
        The weights to draw anew, as their classes are not these.
    """
    config = json.loads((folder / "config.json").read_text("utf-8"))
    head = find_head(config, labels, str(folder))
    if head is None or head.is_as_loaded:
        return set()
    rows = _class_rows(model) - absent
    if head.order is None:
        return rows
    own = model.state_dict()
    for name in rows:
        own[name].copy_(own[name][list(head.order)])
    return set()


def _class_rows(model: PreTrainedModel) -> set[str]:
    """The weights with one row for each class: those that one class more would make longer."""
    config = copy.deepcopy(model.config)
    config.num_labels += 1
    with torch.device("meta"):
        wider = type(model)(config).state_dict()
    own = model.state_dict()
    return {name for name, weight in own.items() if weight.shape != wider[name].shape}


def _draw(model: PreTrainedModel, names: tuple[str, ...]) -> None:
    """Initialise weights by the model's own rule, from the global generator, in order of name."""
    owners = {}
    for name in names:
        owner, _, leaf = name.rpartition(".")
        module = model.get_submodule(owner)
        weight = getattr(module, leaf)
        weight._is_hf_initialized = False  # transformers 5 leaves weights alone that carry True
        owners[owner] = module
    for module in owners.values():
        module._is_hf_initialized = False
        model._init_weights(module)
