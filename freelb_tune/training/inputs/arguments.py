"""A cell's settings as `TrainingArguments`.

Room: training.
"""

from collections.abc import Iterable, Iterator, Mapping
from copy import copy
from pathlib import Path
from typing import Any

import torch
from transformers import Trainer, TrainingArguments

from freelb_tune.errors import FreeLBTuneError
from freelb_tune.space.cells.cell import Cell

__all__ = ["check_accumulation", "check_arguments", "optimizer_reads", "training_arguments"]

OURS: dict[str, Any] = {
    "eval_strategy": "no",  # the cell evaluates, reports and checkpoints itself
    "save_strategy": "no",
    "logging_strategy": "no",
    "report_to": [],
    "disable_tqdm": True,
    "logging_nan_inf_filter": False,  # it would wait for the device on each step
}


_FOR_A_LOOK: dict[str, Any] = {
    "use_cpu": True,
    "bf16": False,
    "fp16": False,
    "tf32": None,
    "full_determinism": False,  # it sets this process's switches
    "max_steps": 1,
    "per_device_train_batch_size": 2,
    "dataloader_num_workers": 0,
    "dataloader_persistent_workers": False,
    "dataloader_prefetch_factor": None,
    "dataloader_multiprocessing_context": None,
    "dataloader_pin_memory": False,
}
"""One small update in this process that leaves its devices alone."""


def training_arguments(cell: Cell, folder: Path, *, for_a_look: bool = False) -> TrainingArguments:
    """The cell's `TrainingArguments`: its own settings over the defaults for this device.

    bf16 and TF32 are on by default where the device is good at them, never on a CPU.

    Args:
        cell: what is to be trained.
        folder: for what `Trainer` writes.
        for_a_look: of one small update on the CPU, to see whether all is there.

    Raises:
        FreeLBTuneError: `TrainingArguments` refuses a setting.
    """
    given = cell.trainer.fields
    content = {**_device_defaults(given), **given, **OURS}
    content |= {"output_dir": str(folder), "seed": cell.seed, "data_seed": cell.seed}
    content.setdefault("per_device_eval_batch_size", 32)
    content |= _FOR_A_LOOK if for_a_look else {}
    try:
        return TrainingArguments(**content)
    except (TypeError, ValueError, ImportError) as err:
        raise FreeLBTuneError(f"trainer: {str(err).strip()} (cell {cell.id})") from err


def check_accumulation(method: str, accumulated: int) -> None:
    """Refuse gradient accumulation for an adversary that lets the optimizer step between passes.

    Args:
        method: the adversary's name.
        accumulated: mini-batches in one weight update.

    Raises:
        FreeLBTuneError: there are several.
    """
    if accumulated > 1:
        raise FreeLBTuneError(
            f"adversary {method} steps the weights on each pass, and "
            f"trainer.gradient_accumulation_steps is {accumulated}: the mini-batches of one "
            "update would meet different weights; set it to 1 and raise "
            "trainer.per_device_train_batch_size instead"
        )


def check_arguments(cells: Iterable[Cell], folder: Path) -> None:
    """Build each distinct `trainer` section once, so that a refusal comes before anything runs."""
    seen = set()
    for cell in cells:
        adversary = cell.adversary
        if adversary.UPDATES_WEIGHTS:
            accumulated = training_arguments(cell, folder).gradient_accumulation_steps
            check_accumulation(adversary.method, accumulated)
        key = repr(sorted(cell.trainer.fields.items()))
        if key not in seen:
            seen.add(key)
            training_arguments(cell, folder)


def optimizer_reads(
    args: TrainingArguments, model: Any, given: Mapping[str, Any]
) -> dict[str, bool]:
    """Whether the optimizer reads those of its fields that are given: it is built with others.

    Args:
        args: with the optimizer's name.
        model: whose weights are for it.
        given: the fields that are set.

    Returns:
        By field; of `optim_args` each by itself, as `optim_args: momentum`.

    Raises:
        FreeLBTuneError: `optim_args` is not as `Trainer` reads it.
    """

    def built(name: str, value: Any) -> str:
        changed = copy(args)
        setattr(changed, name, value)
        return repr(Trainer.get_optimizer_cls_and_kwargs(changed, model))

    found = {}
    for name in OF_OPTIMIZERS & given.keys():
        found[name] = built(name, 0.123) != built(name, 0.321)
    said = given.get("optim_args")
    for name, rest in _optim_args(said) if said else ():
        ways = set()
        for value in _OTHERS:
            try:
                ways.add(built("optim_args", ",".join([*rest, f"{name}={value}"])))
            except (AttributeError, ValueError, TypeError):
                ways.add("refused")  # it has looked at it
        found[f"optim_args: {name}"] = len(ways) > 1
    return found


OF_OPTIMIZERS = {"adam_beta1", "adam_beta2", "adam_epsilon"}
_OTHERS = ("0.123", "1", "true", "bfloat16")


def _optim_args(said: str) -> Iterator[tuple[str, list[str]]]:
    """Each name of `optim_args`, and how the other ones are written."""
    parts = said.replace(" ", "").split(",")
    if not all(0 < part.find("=") < len(part) - 1 for part in parts):
        raise FreeLBTuneError(
            f"trainer.optim_args: expected 'name=value, name=value', got {said!r}"
        )
    for at, part in enumerate(parts):
        yield part.partition("=")[0], parts[:at] + parts[at + 1 :]


def _device_defaults(given: Mapping[str, Any]) -> dict[str, Any]:
    if not torch.cuda.is_available():
        if given.get("bf16") or given.get("fp16"):
            raise FreeLBTuneError(
                "trainer.bf16 and trainer.fp16 are for GPUs; this machine has none that torch "
                "sees, and on a CPU they are slower than float32: take them out"
            )
        return {"use_cpu": True, "dataloader_pin_memory": False}
    good = torch.cuda.get_device_capability()[0] >= 8  # Ampere and later
    return {"bf16": good and not given.get("fp16"), "tf32": good}
