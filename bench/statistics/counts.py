"""Published accuracies without predictions: what can be said from counts of right answers alone.

Room: results. Counts in, a Verdict out. Two published accuracies on one dev set say how many more
examples the one got right, not on how many the two disagree, and the test needs that number. So it
is assumed, stated, and its range is given.
"""

from collections.abc import Mapping

from freelb_tune.errors import FreeLBTuneError
from freelb_tune.results.statistics.answers.verdict import verdict_of
from freelb_tune.results.statistics.comparing.comparison import Comparison, Verdict
from freelb_tune.results.statistics.comparing.contrast import ONE_SEED, Contrast
from freelb_tune.results.statistics.numbers.mcnemar import Discordance
from freelb_tune.results.statistics.numbers.prior import prior_discordance

__all__ = ["counts_verdict", "possible_discordance"]


def possible_discordance(correct_a: int, correct_b: int, n_examples: int) -> tuple[int, int]:
    """Fewest and most examples on which two runs can disagree, given how many each got right."""
    fewest = abs(correct_a - correct_b)
    right, wrong = correct_a + correct_b, 2 * n_examples - correct_a - correct_b
    return fewest, min(right, wrong)


def counts_verdict(
    correct: Mapping[str, int], clean: int, n_examples: int, discordance: float | None = None
) -> Verdict:
    """The verdict on published counts, one run each, against one clean run.

    Args:
        correct: right answers by the configuration's name.
        clean: right answers of the clean arm.
        n_examples: examples of the dev set.
        discordance: assumed share of examples on which a run and the clean one disagree; the
            prior for that size of dev set where it is None. Where a count makes that share
            impossible the nearest possible one is taken.

    Returns:
        The verdict; each note gives the assumption and the range of p over all that is possible.

    Raises:
        FreeLBTuneError: a count is not between 0 and `n_examples`.
    """
    share = prior_discordance(n_examples) if discordance is None else discordance
    made = []
    for name, count in correct.items():
        for one in (count, clean):
            if not 0 <= one <= n_examples:
                raise FreeLBTuneError(
                    f"{name}: {one} right answers of {n_examples} examples cannot be; a count is "
                    f"between 0 and {n_examples}"
                )
        fewest, most = possible_discordance(count, clean, n_examples)
        assumed = _discordance(count - clean, share * n_examples, fewest, most, n_examples)
        closest = _discordance(count - clean, fewest, fewest, most, n_examples)
        farthest = _discordance(count - clean, most, fewest, most, n_examples)
        note = (
            f"{ONE_SEED}; counts only: {assumed.gained + assumed.lost} examples assumed to differ; "
            f"p over examples is {closest.p:.2g} with {fewest}, the fewest possible, and "
            f"{farthest.p:.2g} with {most}, the most"
        )
        low, high = assumed.interval()
        one = Comparison(name, "clean", 1, assumed.difference, low, high, note=note)
        made.append(Contrast(one, name))
    return verdict_of(made)


def _discordance(net: int, wanted: float, fewest: int, most: int, n_examples: int) -> Discordance:
    """The number of discordant examples nearest to `wanted` that leaves `net` gained."""
    total = min(max(round(wanted), fewest), most)
    # an odd one left over is in neither: gained + lost and gained - lost are both even or both odd
    return Discordance((total + net) // 2, (total - net) // 2, n_examples)
