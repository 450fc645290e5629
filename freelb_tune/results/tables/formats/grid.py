"""The table and the ranking as rows of text with bold marked: what Markdown and LaTeX share.

Room: results.
"""

from dataclasses import dataclass

from freelb_tune.results.statistics.comparing.comparison import Comparison
from freelb_tune.results.tables.contents.configuration import Configuration, Select
from freelb_tune.results.tables.contents.cost import Cost
from freelb_tune.results.tables.contents.metric import Measure
from freelb_tune.results.tables.contents.table import Entry, Ranked, Table
from freelb_tune.results.tables.formats.sentences import column_heading, entry_text
from freelb_tune.space.cells.naming import short_name
from freelb_tune.store import CellState

__all__ = [
    "Grid",
    "Text",
    "comparison_texts",
    "cost_headings",
    "print_ranking",
    "print_table",
    "score_text",
    "seeds_text",
]

_NAMED = 4  # most seeds that a row names; of more it says how many


@dataclass(frozen=True)
class Text:
    """What stands in one place of a grid."""

    text: str
    is_bold: bool = False


@dataclass(frozen=True)
class Grid:
    """Rows of text.

    Attributes:
        header: one heading per column.
        rows: as long as the header, each.
        numbers_from: the first column that holds results; those before it hold settings.
    """

    header: tuple[str, ...]
    rows: tuple[tuple[Text, ...], ...]
    numbers_from: int


def print_table(table: Table) -> Grid:
    """The table: a row's settings, then an entry for each column."""
    own = table.has_row_clean_arms
    header = [short_name(name) for name in table.row_names]
    for value in table.column_values:
        header.append(column_heading(table, value))
        if own:
            header.append(column_heading(table, value, "Clean arm"))
    rows = []
    for row in table.rows:
        texts = [Text(value.text) for value in row.settings]
        for entry in row.entries:
            texts.append(Text(entry_text(entry, table), entry.is_bold) if entry else Text(""))
            if own:
                texts.append(Text(_clean(entry, table)))
        rows.append(tuple(texts))
    return Grid(tuple(header), tuple(rows), len(table.row_names))


def print_ranking(table: Table) -> Grid:
    """The ranking: best epoch and last epoch side by side, and what else the table has.

    Further evaluation sets at the epoch that counts, the comparison, what it cost.
    """
    settings = [short_name(name) for name in table.rank_names]
    numbers = [f"{which} {what}" for which in ("best epoch", "last epoch") for what in _SPREAD]
    compared = list(_COMPARED) if _is_compared(table) else []
    further = [name.replace(".", " ") for name in table.further]
    cost = cost_headings(table.costs.device) if table.costs else ()
    header = ("rank", *settings, f"{table.replicate}s", *numbers, *further, *compared, *cost)
    rows = tuple(_ranked(each, table) for each in table.ranking)
    return Grid(header, rows, 1 + len(settings))


def cost_headings(device: str) -> tuple[str, ...]:
    """The columns of a cost: `passes`, `CPU-hours`, `peak GiB`."""
    return "passes", f"{device}-hours", "peak GiB"


_SPREAD = ("mean", "sd", "median")
_COMPARED = ("difference", "95 % interval", "adjusted p")


def _ranked(ranked: Ranked, table: Table) -> tuple[Text, ...]:
    """One row of the ranking."""
    entry, config, measure = ranked.entry, ranked.entry.config, table.measure
    is_clean_arm = config.arm == "clean" and ranked.place is None
    place = "clean" if is_clean_arm else str(ranked.place or "-")
    texts = [place, *(value.text for value in ranked.settings), seeds_text(config, table)]
    texts += _spread(config, "best_epoch", measure)
    texts += _spread(config, "last_epoch", measure)
    further = [config.spread(table.layout.select, name) for name in table.further]
    texts += [measure.show(spread.mean) if spread else "-" for spread in further]
    if _is_compared(table):
        texts += comparison_texts(entry.comparison, measure)
    if table.costs:
        texts += _cost(table.costs.by_config.get(config.config_id))
    chosen = 2 + len(ranked.settings) + (0 if table.layout.select == "best_epoch" else len(_SPREAD))
    return tuple(Text(text, entry.is_bold and at == chosen) for at, text in enumerate(texts))


def _is_compared(table: Table) -> bool:
    """Whether configurations are compared with their clean arms; before the planned end none is."""
    return table.verdict is not None and bool(table.verdict.comparisons)


def seeds_text(config: Configuration, table: Table) -> str:
    """Seeds finished of planned, which are missing and why: `2/3 (seed 3 failed)`."""
    missing = []
    for state, word in _MISSING.items():
        seeds = [str(each.seed) for each in config.seeds if each.state is state]
        if seeds and (state is not CellState.WAITING or table.end is not None):
            named = f"seed{'s' * (len(seeds) > 1)} {', '.join(seeds)}"
            named = named if len(seeds) <= _NAMED else str(len(seeds))
            missing.append(word if config.planned == 1 else f"{named} {word}")
    said = f"{config.finished}/{config.planned}"
    return f"{said} ({'; '.join(missing)})" if missing else said


_MISSING = {
    CellState.FAILED: "failed",
    CellState.DIVERGED: "diverged",
    CellState.STOPPED: "stopped early",
    CellState.DROPPED: "not run",
    CellState.WAITING: "not run",
}


def score_text(config: Configuration, select: Select, measure: Measure) -> str:
    """The mean over the finished seeds; without one, what it had where it was ended early."""
    spread = config.spread(select)
    if spread:
        return measure.show(spread.mean)
    ended = config.stopped_at(select)
    return f"{measure.show(ended[1])} by epoch {ended[0]}" if ended else "-"


def _spread(config: Configuration, select: Select, measure: Measure) -> list[str]:
    """Mean, deviation, median; "-" for what there is none of."""
    spread = config.spread(select)
    if spread is None:
        return [score_text(config, select, measure), "-", "-"]
    sd = "-" if spread.sd is None else measure.show(spread.sd)
    return [measure.show(spread.mean), sd, measure.show(spread.median)]


def _cost(cost: Cost | None) -> list[str]:
    """Passes, hours and memory; "-" for what there is none of."""
    if cost is None:
        return ["-"] * 3
    peak = "-" if cost.peak_gib is None else f"{cost.peak_gib:.2f}"
    return [f"{cost.passes:.0f}", f"{cost.device_hours:.3g}", peak]


def comparison_texts(comparison: Comparison | None, measure: Measure) -> list[str]:
    """Difference from the clean arm, its interval and its p; one seed alone has neither."""
    if comparison is None or comparison.difference is None:
        return ["-", "-", "-"]
    difference = measure.show_difference(comparison.difference)
    interval = "one seed" if comparison.n_seeds == 1 else "-"
    if comparison.low is not None and comparison.high is not None:
        low, high = (measure.show_difference(end) for end in (comparison.low, comparison.high))
        interval = f"{low} to {high}"
    return [difference, interval, _chance(comparison.p_adjusted)]


def _chance(p: float | None) -> str:
    """A p value as printed; none is so small that it prints as 0."""
    if p is None:
        return "-"
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def _clean(entry: Entry | None, table: Table) -> str:
    """The entry's own clean arm, where rows differ in theirs."""
    if entry is None or entry.clean is None:
        return ""
    return entry_text(Entry(entry.clean, None, None, is_bold=False), table)
