"""The columns of `configurations.csv`, each declared once.

Room: results. As `columns`, for one row per configuration: a place in the ranking with its scores
and what they are compared with.
"""

from collections.abc import Callable

from freelb_tune.results.tables.columns.column import Column, Dtype, dtype_of, settled
from freelb_tune.results.tables.columns.columns import (
    ARM,
    CLEAN_ID,
    CONFIG_ID,
    DIFFERENCE,
    HIGH,
    LOW,
    SETTING,
    in_sections,
)
from freelb_tune.results.tables.contents.axes import shown
from freelb_tune.results.tables.contents.configuration import Select, Spread
from freelb_tune.results.tables.contents.metric import Measure
from freelb_tune.results.tables.contents.table import Ranked, Table

__all__ = ["CONFIGURATIONS", "configuration_columns"]

Pick = Callable[[Ranked], Spread | None]


def _config(name: str, dtype: Dtype, meaning: str) -> Column[Ranked]:
    """An attribute of `Configuration`."""
    return Column(name, dtype, meaning, lambda r: getattr(r.entry.config, name))


def _compared(name: str, dtype: Dtype, meaning: str) -> Column[Ranked]:
    """An attribute of `Comparison`."""

    def value(ranked: Ranked) -> object:
        compared = ranked.entry.comparison
        return compared and settled(getattr(compared, name))

    return Column(name, dtype, meaning, value)


def _flips(name: str, meaning: str) -> Column[Ranked]:
    """An attribute of `Flips`."""

    def count(ranked: Ranked) -> object:
        flips = ranked.entry.comparison and ranked.entry.comparison.flips
        return flips and getattr(flips, name)

    return Column(name, "float64", meaning, count)


_CONFIGURATION: tuple[Column[Ranked], ...] = (
    Column(
        "place",
        "Int64",
        "1 for the best; none for incomplete ones and clean arms",
        lambda r: r.place,
    ),
    _config("config_id", "string", CONFIG_ID),
    _config("clean_id", "string", CLEAN_ID),
    _config("arm", "string", ARM),
)


def _measured(measure: Measure | None = None) -> tuple[Column[Ranked], ...]:
    """What the scores are of, and their unit."""
    return (
        Column("metric", "string", "what the scores are of", lambda _: measure and measure.name),
        Column(
            "unit",
            "string",
            'of scores, their deviations and differences: "fraction" (0.8014 for 80.14 %) or, of '
            'errors, "as measured"',
            lambda _: measure and measure.unit,
        ),
    )


_SEEDS: tuple[Column[Ranked], ...] = (
    _config("planned", "Int64", "seeds of the plan; with folds, cells"),
    Column("n", "Int64", "those that were trained to the end", lambda r: r.entry.config.finished),
)
_COMPARED = (
    _compared("difference", "float64", DIFFERENCE),
    _compared("low", "float64", LOW),
    _compared("high", "float64", HIGH),
    _compared("gain_below", "float64", "its gain is below this with 95 % confidence"),
    _compared("p_adjusted", "float64", "p value, adjusted over all configurations"),
    _compared(
        "p_equivalent", "float64", "p value of the two one-sided tests at the margin, adjusted"
    ),
    _compared("better", "boolean", "whether it is better than its clean arm by more than chance"),
    _flips("beneficial", "examples, mean per seed: wrong in the clean arm, right here"),
    _flips("harmful", "examples, mean per seed: right in the clean arm, wrong here"),
)


def _over_seeds(prefix: str, of: str, pick: Pick) -> tuple[Column[Ranked], Column[Ranked]]:
    """Mean and deviation of one set of scores."""
    return (
        Column(f"{prefix}mean", "float64", f"mean over the finished seeds {of}", _of(pick, "mean")),
        Column(f"{prefix}sd", "float64", f"sample standard deviation {of}", _of(pick, "sd")),
    )


def _of(pick: Pick, name: str) -> Callable[[Ranked], object]:
    def value(ranked: Ranked) -> object:
        spread = pick(ranked)
        return spread and getattr(spread, name)

    return value


def _scores(select: Select) -> tuple[Column[Ranked], ...]:
    """Scores of a configuration and of its clean arm, at the epoch that counts and at both."""

    def clean(ranked: Ranked) -> Spread | None:
        return ranked.entry.clean.spread(select) if ranked.entry.clean else None

    return (
        *_over_seeds("", "at the epoch that counts", lambda r: r.entry.config.spread(select)),
        *_over_seeds("clean_", "of the clean arm at the epoch that counts", clean),
        *_COMPARED,
        *_over_seeds(
            "best_epoch_",
            "at each seed's best epoch",
            lambda r: r.entry.config.spread("best_epoch"),
        ),
        *_over_seeds(
            "last_epoch_",
            "at each seed's last epoch",
            lambda r: r.entry.config.spread("last_epoch"),
        ),
    )


def _tried(name: str, table: Table | None = None) -> Column[Ranked]:
    ranking = table.ranking if table else ()
    dtype = dtype_of(each.entry.config.settings.get(name) for each in ranking)
    return Column(name, dtype, SETTING, lambda r: shown(r.entry.config, name).value)


CONFIGURATIONS = (
    *_CONFIGURATION,
    _tried("SECTION.SETTING"),
    *_measured(),
    *_SEEDS,
    *_scores("best_epoch"),
)
"""Every column of `configurations.csv`, for the reader."""


def configuration_columns(table: Table) -> tuple[Column[Ranked], ...]:
    """The columns of `configurations.csv`, whose rows are the table's ranking."""
    settings = in_sections(n for each in table.ranking for n in each.entry.config.settings)
    return (
        *_CONFIGURATION,
        *(_tried(name, table) for name in settings),
        *_measured(table.measure),
        *_SEEDS,
        *_scores(table.layout.select),
    )
