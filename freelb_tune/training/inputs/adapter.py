"""An adapter of peft in a classifier: put in, looked for, taken along, merged.

Room: training. peft is imported where a cell has an adapter, and nowhere else.
"""

import copy
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from freelb_tune.errors import FreeLBTuneError

__all__ = [
    "adapt",
    "is_adapted",
    "load_adapted",
    "merged",
    "rebuilt",
    "save_adapted",
    "small_adapted",
]

_ALL = "all-linear"


def adapt(
    model: nn.Module,
    adapter: Mapping[str, Any],
    *,
    drawn: Iterable[str] = (),
    base: Path | None = None,
) -> nn.Module:
    """Put an adapter into a classifier: it and the head are trained, all else is fixed.

    The whole head is trained, as its weights may be random. The adapter's own are drawn from
    torch's global generator.

    Args:
        model: a sequence classifier, which is changed.
        adapter: its type and settings, by peft's names.
        drawn: names of weights that the checkpoint lacks; their layers are trained, too.
        base: the folder of the model's files.

    Raises:
        FreeLBTuneError: peft is not installed, or what it is to adapt is not in the model.
        ValueError: peft refuses a setting.
    """
    peft: Any = _peft()
    settings = dict(adapter)
    kind = str(settings.pop("type"))
    head = _head(model)
    _check_targets(model, settings.get("target_modules"))
    owners = {name.rpartition(".")[0] for name in drawn}
    fresh = sorted(name for name in owners if name.split(".")[0] not in head)
    settings["modules_to_save"] = [*head, *fresh, *(settings.get("modules_to_save") or ())]
    kinds: Any = peft.PeftType
    known = next(each for each in kinds if each.value.lower() == kind)
    maker = peft.mapping.PEFT_TYPE_TO_CONFIG_MAPPING[known]
    left_out = settings.get("exclude_modules")
    if "exclude_modules" in maker.__dataclass_fields__ and not isinstance(left_out, str):
        settings["exclude_modules"] = [*head, *fresh, *(left_out or ())]
    try:
        found: nn.Module = peft.get_peft_model(model, maker(task_type="SEQ_CLS", **settings))
    except ValueError as err:
        if "target_modules" in str(err) and "target_modules" not in settings:
            raise FreeLBTuneError(
                f"model.adapter.target_modules: peft knows no layers of {type(model).__name__} by "
                f"itself; {_there_is(model)}"
            ) from err
        raise
    adapted: Any = found
    for config in adapted.peft_config.values():
        config.base_model_name_or_path = None if base is None else str(base)
    return found


def is_adapted(model: Any) -> bool:
    """Whether a model is peft's around another."""
    peft: Any = sys.modules.get("peft")
    return peft is not None and isinstance(model, peft.PeftModel)


def rebuilt(model: Any) -> Callable[[Any], nn.Module]:
    """What makes an adapted model of another config of its kind; of any layer, not of some."""
    peft: Any = _peft()
    adapter = copy.deepcopy(model.peft_config[model.active_adapter])
    for name in ("layers_to_transform", "layer_replication"):
        if hasattr(adapter, name):
            setattr(adapter, name, None)  # a small model has fewer layers
    kind = type(model.get_base_model())
    return lambda config: _unless_counted(
        kind(config), partial(peft.get_peft_model, peft_config=adapter)
    )


def merged(model: Any) -> nn.Module:
    """A plain model that computes what an adapted one does, which stays as it is."""
    plain: nn.Module = copy.deepcopy(model.base_model).merge_and_unload()
    return plain


def save_adapted(model: Any, folder: Path, how: str) -> None:
    """Write an adapted model: merged as any other, or the adapter with the head alone."""
    if how == "merged":
        plain: Any = merged(model)
        plain.save_pretrained(folder)
        return
    model.save_pretrained(folder, save_embedding_layers=False)
    model.config.save_pretrained(folder)


