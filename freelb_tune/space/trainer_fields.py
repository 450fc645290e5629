"""The fields of the installed transformers' `TrainingArguments`, read without importing it.

Room: space. Importing transformers takes seconds; its source says the names and types as well.
"""

import ast
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any, Union

from freelb_tune.errors import FreeLBTuneError

__all__ = ["AT_LEAST", "DEFAULTS", "OURS", "trainer_fields"]

DEFAULTS: dict[str, Any] = {
    "learning_rate": 2e-5,
    "per_device_train_batch_size": 16,
    "lr_scheduler_type": "linear",
    "weight_decay": 0.1,
    "warmup_steps": 0.06,
}
"""What a space that says nothing gets: RoBERTa's GLUE settings (arXiv:1907.11692, Table 10: weight
decay 0.1, 6 % warm-up, linear decay, rates from 1e-5 to 3e-5, batches of 16 or 32). The number of
epochs is 3, or 10 there."""

OURS: dict[str, str] = {
    "output_dir": "results go to --results DIR",
    "seed": "write seeds: [1, 2] at the top",
    "data_seed": "write seeds: [1, 2] at the top; a cell's seed orders its data too",
    "eval_strategy": "every cell is evaluated after each epoch",
    "eval_steps": "every cell is evaluated after each epoch",
    "eval_on_start": "every cell is evaluated after each epoch",
    "save_strategy": "every cell keeps its last checkpoint and its best model",
    "save_steps": "every cell keeps its last checkpoint and its best model",
    "save_total_limit": "every cell keeps its last checkpoint and its best model",
    "save_only_model": "every cell keeps its last checkpoint and its best model",
    "load_best_model_at_end": "the best model is kept in best/",
    "metric_for_best_model": "write search.metric",
    "greater_is_better": "a metric knows its direction; write search.metric",
    "report_to": "epochs are reported to the store; see epochs.csv",
    "logging_dir": "epochs are reported to the store; see epochs.csv",
    "logging_strategy": "epochs are reported to the store; see epochs.csv",
    "logging_nan_inf_filter": "a loss that is not finite ends the cell as diverged",
    "do_train": "a cell trains and is evaluated",
    "do_eval": "a cell trains and is evaluated",
    "do_predict": "a cell trains and is evaluated",
    "disable_tqdm": "the search has its own display",
    "resume_from_checkpoint": "the same command again continues a search",
    "push_to_hub": "upload best/ yourself",
    "auto_find_batch_size": "what does not fit is cut into micro-batches, the update unchanged",
    "use_cpu": "write resources.gpu: 0",
    "remove_unused_columns": "only the model's inputs are kept",
}
"""Fields that the project sets itself, and what to write instead."""

AT_LEAST: dict[str, tuple[float, bool]] = {
    "learning_rate": (0, False),
    "weight_decay": (0, False),
    "max_grad_norm": (0, False),
    "warmup_steps": (0, False),
    "num_train_epochs": (0, True),
    "per_device_train_batch_size": (1, False),
    "per_device_eval_batch_size": (1, False),
    "gradient_accumulation_steps": (1, False),
    "label_smoothing_factor": (0, False),
    "adam_beta1": (0, False),
    "adam_beta2": (0, False),
    "adam_epsilon": (0, True),
}
"""The smallest value of common fields, and whether it is itself left out."""

_NAMES: dict[str, Any] = {"int": int, "float": float, "bool": bool, "str": str, "None": None}


@cache
def trainer_fields() -> dict[str, Any]:
    """Each field's name and its type; `Any` where the type is not one of YAML's.

    Raises:
        FreeLBTuneError: transformers is not installed.
    """
    try:
        home = distribution("transformers")
    except PackageNotFoundError as err:
        raise FreeLBTuneError("transformers is not installed; pip install transformers") from err
    path = Path(str(home.locate_file("transformers/training_args.py")))
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, ast.ClassDef) and node.name == "TrainingArguments":
            return {
                item.target.id: _kind(item.annotation)
                for item in node.body
                if isinstance(item, ast.AnnAssign)
                and isinstance(item.target, ast.Name)
                and not item.target.id.startswith("_")
            }
    raise FreeLBTuneError(f"{path}: has no class TrainingArguments; is transformers whole?")


def _kind(node: ast.expr) -> Any:
    """A field's annotation as a type to check against."""
    if isinstance(node, ast.Constant):
        return _kind(ast.parse(node.value).body[0].value) if isinstance(node.value, str) else None  # type: ignore[attr-defined]
    if isinstance(node, ast.Name):
        return _NAMES.get(node.id, Any)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        sides = (_kind(node.left), _kind(node.right))
        return Any if Any in sides else Union[sides]  # noqa: UP007 - built at run time
    if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name):
        return {"list": list, "dict": dict, "Optional": Any}.get(node.value.id, Any)
    return Any
