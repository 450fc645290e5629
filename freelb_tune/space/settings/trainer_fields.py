"""The fields of the installed transformers' `TrainingArguments`, read without importing it.

Room: space. Importing transformers takes seconds; its source says the names and types as well.
"""

import ast
from collections.abc import Collection
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Literal, Union

from pydantic import AfterValidator, Field

from freelb_tune.errors import FreeLBTuneError, unknown_name

__all__ = [
    "DEFAULTS",
    "EPOCHS",
    "THEIRS",
    "annotated_type",
    "defaults_sentence",
    "refused_field",
    "trainer_fields",
    "trainer_type",
]

DEFAULTS: dict[str, Any] = {
    "learning_rate": 2e-5,
    "per_device_train_batch_size": 16,
    "lr_scheduler_type": "linear",
    "weight_decay": 0.1,
    "warmup_steps": 0.06,
}
"""What a space that says nothing gets: RoBERTa's GLUE settings (arXiv:1907.11692, Table 10: weight
decay 0.1, 6 % warm-up, linear decay, rates from 1e-5 to 3e-5, batches of 16 or 32)."""

THEIRS = {
    "learning_rate": 5e-5,
    "per_device_train_batch_size": 8,
    "weight_decay": 0.0,
    "warmup_steps": 0,
}
"""Defaults of `TrainingArguments` that are others."""

EPOCHS = 3
"""Epochs where neither `num_train_epochs` nor `max_steps` is set: `TrainingArguments`' own."""

LIMITS: dict[str, Any] = {
    "learning_rate": Field(ge=0),
    "weight_decay": Field(ge=0),
    "max_grad_norm": Field(ge=0),
    "warmup_steps": Field(ge=0),
    "num_train_epochs": Field(gt=0),
    "per_device_train_batch_size": Field(ge=1),
    "per_device_eval_batch_size": Field(ge=1),
    "gradient_accumulation_steps": Field(ge=1),
    "label_smoothing_factor": Field(ge=0, lt=1),
    "adam_beta1": Field(ge=0, lt=1),
    "adam_beta2": Field(ge=0, lt=1),
    "adam_epsilon": Field(gt=0),
    "dataloader_num_workers": Field(ge=0),
}
"""Ranges of common fields, which `TrainingArguments` checks late or not at all."""

_EACH_EPOCH = "every cell is evaluated after each epoch"
_KEPT = "every cell keeps its last checkpoint and its best model"
_REPORTED = "epochs are reported to the store; see epochs.csv"
_ONE_PROCESS = "a cell trains in one process, on one device"
_COLUMNS = "the columns that a model reads are settled by its tokenizer"
_PREDICTED = "a cell predicts in its own way; per_device_eval_batch_size may be set"
_FOLLOWING = ("reduce_lr_on_plateau", "greedy")
OURS: dict[str, str] = {
    "output_dir": "results go to --results DIR",
    "seed": "write seeds: [1, 2] at the top",
    "data_seed": "write seeds: [1, 2] at the top; a cell's seed orders its data too",
    "eval_strategy": _EACH_EPOCH,
    "eval_steps": _EACH_EPOCH,
    "eval_delay": _EACH_EPOCH,
    "eval_on_start": _EACH_EPOCH,
    "prediction_loss_only": _EACH_EPOCH,
    "batch_eval_metrics": _EACH_EPOCH,
    "include_for_metrics": _EACH_EPOCH,
    "eval_do_concat_batches": _PREDICTED,
    "eval_use_gather_object": _PREDICTED,
    "eval_accumulation_steps": _PREDICTED,
    "bf16_full_eval": _PREDICTED,
    "fp16_full_eval": _PREDICTED,
    "include_num_input_tokens_seen": _REPORTED,
    "skip_memory_metrics": _REPORTED,
    "project": _REPORTED,
    "enable_jit_checkpoint": _KEPT,
    "average_tokens_across_devices": _ONE_PROCESS,
    "load_best_model_at_end": "the best model is kept in best/",
    "metric_for_best_model": "write search.metric",
    "greater_is_better": "a metric knows its direction; write search.metric",
    "report_to": _REPORTED,
    "run_name": "write name: at the top",
    "disable_tqdm": "the search has its own display",
    "resume_from_checkpoint": "the same command again continues a search",
    "ignore_data_skip": "the same command again continues a search",
    "restore_callback_states_from_checkpoint": "the same command again continues a search",
    "auto_find_batch_size": "what does not fit is cut into micro-batches, the update unchanged",
    "use_cpu": "write resources.gpu: 0",
    "local_rank": _ONE_PROCESS,
    "deepspeed": _ONE_PROCESS,
    "parallelism_config": _ONE_PROCESS,
    "remove_unused_columns": _COLUMNS,
    "label_names": _COLUMNS,
    "length_column_name": _COLUMNS,
}
"""Fields that the project sets itself, and what to write instead."""

_OUR_PREFIXES: dict[str, str] = {
    "save_": _KEPT,
    "logging_": _REPORTED,
    "log_": _REPORTED,
    "trackio_": _REPORTED,
    "hub_": "upload best/ yourself",
    "push_to_hub": "upload best/ yourself",
    "do_": "a cell trains and is evaluated",
    "ddp_": _ONE_PROCESS,
    "fsdp": _ONE_PROCESS,
    "torch_compile": "a perturbation enters by a hook, for which each pass would be compiled anew",
}
_GONE: dict[str, str] = {
    "warmup_ratio": "write warmup_steps, which takes a fraction below 1 too",
    "batch_size": "write per_device_train_batch_size",
    "epochs": "write num_train_epochs",
    "lr": "write learning_rate",
    "group_by_length": "write train_sampling_strategy: group_by_length",
    "no_cuda": OURS["use_cpu"],
    "evaluation_strategy": _EACH_EPOCH,
}
_NAMES: dict[str, Any] = {
    "int": int,
    "float": Annotated[float, Field(allow_inf_nan=False)],
    "bool": bool,
    "str": str,
    "list": list[Any],
    "dict": dict[str, Any],
}


