"""Coverage of the intervals for other examples, for metrics that are no means over examples.

Runs the package's own functions, one search at a time.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from bench.statistics.generator import Truth, correct
from bench.statistics.studies import seed_sd, share
from freelb_tune.results.statistics.comparing.arms import Arm, Run
from freelb_tune.results.statistics.comparing.contrast import contrasts

__all__ = ["metric_coverage", "search_of"]


def search_of(
    right: NDArray[np.float32], labels: NDArray[np.int64], *, is_accuracy: bool = True
) -> list[Arm]:
    """One simulated search, `(1 + J, S, N)` right answers, as the package reads it.

    Its runs' scores are their accuracies, or left to be found from their predictions.
    """
    arms = []
    for at, runs in enumerate(right):
        made = []
        for seed, row in enumerate(runs):
            predicted = np.where(row > 0, labels, 1 - labels)
            score = float(row.mean()) if is_accuracy else None
            made.append(Run(seed, score, np.eye(2)[predicted], labels))
        name = "clean" if at == 0 else f"c{at}"
        arms.append(Arm(name, "clean", name, len(made), tuple(made)))
    return arms


def metric_coverage(searches: int, rng: np.random.Generator) -> Iterator[list[str]]:
    """Coverage of the intervals of F1, Matthews, Pearson and Spearman; no and some difference."""
    for metric in ("f1", "matthews", "pearson", "spearman"):
        for n_dev in (71, 277, 1500):
            for seeds in (1, 2, 3, 5):
                row = [metric, str(n_dev), str(seeds)]
                for effect in (0.0, 0.03):
                    draw = _regression if metric in ("pearson", "spearman") else _classification
                    hits = sum(draw(metric, n_dev, seeds, effect, rng) for _ in range(searches))
                    row.append(share(hits, searches))
                yield row


def _classification(
    metric: str, n_dev: int, seeds: int, effect: float, rng: np.random.Generator
) -> bool:
    spread = seed_sd(n_dev, _dispersion(seeds))
    truth = Truth(n_dev, seeds, 1, spread, effects=(effect,))
    labels = (rng.random(n_dev) < 0.68).astype(int)  # as MRPC and CoLA
    arms = search_of(correct(truth, 1, rng)[0], labels, is_accuracy=False)
    value = _true_f1 if metric == "f1" else _true_matthews
    return _holds(arms, metric, value(0.8 + effect) - value(0.8))


def _dispersion(seeds: int) -> float:
    """One search's; flips alone with one seed, as the interval is over examples only."""
    return 1.5 if seeds > 1 else 1.0


def _true_f1(accuracy: float, positive: float = 0.68) -> float:
    hit = positive * accuracy
    return 2 * hit / (hit + (1 - positive) * (1 - accuracy) + positive)


def _true_matthews(accuracy: float, positive: float = 0.68) -> float:
    called = positive * accuracy + (1 - positive) * (1 - accuracy)
    hit = positive * accuracy - positive * called
    return hit / (positive * (1 - positive) * called * (1 - called)) ** 0.5


def _regression(
    metric: str, n_dev: int, seeds: int, effect: float, rng: np.random.Generator
) -> bool:
    """Predictions are the label plus noise of the examples, of the runs and of the seeds."""
    # a correlation's variance over seeds is 0.5 n_dev varying^2 times its part from single examples
    varying = (2 * (_dispersion(seeds) - 1) / n_dev) ** 0.5
    target = rng.standard_normal(n_dev)
    shared = 0.35 * rng.standard_normal(n_dev)
    arms, noises = [], (0.30, 0.30 + 2 * effect)
    for at, noise in enumerate(noises):
        runs = []
        for seed in range(seeds):
            more = noise * (1 + varying * rng.standard_normal())
            logits = target + shared + more * rng.standard_normal(n_dev)
            runs.append(Run(seed, None, logits[:, None], target))
        name = ("clean", "c1")[at]
        arms.append(Arm(name, "clean", name, seeds, tuple(runs)))
    first, second = ((1 + 0.35**2 + noise**2) ** -0.5 for noise in noises)
    if metric == "spearman":
        first, second = (6 / np.pi * np.arcsin(each / 2) for each in (first, second))
    return _holds(arms, metric, second - first)


def _holds(arms: list[Arm], metric: str, truth: float) -> bool:
    one = contrasts(arms, metric)[0].comparison
    ends = (one.low, one.high)
    if one.other_examples is not None:
        ends = (one.other_examples.low, one.other_examples.high)
    assert ends[0] is not None
    assert ends[1] is not None
    return bool(ends[0] <= truth <= ends[1])
