"""The best adversarial configuration and its clean arm on every evaluation set.

Room: results. A table in, `robustness.md` and `robustness.csv` out; what is tested comes from
`results/analysis.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from freelb_tune.results.statistics.comparing.comparison import Comparison
from freelb_tune.results.tables.columns.column import Column, Dtype, settled
from freelb_tune.results.tables.columns.columns import CLEAN_ID, CONFIG_ID, DIFFERENCE, HIGH, LOW
from freelb_tune.results.tables.contents.configuration import Configuration, Spread
from freelb_tune.results.tables.contents.metric import Measure
from freelb_tune.results.tables.contents.table import Table
from freelb_tune.results.tables.formats.csv_text import columns_to_csv
from freelb_tune.results.tables.formats.grid import Grid, Text, comparison_texts
from freelb_tune.results.tables.formats.markdown import markdown_grid, markdown_line, markdown_notes
from freelb_tune.results.tables.formats.sentences import configuration_name, spread_text

__all__ = [
    "COLUMNS",
    "OneSet",
    "Robustness",
    "robustness_grid",
    "robustness_of",
    "robustness_sentence",
    "robustness_title",
    "to_robustness",
]

_HEADER = ("set", "examples", "clean arm", "best adversarial", "difference", "95 % interval",
           "adjusted p", "ECE clean", "ECE adversarial")  # fmt: skip


@dataclass(frozen=True)
class OneSet:
    """One evaluation set.

    Attributes:
        name: the set's.
        metric: what is measured.
        best: the configuration that is shown.
        best_scores: its scores; None where no seed has any.
        clean_scores: its clean arm's.
        examples: of the set; None where no predictions are kept.
        comparison: of the two; None before the planned end.
        best_ece: expected calibration error, mean over seeds; None without classes.
        clean_ece: the same of its clean arm.
    """

    name: str
    metric: str
    best: Configuration
    best_scores: Spread | None
    clean_scores: Spread | None
    examples: int | None = None
    comparison: Comparison | None = None
    best_ece: float | None = None
    clean_ece: float | None = None


@dataclass(frozen=True)
class Robustness:
    """The best adversarial configuration on every set.

    Attributes:
        table: the search's.
        rows: a row for each set, the dev set first.
        notes: how to read them.
    """

    table: Table
    rows: tuple[OneSet, ...]
    notes: tuple[str, ...] = ()

    @property
    def sets(self) -> list[str]:
        """Names of the further sets."""
        return [each.name for each in self.rows[1:]]


def robustness_of(table: Table, *, is_tested: bool = False) -> Robustness | None:
    """The means, before anything is tested.

    Args:
        table: the table.
        is_tested: whether there are predictions on `data.test`.

    Returns:
        None where there is neither a further set nor a test set, or no adversarial configuration
        with all its seeds.
    """
    best = table.best_adversarial or table.best
    if not (table.further or is_tested) or best is None or best.arm == "clean":
        return None
    clean = next((each for each in table.clean if each.config_id == best.clean_id), None)
    name, select = table.measure.name, table.layout.select
    rows = []
    for full in (None, *table.further):
        own = "dev" if full is None else full.removesuffix(f".{name}")
        other = clean.spread(select, full) if clean else None
        rows.append(OneSet(own, name, best, best.spread(select, full), other))
    return Robustness(table, tuple(rows))


def to_robustness(found: Robustness) -> dict[str, str]:
    """The files' contents by their names."""
    return {
        "robustness.md": _markdown(found),
        "robustness.csv": columns_to_csv(COLUMNS, found.rows),
    }


def robustness_title(found: Robustness) -> str:
    """What is compared."""
    name = configuration_name(found.rows[0].best, found.table)
    return (
        f"{found.table.measure.name} of {name}, the best of those that perturb by the dev set, and "
        "of its clean arm."
    )