def trainer_fields() -> dict[str, ast.expr]:
    """Each field that a space may set, and its annotation.

    Raises:
        FreeLBTuneError: transformers is not installed.
    """
    return {name: node for name, node in _fields().items() if _ours(name) is None}


@cache
def refused_field(name: str) -> str | None:
    """Why a field may not stand in a space, or None if it may."""
    if name in _fields():
        instead = _ours(name)
        return f"is not for the space to set: {instead}" if instead else None
    if name in _GONE:
        return f"unknown name {name!r}: {_GONE[name]}"
    hint = unknown_name(name, trainer_fields()).split("known:")[0].rstrip("; ")
    hint = hint if hint.endswith("?") else f"{hint};"
    return f"{hint} any field of transformers.TrainingArguments may stand here"


@cache
def trainer_type(name: str) -> Any:
    """The type that a field's values are checked against, with its range."""
    if name == "max_steps":
        return Literal[-1] | Annotated[int, Field(ge=1)]
    kind = annotated_type(_fields()[name])
    if name == "lr_scheduler_type":
        return Annotated[kind, AfterValidator(_schedule)]
    return Annotated[kind, LIMITS[name]] if name in LIMITS else kind


def defaults_sentence(given: Collection[str]) -> str:
    """Which defaults are not those of `TrainingArguments`, of what a space leaves out.

    Args:
        given: the fields that it sets.
    """
    told = [
        f"{name} {DEFAULTS[name]:g} (there {value:g})"
        for name, value in THEIRS.items()
        if name not in given
    ]
    if not told:
        return ""
    return f"Defaults of trainer that are not TrainingArguments': {', '.join(told)}."


def _schedule(value: str) -> str:
    if value in _FOLLOWING:
        raise ValueError(
            "a schedule that needs no scores, such as linear, cosine or constant "
            f"({' and '.join(_FOLLOWING)} read scores inside Trainer; here a cell is evaluated "
            "outside it)"
        )
    return value


def _ours(name: str) -> str | None:
    """What to write instead of a field that the project sets itself; None for any other."""
    starts = (text for start, text in _OUR_PREFIXES.items() if name.startswith(start))
    return OURS.get(name) or next(starts, None)


@cache
def _fields() -> dict[str, ast.expr]:
    for node in _source("training_args.py"):
        if isinstance(node, ast.ClassDef) and node.name == "TrainingArguments":
            return {
                item.target.id: item.annotation
                for item in node.body
                if isinstance(item, ast.AnnAssign)
                and isinstance(item.target, ast.Name)
                and not item.target.id.startswith("_")
            }
    raise FreeLBTuneError("transformers has no TrainingArguments; is it installed whole?")


@cache
def _source(file: str) -> list[ast.stmt]:
    """A source file of transformers, parsed."""
    found = find_spec("transformers")  # looks for the package and does not import it
    if found is None or not found.submodule_search_locations:
        raise FreeLBTuneError("transformers is not installed; pip install transformers")
    path = Path(next(iter(found.submodule_search_locations))) / file
    return ast.parse(path.read_text("utf-8")).body


@cache
def _choices(enum: str) -> tuple[str, ...]:
    """The values of one of transformers' enumerations of text."""
    for node in (*_source("training_args.py"), *_source("trainer_utils.py")):
        if isinstance(node, ast.ClassDef) and node.name == enum:
            return tuple(
                str(item.value.value)
                for item in node.body
                if isinstance(item, ast.Assign) and isinstance(item.value, ast.Constant)
            )
    return ()


def annotated_type(node: ast.expr) -> Any:
    """An annotation as a type to check against; `Any` where YAML has nothing alike."""
    if isinstance(node, ast.Constant):
        return (
            None
            if node.value is None
            else annotated_type(ast.parse(str(node.value), mode="eval").body)
        )
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        sides = [annotated_type(node.left), annotated_type(node.right)]
        closed = [side for side in sides if str(side).startswith("typing.Literal")]
        if closed and str in sides:  # `SchedulerType | str`: only the type's own values go
            sides.remove(str)
        return Any if Any in sides else Union[tuple(sides)]  # noqa: UP007 - built at run time
    if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name):
        if node.value.id == "Literal" and isinstance(node.slice, ast.Constant):
            return Literal[node.slice.value]
        if node.value.id == "Literal" and isinstance(node.slice, ast.Tuple):
            values = [each.value for each in node.slice.elts if isinstance(each, ast.Constant)]
            return Literal[tuple(values)]
        if node.value.id in ("Optional", "Union"):
            inner = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
            kinds = [annotated_type(each) for each in inner]
            kinds += [None] if node.value.id == "Optional" else []
            return Any if Any in kinds else Union[tuple(kinds)]  # noqa: UP007 - as above
        return _NAMES.get(node.value.id, Any)
    if isinstance(node, ast.Name):
        if node.id in _NAMES:
            return _NAMES[node.id]
        choices = _choices(node.id)
        return Literal[choices] if choices else Any
    return Any
