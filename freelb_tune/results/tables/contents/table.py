"""The result table as numbers: rows, columns, clean arms, ranking. Rendering is elsewhere.

Room: results. A store in, one frozen object out, from which every format is made.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from freelb_tune.results.statistics.comparing.comparison import Comparison, Verdict
from freelb_tune.results.tables.contents.axes import Layout, Shown
from freelb_tune.results.tables.contents.configuration import Configuration
from freelb_tune.results.tables.contents.cost import Costs
from freelb_tune.results.tables.contents.metric import Measure
from freelb_tune.store import CellState, End

__all__ = ["Entry", "Ranked", "Row", "Table"]


@dataclass(frozen=True)
class Entry:
    """A configuration in the table.

    Attributes:
        config: its results.
        clean: its clean arm's; None where that is switched off, or for a clean arm itself.
        comparison: what the statistics say of it; None without a verdict.
        is_bold: whether it is printed in bold.
    """

    config: Configuration
    clean: Configuration | None
    comparison: Comparison | None
    is_bold: bool


@dataclass(frozen=True)
class Row:
    """One row: the settings that make it, and an entry for each column.

    Attributes:
        settings: in the order of the table's `row_names`.
        entries: in the order of its `column_values`; None for a combination that was not tried.
    """

    settings: tuple[Shown, ...]
    entries: tuple[Entry | None, ...]


@dataclass(frozen=True)
class Ranked:
    """One row of the ranking.

    Attributes:
        place: 1 for the best; equal means share a place. None for a clean arm, and for a
            configuration with a seed missing: it stands after every complete one.
        settings: in the order of the table's `rank_names`.
        entry: the configuration.
    """

    place: int | None
    settings: tuple[Shown, ...]
    entry: Entry


@dataclass(frozen=True)
class Table:
    """Everything that a table says.

    Attributes:
        name: the space's name.
        measure: what is compared.
        layout: which settings make rows and columns.
        column_values: the column setting's values in plan order; one that does not apply where
            there is no column setting.
        rows: in plan order.
        clean: the clean arms, in plan order.
        ranking: complete configurations by their means, then incomplete ones, then the clean arms.
        states: how many cells are in which state.
        seeds: seeds of the plan.
        folds: folds that each seed is run in; None where the data has a dev set.
        others: cells of earlier plans, which are not shown.
        fixed: settings that all cells share, by dotted name; "task" and the like among them.
        verdict: what the statistics say; None where they have not been asked.
        further: the same metric on further evaluation sets, `advglue.accuracy`; shown in the
            ranking.
        costs: what each configuration has cost; None where the space does not ask.
        best: the configuration with the best mean of all, clean arms among them; None before one is
            complete.
        best_adversarial: the same of those that perturb, where `best` is another.
        models: the ids of the configurations whose models the results folder holds, by `best` and
            `best_adversarial`; empty where it holds none, such as a record without models.
        cut: how many texts are cut, a sentence for each data, tokenizer and length; none if none.
        end: the limit that ended the search before every cell was over; None where none did.
        algorithm: of the search; empty where its space does not say.
        by_rounds: whether its rounds of seeds answered the verdict's question.
        damaged: what is wrong with cells' logs, a sentence each; they count as still to come.
    """

    name: str
    measure: Measure
    layout: Layout
    column_values: tuple[Shown, ...]
    rows: tuple[Row, ...]
    clean: tuple[Configuration, ...]
    ranking: tuple[Ranked, ...]
    states: Mapping[CellState, int]
    seeds: tuple[int, ...]
    others: int
    fixed: Mapping[str, Shown]
    verdict: Verdict | None
    further: tuple[str, ...] = ()
    costs: Costs | None = None
    cut: tuple[str, ...] = ()
    end: End | None = None
    damaged: tuple[str, ...] = ()
    best: Configuration | None = None
    best_adversarial: Configuration | None = None
    models: Mapping[str, str] = field(default_factory=dict)
    algorithm: str = ""
    by_rounds: bool = False
    folds: int | None = None

    @property
    def replicate(self) -> str:
        """What a configuration has several of: "seed"; with folds, "cell"."""
        return "cell" if self.folds else "seed"

    @property
    def row_names(self) -> tuple[str, ...]:
        """Dotted names of the settings that make the rows."""
        return self.layout.rows

    @property
    def rank_names(self) -> tuple[str, ...]:
        """Dotted names of the settings that tell configurations apart in the ranking."""
        column = self.layout.columns
        return self.layout.rows if column is None else (*self.layout.rows, column)

    @cached_property
    def configurations(self) -> tuple[Configuration, ...]:
        """Every configuration once: by rank, then clean arms that do not stand there."""
        every = [each.entry.config for each in self.ranking]
        known = {config.config_id for config in every}
        return (*every, *(config for config in self.clean if config.config_id not in known))

    @property
    def told(self) -> tuple[str, ...]:
        """Dotted names of what a configuration's name holds: what tells it from the others.

        Where nothing does, what the table shows.
        """
        return self.layout.told or self.rank_names

    @property
    def swept(self) -> list[str]:
        """Dotted names of the settings that tell configurations apart; one where none does."""
        return [*self.layout.told, *self.layout.tied] or list(self.rank_names[:1])

    @property
    def has_row_clean_arms(self) -> bool:
        """Whether the rows of one column have different clean arms, so that each shows its own."""
        columns = zip(*(row.entries for row in self.rows), strict=True)
        return any(
            len({entry.config.clean_id for entry in column if entry and entry.clean}) > 1
            for column in columns
        )
