"""How far a model's confidence is from how often it is right.

Room: results. Logits and labels in, one number out.

Reference:
    Guo, Pleiss, Sun & Weinberger, "On Calibration of Modern Neural Networks", ICML 2017,
    arXiv:1706.04599, equation 5, with its 15 bins of equal width.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["BINS", "calibration_error"]

BINS = 15


def calibration_error(logits: NDArray[Any], labels: NDArray[Any]) -> float | None:
    """Expected calibration error, a fraction: 0 where a model is right as often as it claims.

    Args:
        logits: `(N, C)`.
        labels: class numbers, `(N,)`.

    Returns:
        None for real values and for several labels, which have no one confidence.
    """
    if labels.ndim != 1 or logits.ndim != 2 or logits.shape[1] < 2:
        return None
    shifted = np.asarray(logits, dtype=np.float64)
    odds = np.exp(shifted - shifted.max(axis=1, keepdims=True))
    confidence = odds.max(axis=1) / odds.sum(axis=1)
    right = logits.argmax(axis=1) == labels
    # a bin holds its upper end and not its lower one, as in the paper
    bins = np.clip(np.ceil(confidence * BINS).astype(int) - 1, 0, BINS - 1)
    gaps = np.bincount(bins, right - confidence, minlength=BINS)
    return float(abs(gaps).sum() / len(labels))
