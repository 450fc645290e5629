"""Whether a model's own loss is the mean of the losses per example that training adds up.

Room: training. `Trainer` trains a model on the loss that the model computes. An adversary needs the
loss of each example. So a model whose own loss is another one is refused, not trained on ours.

Letters: n rows, C classes, labels or values.
"""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from freelb_tune.errors import FreeLBTuneError
from freelb_tune.training.passes.lookup import logits_of, rows_of_input
from freelb_tune.training.passes.losses import problem_of

__all__ = ["check_own_loss"]

MOST = 16
"""Most rows, and so most classes, that a loss is looked at with."""

CLOSE, CLOSE_IN_16_BITS = 1e-3, 0.05
"""How near the two losses must be, as a share: a loss of another kind is farther away."""


def check_own_loss(
    model: nn.Module,
    inputs: Mapping[str, Any],
    example_losses: Callable[[Tensor, Tensor], Tensor],
) -> None:
    """Compare them on a batch's first rows with labels of all kinds; no generator is moved.

    Args:
        model: a classifier; one whose `forward` takes no `labels`, by name or among its
            `**kwargs`, has no loss of its own.
        inputs: a batch with `labels`.
        example_losses: ours, from logits `(n, C)` and labels to `(n,)`.

    Raises:
        FreeLBTuneError: they differ.
    """
    taken = inspect.signature(model.forward).parameters
    if "labels" not in taken and all(each.kind is not each.VAR_KEYWORD for each in taken.values()):
        return
    was_training = model.training
    model.eval()
    try:
        with torch.no_grad(), torch.random.fork_rng(_devices(inputs)):
            try:
                output, labels = _look(model, inputs)
            except TypeError:
                if "labels" in taken:
                    raise
                return  # what it hands its **kwargs to takes none either
            own = _loss_of(output)
            if own is None:
                return
            logits = _under_labels(output)
            ours = example_losses(logits, labels).mean()
    finally:
        model.train(was_training)
    autocast = "_original_forward" in vars(model)  # accelerate's, under whose forward it opens one
    narrow = logits.dtype.itemsize < 4 or autocast
    near = CLOSE_IN_16_BITS if narrow else CLOSE
    if not torch.isclose(own.to(ours), ours, rtol=near, atol=near, equal_nan=True):
        raise FreeLBTuneError(
            f"{type(model).__name__} computes a loss of its own, {own.item():.6g} where the mean "
            f"of each example's is {ours.item():.6g}; adversaries need a loss per example: "
            "override AdversarialTrainer.example_losses(logits, labels) to say yours, or turn the "
            "model's own off"
        )


def _look(model: nn.Module, inputs: Mapping[str, Any]) -> tuple[Any, Tensor]:
    """The model's output for a few rows, repeated, under made-up labels of every kind."""
    real = inputs["labels"]
    others = {name: value for name, value in inputs.items() if name != "labels"}
    config = getattr(model, "config", None)
    few = {name: rows_of_input(value, torch.arange(1), len(real)) for name, value in others.items()}
    said = getattr(config, "num_labels", None)
    classes = int(said or logits_of(model(**few)).shape[-1])
    n = max(2, min(classes, MOST))
    rows = torch.arange(n) % min(len(real), 4)
    batch = {name: rows_of_input(value, rows, len(real)) for name, value in others.items()}
    labels = _made_up(problem_of(config, real), n, classes).to(real.device)
    try:
        output = model(**batch, labels=labels)
    except torch.OutOfMemoryError:
        raise
    except (RuntimeError, ValueError, IndexError):
        _check_head(model, said, logits_of(model(**few)))  # labels of too many classes may fail
        raise
    _check_head(model, said, _under_labels(output))
    return output, labels


def _check_head(model: nn.Module, said: int | None, logits: Tensor) -> None:
    """Refuse a head of another size than the config says."""
    if said not in (None, found := int(logits.shape[-1])):
        raise FreeLBTuneError(
            f"{type(model).__name__}: config.num_labels is {said} and its head gives {found} "
            "logits; make the two agree"
        )


def _under_labels(output: Any) -> Tensor:
    """The logits of what a classifier returned that was given labels."""
    logits: Tensor = output["logits"] if isinstance(output, Mapping) else output[1]
    return logits


def _made_up(problem: str, n: int, classes: int) -> Tensor:
    """Labels that a weighting of classes, rows or labels would show in."""
    if problem == "single_label_classification":
        return torch.arange(n) % classes
    places = torch.arange(n * classes, dtype=torch.float32).view(n, classes)
    if problem == "multi_label_classification":
        return (places % 3 == 0).float()
    return places.squeeze(-1) / 7


def _loss_of(output: Any) -> Tensor | None:
    found = output.get("loss") if isinstance(output, Mapping) else output[0]
    return found if isinstance(found, Tensor) and found.ndim == 0 else None


def _devices(inputs: Mapping[str, Any]) -> list[torch.device]:
    device = inputs["labels"].device
    return [device] if device.type == "cuda" else []