def robustness_grid(found: Robustness) -> Grid:
    """A row of text for each set."""
    measure = found.table.measure
    rows = tuple(tuple(map(Text, _texts(row, measure))) for row in found.rows)
    return Grid(_HEADER, rows, 1)


def _markdown(found: Robustness) -> str:
    parts = [
        f"# {markdown_line(f'Robustness: {found.table.name}')}",
        markdown_line(robustness_title(found)),
        markdown_grid(robustness_grid(found)),
        markdown_line(robustness_sentence(found)),
        markdown_notes(found.notes),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _texts(row: OneSet, measure: Measure) -> list[str]:
    return [
        row.name,
        "-" if row.examples is None else str(row.examples),
        spread_text(row.clean_scores, measure),
        spread_text(row.best_scores, measure),
        *comparison_texts(row.comparison, measure),
        *("-" if each is None else f"{100 * each:.2f}" for each in (row.clean_ece, row.best_ece)),
    ]


def robustness_sentence(found: Robustness) -> str:
    """What the further sets show; what the verdict says where nothing was tested."""
    tested = {
        row.name: row.comparison for row in found.rows[1:] if row.comparison and row.comparison.p
    }
    if not tested:
        return found.table.verdict.sentence if found.table.verdict else ""
    better = [name for name, one in tested.items() if one.better]
    worse = [
        name
        for name, one in tested.items()
        if (one.p_adjusted or 0.0) <= 0.05 and (one.difference or 0.0) < 0
    ]
    rest = [name for name in tested if name not in (*better, *worse)]
    said = [
        f"{words} on {', '.join(names)}"
        for words, names in (
            ("better than its clean arm", better),
            ("worse than its clean arm", worse),
            ("not distinguishable from its clean arm", rest),
        )
        if names
    ]
    name = configuration_name(found.rows[0].best, found.table)
    return f"Beside the dev set {name} is {'; '.join(said)}."


def _compared(name: str, dtype: Dtype, meaning: str) -> Column[OneSet]:
    return Column(
        name, dtype, meaning, lambda row: row.comparison and settled(getattr(row.comparison, name))
    )


def _spread(which: str, name: str, meaning: str) -> Column[OneSet]:
    def value(row: OneSet) -> object:
        scores = row.best_scores if which == "best" else row.clean_scores
        return scores and getattr(scores, name)

    dtype: Dtype = "Int64" if name == "n" else "float64"
    return Column(f"{which}_{name}", dtype, meaning, value)


COLUMNS: Sequence[Column[OneSet]] = (
    Column("set", "string", "the evaluation set; the dev set is the first", lambda row: row.name),
    Column("metric", "string", "what the scores are of", lambda row: row.metric),
    Column("config_id", "string", CONFIG_ID, lambda row: row.best.config_id),
    Column("clean_id", "string", CLEAN_ID, lambda row: row.best.clean_id),
    Column("examples", "Int64", "examples of the set", lambda row: row.examples),
    _spread("best", "n", "seeds of the configuration that finished"),
    _spread("best", "mean", "its mean over them, each at the epoch that counts on dev"),
    _spread("best", "sd", "sample standard deviation of that"),
    _spread("clean", "n", "seeds of its clean arm that finished"),
    _spread("clean", "mean", "the clean arm's mean over them"),
    _spread("clean", "sd", "sample standard deviation of that"),
    _compared("difference", "float64", DIFFERENCE),
    _compared("low", "float64", LOW),
    _compared("high", "float64", HIGH),
    _compared(
        "p_adjusted",
        "float64",
        "p value, adjusted over all configurations on all further sets; on dev over all "
        "configurations",
    ),
    _compared("better", "boolean", "whether it is better than its clean arm by more than chance"),
    Column(
        "best_ece",
        "float64",
        "expected calibration error in 15 bins, mean over seeds; none without classes",
        lambda row: row.best_ece,
    ),
    Column("clean_ece", "float64", "the same of the clean arm", lambda row: row.clean_ece),
)
"""Of `robustness.csv`."""
