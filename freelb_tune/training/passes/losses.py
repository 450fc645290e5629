"""Each example's loss, such that their mean is what transformers' own classifiers compute.

Room: training. Logits and labels in; knows no models.

Letters: b examples, C classes, labels or values.
"""

from collections.abc import Sequence
from typing import Any, get_args

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, mse_loss

from freelb_tune.adversary.divergence import Problem
from freelb_tune.errors import FreeLBTuneError, unknown_name

__all__ = ["IGNORED", "example_losses", "problem_of", "shares", "weights_of"]

IGNORED = -100
"""The label of an example that has no say in the loss, as in transformers and torch."""


def problem_of(config: Any, labels: Tensor) -> Problem:
    """What kind of labels a classifier has, by the rule of transformers' classifiers.

    Args:
        config: the model's; its `problem_type` says it, else `num_labels` and the labels' dtype.
        labels: `(b,)`, `(b, 1)` or `(b, C)`.

    Raises:
        FreeLBTuneError: `problem_type` is none that transformers has.
    """
    said = getattr(config, "problem_type", None)
    if said is None:
        if getattr(config, "num_labels", 2) == 1:
            return "regression"
        whole = labels.dtype in (torch.long, torch.int)
        return "single_label_classification" if whole else "multi_label_classification"
    if said not in get_args(Problem):
        raise FreeLBTuneError(f"problem_type: {unknown_name(str(said), get_args(Problem))}")
    known: Problem = said
    return known


def weights_of(given: Sequence[float] | Tensor | None, config: Any) -> Tensor | None:
    """A weight for each of a classifier's classes, `(C,)`, float64; None for all alike.

    Raises:
        FreeLBTuneError: they are not as many as the classes, or not all positive and finite.
    """
    if given is None:
        return None
    weights = torch.as_tensor(given, dtype=torch.float64).detach().cpu()
    classes = getattr(config, "num_labels", None)
    if weights.ndim != 1 or classes not in (None, len(weights)):
        raise FreeLBTuneError(
            f"class_weights have the shape {tuple(weights.shape)} and the model has {classes} "
            "classes; write one weight for each"
        )
    if not bool(((weights > 0) & weights.isfinite()).all()):
        raise FreeLBTuneError(
            f"class_weights are finite numbers above 0, got {weights.tolist()[:10]}"
        )
    return weights


def example_losses(
    logits: Tensor,
    labels: Tensor,
    problem: Problem,
    smoothing: float = 0.0,
    weights: Tensor | None = None,
) -> Tensor:
    """Each example's loss `(b,)`, in float32 or better.

    Cross entropy for classes, zero where the label is -100; for several labels binary cross
    entropy and for values the squared error, each the mean over the C of an example.

    Args:
        logits: `(b, C)`.
        labels: `(b,)` or `(b, 1)`; `(b, C)` for several labels or values.
        problem: what the labels are.
        smoothing: share of the target spread over all classes.
        weights: what each class counts, `(C,)`, as `torch.nn.CrossEntropyLoss` has it.

    Raises:
        FreeLBTuneError: the labels' shape does not go with the logits', or values are smoothed, or
            what is no class has a weight.
    """
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    if problem == "single_label_classification":
        _check_count(labels, len(logits), logits)
        return cross_entropy(
            logits, labels.view(-1), None if weights is None else weights.to(logits),
            reduction="none", ignore_index=IGNORED, label_smoothing=smoothing,
        )  # fmt: skip
    if weights is not None:
        raise FreeLBTuneError(
            f"class_weights are for one class per example, and this is a {problem}: take them out"
        )
    if smoothing:
        raise FreeLBTuneError(
            f"label_smoothing_factor spreads a class's probability, and this is a {problem}: "
            "take it out"
        )
    _check_count(labels, logits.numel(), logits)
    targets = labels.view(logits.shape).to(logits.dtype)
    apart = mse_loss if problem == "regression" else binary_cross_entropy_with_logits
    losses: Tensor = apart(logits, targets, reduction="none")
    return losses.squeeze(-1) if losses.shape[-1] == 1 else losses.mean(-1)


def shares(labels: Tensor, problem: Problem, weights: Tensor | None = None) -> Tensor:
    """What each example counts in the mean loss, `(b,)`: true, or its class's weight.

    One whose label is -100 counts nothing.
    """
    if problem != "single_label_classification":
        return torch.ones(len(labels), dtype=torch.bool, device=labels.device)
    classes = labels.view(-1)
    there = classes != IGNORED
    if weights is None:
        return there
    return weights.to(labels.device)[classes.where(there, 0)] * there


def _check_count(labels: Tensor, expected: int, logits: Tensor) -> None:
    if labels.numel() != expected:
        raise FreeLBTuneError(
            f"labels have the shape {tuple(labels.shape)} and logits {tuple(logits.shape)}; write "
            "one class per example, or with several labels or values one number for each of them"
        )
