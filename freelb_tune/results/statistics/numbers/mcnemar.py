"""Two runs on the same examples: who is right more often, and the exact interval of it.

Room: results. Counts in, numbers out. With one seed there is no spread over seeds; what can be
said is how these two models differ on examples like these.

Reference:
    McNemar, Psychometrika 12, 1947: only the examples that one run gets right and the other wrong
    matter; exactly, the count of one kind is Binomial(all of them, 1/2) under no difference. The
    interval is Clopper and Pearson's for that binomial share, scaled to the dev set.
"""

from dataclasses import dataclass

__all__ = ["Discordance"]


@dataclass(frozen=True)
class Discordance:
    """Examples that two runs see differently.

    Attributes:
        gained: right in the configuration's run, wrong in the clean one.
        lost: wrong in the configuration's run, right in the clean one.
        n_examples: all examples of the dev set.
    """

    gained: int
    lost: int
    n_examples: int

    @property
    def difference(self) -> float:
        """Difference of the two accuracies."""
        return (self.gained - self.lost) / self.n_examples

    @property
    def p(self) -> float:
        """Exact two-sided McNemar p value; 1 where the runs agree on every example."""
        if self.gained + self.lost == 0:
            return 1.0
        from scipy.stats import binomtest

        return float(binomtest(self.gained, self.gained + self.lost).pvalue)

    def interval(self) -> tuple[float, float]:
        """95 % interval of the difference over examples; excludes 0 exactly where p < 0.05."""
        discordant = self.gained + self.lost
        if discordant == 0:  # up to 1 - 0.025^(1/N) of examples may still differ either way
            reach = 1 - 0.025 ** (1 / self.n_examples)
            return -reach, reach
        from scipy.stats import binomtest

        share = binomtest(self.gained, discordant).proportion_ci(0.95, method="exact")
        scale = discordant / self.n_examples
        return float(2 * share.low - 1) * scale, float(2 * share.high - 1) * scale
