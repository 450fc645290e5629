"""How far two predictions for the same examples are apart.

Room: adversary. Letters: b examples, C classes. One class is a regression.
"""

import torch
from torch import Tensor
from torch.nn.functional import log_softmax

__all__ = ["kl", "symmetric"]


def kl(target: Tensor, logits: Tensor) -> Tensor:
    """KL(target || prediction) of each example, `(b,)`, in nats; squared difference if C is 1.

    Args:
        target: logits of the distribution that is taken as given, `(b, C)`.
        logits: logits of the other one, `(b, C)`.
    """
    if logits.shape[-1] == 1:
        return (_wide(logits) - _wide(target)).square().squeeze(-1)
    log_p, log_q = log_softmax(_wide(target), -1), log_softmax(_wide(logits), -1)
    return (log_p.exp() * (log_p - log_q)).sum(-1)


def symmetric(first: Tensor, second: Tensor) -> Tensor:
    """KL(p || q) + KL(q || p) of each example, `(b,)`, in nats; squared difference if C is 1.

    Args:
        first: logits of p, `(b, C)`.
        second: logits of q, `(b, C)`.
    """
    if first.shape[-1] == 1:
        return kl(first, second)
    log_p, log_q = log_softmax(_wide(first), -1), log_softmax(_wide(second), -1)
    return ((log_p.exp() - log_q.exp()) * (log_p - log_q)).sum(-1)


def _wide(logits: Tensor) -> Tensor:
    """At least float32: the two predictions may differ by less than bfloat16 can tell."""
    return logits.to(torch.promote_types(logits.dtype, torch.float32))
