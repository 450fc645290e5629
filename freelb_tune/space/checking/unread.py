"""Fields of `trainer` that others leave without effect, as `Trainer` has it: told, never dropped.

Room: space. What an optimizer does not read is asked of the optimizer, where models are looked at.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from freelb_tune.errors import FreeLBTuneError
from freelb_tune.space.values import Value

__all__ = ["DEPENDENT", "check_read"]

_Fields = Callable[[str], Any]
"""The value of a field of `trainer`; None where it is not set."""

_STEPS, _EPOCHS = "max_steps", "num_train_epochs"
_PROJECTING = ("galore", "apollo")  # optimizers that take some modules apart
_BY_WORKERS = (lambda of: bool(of("dataloader_num_workers")), "without dataloader_num_workers")

DEPENDENT: dict[str, tuple[Callable[[_Fields], bool], str]] = {
    _EPOCHS: (lambda of: (of(_STEPS) or -1) < 1, "beside max_steps, which ends the training"),
    "warmup_steps": (
        lambda of: of("lr_scheduler_type") != "constant",
        "by lr_scheduler_type constant (constant_with_warmup reads it)",
    ),
    "lr_scheduler_kwargs": (
        lambda of: of("lr_scheduler_type") not in ("constant", "constant_with_warmup"),
        "by lr_scheduler_type constant and constant_with_warmup",
    ),
    "liger_kernel_config": (lambda of: bool(of("use_liger_kernel")), "without use_liger_kernel"),
    "activation_checkpointing_kwargs": (
        lambda of: bool(of("activation_checkpointing") or of("gradient_checkpointing")),
        "without activation_checkpointing",
    ),
    "gradient_checkpointing_kwargs": (
        lambda of: (
            bool(of("activation_checkpointing") or of("gradient_checkpointing"))
            and of("activation_checkpointing_kwargs") is None
        ),
        "without gradient_checkpointing, or beside activation_checkpointing_kwargs",
    ),
    "gradient_checkpointing": (
        lambda of: of("activation_checkpointing") in (None, True),
        "beside activation_checkpointing, its new name",
    ),
    "optim_target_modules": (
        lambda of: any(name in str(of("optim")) for name in _PROJECTING),
        "by any optim but galore's and apollo's",
    ),
    "dataloader_prefetch_factor": _BY_WORKERS,
    "dataloader_persistent_workers": _BY_WORKERS,
    "dataloader_multiprocessing_context": _BY_WORKERS,
    "dataloader_in_order": _BY_WORKERS,
}
"""Fields that act only beside others: whether they do, and where not, in words."""

_KEYS = {name: f"trainer.{name}" for name in DEPENDENT}

_ACTS_WHEN_FALSE = "dataloader_in_order"


def check_read(configurations: Iterable[Mapping[str, Value]], given: Collection[str]) -> str:
    """Refuse fields that nothing reads; of epochs beside `max_steps` it is said.

    Args:
        configurations: settings by dotted name.
        given: the fields that the space sets.

    Returns:
        A sentence where `max_steps` ends a training that also sets epochs; else empty.

    Raises:
        FreeLBTuneError: a given field has no effect in any configuration, or two configurations
            differ only in such fields, and would train the same.
    """
    dropped: set[str] = set()
    read: set[str] = set()
    met: dict[str, dict[str, Value]] = {}
    for settings in configurations:
        idle = _idle(settings)
        dropped |= {name for name, value in idle.items() if _asks(name, value)}
        read |= {n for n, key in _KEYS.items() if key in settings and n not in idle}
        if not idle:
            continue
        rest = repr(sorted((k, v) for k, v in settings.items() if k not in map(_named, idle)))
        first = met.setdefault(rest, idle)
        for name in (n for n in first if first[n] != idle.get(n, first[n])):
            raise FreeLBTuneError(
                f"{_named(name)} is searched ({first[name]} and {idle[name]}) where it is not read "
                f"{DEPENDENT[name][1]}: these cells would train the same; take one of them out"
            )
    for name in sorted((dropped - read - {_EPOCHS}) & set(given)):
        raise FreeLBTuneError(f"{_named(name)} is not read {DEPENDENT[name][1]}: take it out")
    if _EPOCHS not in dropped:
        return ""
    return f"trainer.{_STEPS} ends the training: trainer.{_EPOCHS} beside it is not read."


def _idle(settings: Mapping[str, Value]) -> dict[str, Value]:
    """The fields that are set and do nothing here."""

    def of(name: str) -> Any:
        return settings.get(_named(name))

    return {
        name: settings[key]
        for name, key in _KEYS.items()
        if key in settings and not DEPENDENT[name][0](of)
    }


def _asks(name: str, value: Value) -> bool:
    """Whether a value asks for something else than what holds without it."""
    return value is False if name == _ACTS_WHEN_FALSE else bool(value)


def _named(name: str) -> str:
    return f"trainer.{name}"
