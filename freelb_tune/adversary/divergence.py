"""How far two predictions for the same examples are apart.

Room: adversary. Letters: b examples; C classes, labels or values.
"""

from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import log_softmax

__all__ = ["Problem", "kl", "symmetric"]

Problem = Literal["single_label_classification", "multi_label_classification", "regression"]
"""What logits are of: transformers' `problem_type`."""


def kl(target: Tensor, logits: Tensor, problem: Problem) -> Tensor:
    """KL(target || prediction) of each example, `(b,)`, in nats.

    With several labels, each of them yes or no, the mean over the labels. For values, the squared
    difference, mean over the values.

    Args:
        target: logits of the distribution that is taken as given, `(b, C)`.
        logits: logits of the other one, `(b, C)`.
        problem: what they are logits of.
    """
    if problem == "regression":
        return _apart(target, logits)
    log_p, log_q = _log_probs(target, problem), _log_probs(logits, problem)
    return _of_examples((log_p.exp() * (log_p - log_q)).sum(-1))


def symmetric(first: Tensor, second: Tensor, problem: Problem, *, fixed: bool = False) -> Tensor:
    """KL(p || q) + KL(q || p) of each example, `(b,)`, in nats; for values as `kl`.

    Args:
        first: logits of p, `(b, C)`.
        second: logits of q, `(b, C)`.
        problem: what they are logits of.
        fixed: take each half's target as given: the same value, half the gradient.
    """
    if problem == "regression":
        return _apart(first, second)
    if fixed:
        return kl(first.detach(), second, problem) + kl(second.detach(), first, problem)
    log_p, log_q = _log_probs(first, problem), _log_probs(second, problem)
    return _of_examples(((log_p.exp() - log_q.exp()) * (log_p - log_q)).sum(-1))


def _log_probs(logits: Tensor, problem: Problem) -> Tensor:
    """`(b, C)`; with several labels `(b, C, 2)`, for yes and for no."""
    x = _wide(logits)
    if problem == "multi_label_classification":
        x = torch.stack([x, torch.zeros_like(x)], -1)
    return log_softmax(x, -1)


def _of_examples(divergence: Tensor) -> Tensor:
    return divergence if divergence.ndim == 1 else divergence.mean(-1)


def _apart(first: Tensor, second: Tensor) -> Tensor:
    apart = (_wide(second) - _wide(first)).square()
    return apart.squeeze(-1) if apart.shape[-1] == 1 else apart.mean(-1)


def _wide(logits: Tensor) -> Tensor:
    """At least float32: the two predictions may differ by less than bfloat16 can tell."""
    return logits.to(torch.promote_types(logits.dtype, torch.float32))
