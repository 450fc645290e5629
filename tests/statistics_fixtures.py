"""Made-up searches for the tests of the statistics."""

import numpy as np

from freelb_tune.results.statistics.comparing.arms import Arm, Run
from freelb_tune.results.statistics.comparing.contrast import contrasts


def run(seed, right, labels=None):
    """A run of a two-class task that gets the examples right where `right` is 1."""
    right = np.asarray(right, dtype=int)
    labels = np.arange(len(right)) % 2 if labels is None else labels
    predicted = np.where(right == 1, labels, 1 - labels)
    return Run(seed, float(right.mean()), np.eye(2, dtype=np.float32)[predicted], labels)


def arm(name, rights, clean="clean", planned=None, first_seed=1):
    """A configuration with one run per row of `rights`."""
    runs = tuple(run(first_seed + at, row) for at, row in enumerate(rights))
    return Arm(name, clean, name, planned or len(runs), runs)


def searched(table):
    """A search from `(1 + J, S, N)` right answers; arm 0 is clean."""
    names = ["clean", *(f"c{at}" for at in range(1, len(table)))]
    return [arm(name, rows) for name, rows in zip(names, table, strict=True)]


def scored(name, scores, clean="clean", planned=None):
    """A configuration of which scores are known and no predictions."""
    runs = tuple(Run(at, score) for at, score in enumerate(scores))
    return Arm(name, clean, name, planned or len(runs), runs)


def compare(arms, metric, better="higher"):
    """Every configuration beside its clean arm, as the table prints it."""
    return [one.comparison for one in contrasts(arms, metric, better)]
