"""What the statistics say of a search: each configuration against its clean arm, and one sentence.

Room: results. Plain records between the statistics, which fill them, and the tables, which print
them. Differences are fractions (0.01 is one point of accuracy), positive where the configuration
is better than its clean arm, whichever way its metric counts.
"""

from dataclasses import dataclass

__all__ = ["Comparison", "Verdict"]


@dataclass(frozen=True)
class Comparison:
    """One configuration against its matched clean arm, over the seeds that both have.

    Attributes:
        config_id: the configuration.
        clean_id: its clean arm.
        n_seeds: seeds that both finished; the comparison is paired over them.
        difference: mean paired difference, as a fraction; None where nothing could be compared.
        low: lower end of the 95 % interval of the difference; None where there is none.
        high: upper end of it.
        p: p value against no difference, before the adjustment.
        p_adjusted: the same, adjusted over all configurations of the search.
        better: whether it is better than normal training after the adjustment.
        note: what a reader has to know of this comparison, such as "one seed: interval over
            examples only"; None where there is nothing to say.
    """

    config_id: str
    clean_id: str
    n_seeds: int
    difference: float | None
    low: float | None
    high: float | None
    p: float | None
    p_adjusted: float | None
    better: bool
    note: str | None = None


@dataclass(frozen=True)
class Verdict:
    """What a search has shown.

    Attributes:
        sentence: the one plain sentence under the table.
        comparisons: every configuration that could be compared, in plan order.
        better: ids of the configurations that survive the adjustment: what `bold: significant`
            prints in bold.
        footnotes: further sentences for the table's footer, in the order to be printed.
    """

    sentence: str
    comparisons: tuple[Comparison, ...] = ()
    better: frozenset[str] = frozenset()
    footnotes: tuple[str, ...] = ()
