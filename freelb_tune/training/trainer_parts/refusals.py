"""What of `Trainer` and `TrainingArguments` does not go with an adversary: refused by name.

Room: training. Each would otherwise be ignored in silence, or give other numbers than `Trainer`'s.
"""

from typing import Any

from torch import nn

from freelb_tune.errors import FreeLBTuneError

__all__ = ["check_optimizer", "check_precision", "check_trainer"]

_OURS = ("compute_loss", "training_step", "_get_num_items_in_batch")
"""Methods of `Trainer` that we replace whole: another class's behind ours would never be called."""

_SPREAD = ("fsdp", "deepspeed", "parallelism_config")


def check_trainer(trainer: Any, ours: type) -> None:
    """Refuse what a trainer was made with and cannot honour.

    Args:
        trainer: an `AdversarialTrainer` whose `Trainer.__init__` is done.
        ours: the class `AdversarialTrainer`.

    Raises:
        FreeLBTuneError: naming it, and what to write instead.
    """
    if trainer.compute_loss_func is not None:
        _refuse("compute_loss_func", _PER_EXAMPLE)
    kinds = type(trainer).__mro__
    for kind in kinds[: kinds.index(ours)]:
        if "compute_loss" in vars(kind):
            _refuse(f"{kind.__name__}.compute_loss", _PER_EXAMPLE)
    if trainer.class_weights is not None and any(
        "example_losses" in vars(kind) for kind in kinds[: kinds.index(ours)]
    ):
        _refuse("class_weights", "example_losses is overridden; say the weights there")
    own = {kind for kind in ours.__mro__}
    for kind in kinds[kinds.index(ours) :]:
        for name in _OURS:
            if kind not in own and name in vars(kind):
                _refuse(f"{kind.__name__}.{name}", f"it stands behind ours; {_PER_EXAMPLE}")
    _check_devices(trainer)
    names = trainer.label_names
    if "labels" not in (names or ["labels"]):
        _refuse(f"label_names {names}", "name the column of the labels 'labels'")
    optim = str(getattr(trainer.args.optim, "value", trainer.args.optim))
    if trainer.args.torch_compile:
        _refuse(
            "torch_compile",
            "a perturbation enters by a hook, for which each pass would be compiled anew; take it "
            "out",
        )
    if "lomo" in optim or optim.endswith("_layerwise"):
        _refuse(f"optim {optim}", f"{_EACH_BACKWARD}; write adamw_torch or another")


def check_optimizer(trainer: Any, model: nn.Module) -> None:
    """Refuse, before a weight update, what would not train the model that is passed through.

    Raises:
        FreeLBTuneError: `compute_loss` was put onto the trainer, the optimizer holds none of the
            model's weights, or a hook takes a step at each backward pass.
    """
    if "compute_loss" in vars(trainer):
        _refuse("trainer.compute_loss", _PER_EXAMPLE)
    moving = [p for p in model.parameters() if p.requires_grad]
    if any(p._post_accumulate_grad_hooks for p in moving):
        _refuse("a hook on a weight's gradient", _EACH_BACKWARD)
    if trainer.optimizer is None:
        return
    held = {id(p) for group in trainer.optimizer.param_groups for p in group["params"]}
    if moving and not any(id(p) in held for p in moving):
        _refuse(
            "the model",
            "the optimizer holds none of its weights, so that nothing would be learnt; give the "
            "model to the trainer when it is made, or assign trainer.model_wrapped with "
            "trainer.model and leave trainer.optimizer None",
        )


def check_precision(trainer: Any, model: nn.Module) -> None:
    """Refuse a model that accelerate has prepared for another precision: it does so only once.

    Raises:
        FreeLBTuneError: the trainer's bf16 or fp16 would be left out, or another's kept.
    """
    mixed = bool(trainer.accelerator.native_amp)
    if getattr(model, "_is_accelerate_prepared", False) and mixed != hasattr(
        model, "_original_forward"
    ):
        own, other = ("mixed precision", "float32") if mixed else ("float32", "mixed precision")
        _refuse(
            f"{own} for this model",
            f"another trainer has prepared it for {other}, and accelerate would leave it so; give "
            "each trainer a model of its own",
        )


_PER_EXAMPLE = (
    "adversaries need each example's loss: override example_losses(logits, labels), which returns "
    "one number per example"
)
_EACH_BACKWARD = (
    "it updates weights at each backward pass, and an adversary makes several for one update"
)


def _check_devices(trainer: Any) -> None:
    args = trainer.args
    if args.n_gpu > 1:
        raise FreeLBTuneError(
            f"{args.n_gpu} GPUs are visible and one is used per trainer: "
            "set CUDA_VISIBLE_DEVICES to one of them"
        )
    for name in _SPREAD:
        if getattr(args, name, None):
            _refuse(name, "a trainer trains in one process, on one device; take it out")
    accelerator = trainer.accelerator
    kind = str(getattr(accelerator.distributed_type, "value", accelerator.distributed_type))
    if accelerator.num_processes > 1 or kind != "NO":
        _refuse(
            f"{accelerator.num_processes} processes ({kind})",
            "a trainer trains in one process, on one device; start it without torchrun or "
            "accelerate launch",
        )
    spread = getattr(trainer, "is_distributed_loading_by_transformers", False)  # not before 5.20
    if trainer.is_model_parallel or spread:
        _refuse("a model spread over devices", "load it onto one device")


def _refuse(what: str, why: str) -> None:
    raise FreeLBTuneError(f"AdversarialTrainer cannot take {what}: {why}")
