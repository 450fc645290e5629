"""What the statistics say of a search: each configuration against its clean arm, and one sentence.

Room: results. Plain records between the statistics, which fill them, and the tables, which print
them. Differences are fractions (0.01 is one point of accuracy), positive where the configuration
is better than its clean arm, whichever way its metric counts.
"""

from dataclasses import dataclass

__all__ = ["Comparison", "Flips", "Interval", "Verdict"]


@dataclass(frozen=True)
class Interval:
    """A difference with its 95 % interval."""

    difference: float
    low: float
    high: float


@dataclass(frozen=True)
class Flips:
    """Examples that a configuration and its clean arm see differently, mean per seed.

    Attributes:
        beneficial: wrong in the clean arm, right in the configuration.
        harmful: right in the clean arm, wrong in the configuration.
    """

    beneficial: float
    harmful: float


@dataclass(frozen=True)
class Comparison:
    """One configuration against its matched clean arm, over the seeds that both have.

    Attributes:
        config_id: the configuration.
        clean_id: its clean arm.
        n_seeds: seeds that both finished; the comparison is paired over them.
        difference: mean paired difference, as a fraction; None where nothing could be compared.
        low: lower end of the 95 % interval of the difference, over seeds on this dev set; with one
            seed that of these two models on other examples. None where there is none.
        high: upper end of it.
        p: p value against no difference over seeds, before the adjustment; None with one seed.
        p_adjusted: the same, adjusted over all configurations of the search.
        better: whether it is better than the clean arm after the adjustment.
        note: what a reader has to know of this comparison, such as "one seed"; None where there is
            nothing to say.
        other_examples: the difference with its interval for other dev examples, too; None without
            predictions of two seeds.
        gain_below: the gain is below this with 95 % confidence; None with one seed.
        p_equivalent: two one-sided tests at the margin that the space gives, adjusted over all
            configurations; None without a margin.
        flips: where there are predictions of classes.
        collapsed: its seeds that collapsed.
        clean_collapsed: those of its clean arm.
        whole: the difference among whole runs, where one of these collapsed.
        n_folds: with cross-validation, the folds that it is paired over, each the mean of its
            seeds; 0 for none. Then the interval is for other data of this size.
    """

    config_id: str
    clean_id: str
    n_seeds: int
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    p_adjusted: float | None = None
    better: bool = False
    note: str | None = None
    other_examples: Interval | None = None
    gain_below: float | None = None
    p_equivalent: float | None = None
    flips: Flips | None = None
    collapsed: tuple[int, ...] = ()
    clean_collapsed: tuple[int, ...] = ()
    whole: Interval | None = None
    n_folds: int = 0

    @property
    def over(self) -> str:
        """What is the replicate: "seeds" or "folds"."""
        return "folds" if self.n_folds else "seeds"

    @property
    def replicates(self) -> int:
        """How many of these there are."""
        return self.n_folds or self.n_seeds


@dataclass(frozen=True)
class Verdict:
    """What a search has shown.

    Attributes:
        sentence: the one plain sentence under the table.
        comparisons: every configuration that could be compared, in plan order.
        better: ids of the configurations that survive the adjustment: what `bold: significant`
            prints in bold.
        footnotes: further sentences for the table's footer, in the order to be printed.
        margin: differences below this were said not to matter, as a fraction; None: not asked.
    """

    sentence: str
    comparisons: tuple[Comparison, ...] = ()
    better: frozenset[str] = frozenset()
    footnotes: tuple[str, ...] = ()
    margin: float | None = None