def load_adapted(folder: Path, *, trust_remote_code: bool = False) -> nn.Module:
    """The plain model of a folder that has an adapter alone.

    Raises:
        FreeLBTuneError: peft or the model that it is for is not here, or it lacks weights.
    """
    from safetensors import safe_open
    from transformers import AutoConfig, AutoModelForSequenceClassification

    peft: Any = _peft()
    common: dict[str, Any] = {"local_files_only": True, "trust_remote_code": trust_remote_code}
    base = Path(peft.PeftConfig.from_pretrained(folder).base_model_name_or_path or "")
    if not (base / "config.json").is_file():
        raise FreeLBTuneError(
            f"{folder}: the adapter is for the model in {base}, which is not there; put it back, "
            "or search with run.keep_adapter: merged"
        )
    config = AutoConfig.from_pretrained(folder, **common)
    whole = AutoModelForSequenceClassification.from_pretrained(
        base,
        config=config,
        dtype=torch.float32,
        use_safetensors=True,
        ignore_mismatched_sizes=True,
        **common,
    )
    adapted = peft.PeftModel.from_pretrained(whole, folder, local_files_only=True)
    with safe_open(folder / "adapter_model.safetensors", "pt") as file:
        lacking = set(peft.get_peft_model_state_dict(adapted, save_embedding_layers=False))
        lacking -= set(file.keys())
    if lacking:
        raise FreeLBTuneError(f"{folder}: the adapter lacks {', '.join(sorted(lacking)[:3])}")
    return merged(adapted).eval()


def small_adapted(
    build: Callable[[Any], nn.Module], adapter: Mapping[str, Any]
) -> Callable[[Any], nn.Module]:
    """What makes a model of a config and adapts it; of any layer, not of some."""
    somewhere = {k: v for k, v in adapter.items() if k not in _BY_DEPTH}
    return lambda config: _unless_counted(build(config), partial(adapt, adapter=somewhere))


_BY_DEPTH = ("layers_to_transform", "layer_replication")


def _unless_counted(model: nn.Module, change: Callable[[nn.Module], nn.Module]) -> nn.Module:
    """Leave a model alone that has no numbers: it is only built to count its weights."""
    return model if next(model.parameters()).is_meta else change(model)


def _peft() -> Any:
    try:
        import peft
    except ImportError as err:
        raise FreeLBTuneError(
            "an adapter needs the package peft, which is not installed; "
            "pip install 'freelb-tune[peft]'"
        ) from err
    return peft


def _head(model: nn.Module) -> list[str]:
    """The parts with weights that are not the encoder's."""
    encoder = getattr(model, "base_model_prefix", "")
    parts = model.named_children()
    return [
        name for name, part in parts if name != encoder and any(True for _ in part.parameters())
    ]


def _check_targets(model: nn.Module, wanted: Any) -> None:
    """Refuse a name that no layer has; peft would leave it out in silence beside one that fits."""
    if wanted is None or (isinstance(wanted, str) and wanted.lower() == _ALL):
        return
    names = [name for name, _ in model.named_modules()]
    if isinstance(wanted, str):  # a regular expression, as peft has it
        lost = [wanted] if not any(re.fullmatch(wanted, name) for name in names) else []
    else:
        lost = [each for each in wanted if not any(f".{n}".endswith(f".{each}") for n in names)]
    if lost:
        raise FreeLBTuneError(
            f"model.adapter.target_modules: no layer of {type(model).__name__} is called "
            f"{' or '.join(map(repr, lost))}; {_there_is(model)}"
        )


def _there_is(model: nn.Module) -> str:
    kinds = (nn.Linear, nn.Embedding)
    head = set(_head(model))
    names = {n.rpartition(".")[2] for n, part in model.named_modules()
             if isinstance(part, kinds) and n.split(".")[0] not in head}  # fmt: skip
    return f"there are {', '.join(sorted(names))}, and {_ALL}"
