"""Coverage for metrics that are no means over examples, and against the bootstrap.

Runs the package's own functions, one search at a time.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.stats import bootstrap

from bench.statistics.generator import Truth, correct
from bench.statistics.studies import drawn, seed_sd, share
from freelb_tune.results.statistics.arms import Arm, Run
from freelb_tune.results.statistics.contrast import compare

__all__ = ["bootstrap_coverage", "metric_coverage", "search_of"]


def search_of(right: NDArray[np.float32], labels: NDArray[np.int64]) -> list[Arm]:
    """One simulated search, `(1 + J, S, N)` right answers, as the package reads it."""
    arms = []
    for at, runs in enumerate(right):
        made = []
        for seed, row in enumerate(runs):
            predicted = np.where(row > 0, labels, 1 - labels)
            made.append(Run(seed, float(row.mean()), np.eye(2)[predicted], labels))
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
    spread = seed_sd(n_dev, _dispersion(seeds, rng))
    truth = Truth(n_dev, seeds, 1, spread, effects=(effect,))
    labels = (rng.random(n_dev) < 0.68).astype(int)  # as MRPC and CoLA
    arms = search_of(correct(truth, 1, rng)[0], labels)
    value = _true_f1 if metric == "f1" else _true_matthews
    return _holds(arms, metric, value(0.8 + effect) - value(0.8))


def _dispersion(seeds: int, rng: np.random.Generator) -> float:
    """One search's; flips alone with one seed, as the interval is over examples only."""
    return float(drawn(1, rng)[0]) if seeds > 1 else 1.0


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
    varying = (2 * (_dispersion(seeds, rng) - 1) / n_dev) ** 0.5
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
    one = compare(arms, metric)[0]
    assert one.low is not None
    assert one.high is not None
    return bool(one.low <= truth <= one.high)


def bootstrap_coverage(searches: int, rng: np.random.Generator) -> Iterator[list[str]]:
    """The same searches by other intervals: bootstraps and Student's t over seeds."""
    for seeds in (2, 3, 5):
        truth = Truth(277, seeds, 1, seed_sd(277, 1.5))
        hits, widths = np.zeros(4), np.zeros(4)
        for _ in range(searches):
            right = correct(truth, 1, rng)[0]
            table = (right[1] - right[0]).astype(float)
            ends = [_t_over_seeds(table), _over_seeds(table, rng), _both_ways(table, rng)]
            ours = compare(search_of(right, rng.integers(0, 2, 277)), "accuracy")[0]
            assert ours.low is not None
            assert ours.high is not None
            ends.append((ours.low, ours.high))
            for at, (low, high) in enumerate(ends):
                hits[at] += low <= 0 <= high
                widths[at] += (high - low) / 2
        cells = [
            f"{share(hit, searches)} (± {100 * width / searches:.1f})"
            for hit, width in zip(hits, widths, strict=True)
        ]
        yield [str(seeds), *cells]


def _t_over_seeds(table: NDArray[np.float64]) -> tuple[float, float]:
    from scipy.special import stdtrit

    by_seed = table.mean(axis=1)
    reach = stdtrit(len(by_seed) - 1.0, 0.975) * by_seed.std(ddof=1) / len(by_seed) ** 0.5
    return by_seed.mean() - reach, by_seed.mean() + reach


def _over_seeds(table: NDArray[np.float64], rng: np.random.Generator) -> tuple[float, float]:
    by_seed = table.mean(axis=1)
    if np.ptp(by_seed) == 0:
        return by_seed[0], by_seed[0]
    found = bootstrap((by_seed,), np.mean, n_resamples=400, method="percentile", rng=rng)
    return found.confidence_interval.low, found.confidence_interval.high


def _both_ways(table: NDArray[np.float64], rng: np.random.Generator) -> tuple[float, float]:
    """Seeds and examples drawn again, each with replacement."""
    seeds, examples = table.shape
    draws = rng.multinomial(seeds, np.full(seeds, 1 / seeds), 400) / seeds
    cases = rng.multinomial(examples, np.full(examples, 1 / examples), 400) / examples
    means = np.einsum("bs,sn,bn->b", draws, table, cases)
    low, high = np.quantile(means, [0.025, 0.975])
    return low, high
