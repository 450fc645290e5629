"""From what a search knows to its table: rows, columns, ranking, clean arms, bold.

Room: results.
"""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

from freelb_tune.results.statistics.comparing.comparison import Verdict
from freelb_tune.results.tables.contents.axes import Layout, Shown, layout_of, shown
from freelb_tune.results.tables.contents.configuration import Configuration, configurations
from freelb_tune.results.tables.contents.cost import costs_of
from freelb_tune.results.tables.contents.metric import Measure, measure_of
from freelb_tune.results.tables.contents.pending import pending
from freelb_tune.results.tables.contents.ranking import SAME, Standing, places
from freelb_tune.results.tables.contents.table import Entry, Ranked, Row, Table
from freelb_tune.space.settings.algorithms import settings_class
from freelb_tune.store import Store, held_cell

__all__ = ["build_table", "with_verdict"]

_FOLDS = "data.folds"


def build_table(store: Store) -> Table:
    """Build the table of a search's latest plan.

    Args:
        store: what is known; a search under way or with failures has a table too.
    """
    measure = measure_of(store)
    configs = configurations(store.cells, measure.better)
    clean = tuple(config for config in configs if config.arm == "clean")
    # a search over the clean arm alone has no other arm: then its clean cells make the rows
    tried = [config for config in configs if config.arm != "clean"] or list(clean)
    layout = layout_of(store.space, tried)
    column_values = _distinct(_column(config, layout) for config in tried)
    early = pending(store)
    entries = _entries(tried, clean, layout, measure, is_early=early is not None)
    clean_arms = [
        Entry(config, None, None, is_bold=False) for config in clean if config not in tried
    ]
    best = _first(configs, layout, measure)
    adversarial = [config for config in configs if config.arm != "clean"]
    is_clean = best is not None and best.arm == "clean"
    table = Table(
        name=store.name,
        measure=measure,
        layout=layout,
        column_values=column_values,
        rows=_rows(entries, layout, column_values),
        clean=clean,
        ranking=_ranking(entries, clean_arms, layout, measure),
        states=Counter(each.state for each in store.cells),
        seeds=store.seeds or tuple(sorted({each.cell.seed for each in store.cells})),
        others=len(store.others),
        end=store.end,
        algorithm=(store.space.get("search") or {}).get("algorithm") or "",
        by_rounds=settings_class(store.space).BY_ROUNDS,
        fixed=_fixed(configs),
        verdict=None,
        further=_further(store, measure),
        costs=costs_of(store) if layout.cost else None,
        cut=_cut(store),
        folds=next((n for c in configs if isinstance(n := c.settings.get(_FOLDS), int)), None),
        damaged=tuple(f"cell {c.cell.id}: {c.damage}" for c in store.cells if c.damage),
        best=best,
        best_adversarial=_first(adversarial, layout, measure) if is_clean else None,
        models=_models(store),
    )
    return with_verdict(table, early) if early else table


def _first(
    configs: Sequence[Configuration], layout: Layout, measure: Measure
) -> Configuration | None:
    """The one with the best mean, of equals the first in the plan; None if none is complete."""
    complete = [config for config in configs if config.is_complete and not config.same_as]
    return min(
        complete, key=lambda each: each.standing(layout.select, measure.sign).order, default=None
    )


def _models(store: Store) -> dict[str, str]:
    """The configurations whose models are here, by the folder's name."""
    held = {name: held_cell(store.folder / name) for name in ("best", "best_adversarial")}
    known = store.known
    return {name: known[i].cell.config_id if i in known else "" for name, i in held.items() if i}


def _cut(store: Store) -> tuple[str, ...]:
    """What the cells' data were found to lose at the length that they are cut to."""
    cells = {each.cell.config_id: each.cell for each in store.cells}.values()
    keys = dict.fromkeys((c.data_fingerprint, c.weights, c.data.max_length) for c in cells)
    found = [store.lengths[key].sentence for key in keys if key in store.lengths]
    return tuple(dict.fromkeys(sentence for sentence in found if sentence))


def with_verdict(table: Table, verdict: Verdict) -> Table:
    """The same table with what the statistics say: comparisons, and bold where that is asked."""
    compared = {each.config_id: each for each in verdict.comparisons}

    def told(entry: Entry) -> Entry:
        config_id = entry.config.config_id
        is_bold = entry.is_bold or (
            table.layout.bold == "significant" and config_id in verdict.better
        )
        return replace(entry, comparison=compared.get(config_id), is_bold=is_bold)

    rows = tuple(
        replace(row, entries=tuple(entry and told(entry) for entry in row.entries))
        for row in table.rows
    )
    ranking = tuple(replace(each, entry=told(each.entry)) for each in table.ranking)
    return replace(table, rows=rows, ranking=ranking, verdict=verdict)


def _further(store: Store, measure: Measure) -> tuple[str, ...]:
    """The measure's metric on the other evaluation sets, in the order in which cells bring them."""
    names = (n for each in store.cells for record in each.epochs for n in record.metrics)
    return tuple(dict.fromkeys(name for name in names if name.endswith(f".{measure.name}")))


def _column(config: Configuration, layout: Layout) -> Shown:
    """The column that a configuration stands in."""
    return shown(config, layout.columns) if layout.columns else Shown(None, applies=False)


def _distinct(values: Iterable[Shown]) -> tuple[Shown, ...]:
    """The distinct values in the order in which they come (a setting may be a list: no hashing)."""
    kept: dict[tuple[str, bool], Shown] = {}
    for value in values:
        kept.setdefault((value.text, value.applies), value)
    return tuple(kept.values())


def _entries(
    tried: Sequence[Configuration],
    clean: Sequence[Configuration],
    layout: Layout,
    measure: Measure,
    is_early: bool,
) -> list[Entry]:
    """Join each configuration with its clean arm, and settle what is bold without a verdict."""
    arms = {config.config_id: config for config in clean}
    best = _best_of_columns(tried, layout, measure)
    entries = []
    for config in tried:
        arm = arms.get(config.clean_id or "") if config.arm != "clean" else None
        match layout.bold:
            case "at_least_clean":
                is_bold = not is_early and _is_at_least(config, arm, layout, measure)
            case "best":
                is_bold = config.config_id in best
            case "significant" | "none":
                is_bold = False
        entries.append(Entry(config, arm, None, is_bold))
    return entries


def _goodness(config: Configuration, layout: Layout, measure: Measure) -> float:
    """The mean, more is better; minus infinity where no seed has finished."""
    return config.standing(layout.select, measure.sign).goodness


def _is_at_least(
    config: Configuration, arm: Configuration | None, layout: Layout, measure: Measure
) -> bool:
    """Whether a complete configuration reaches its complete clean arm over the same seeds."""
    if arm is None or not (config.is_complete and arm.is_complete):
        return False
    if [each.block for each in config.seeds] != [each.block for each in arm.seeds]:
        return False
    return _goodness(config, layout, measure) >= _goodness(arm, layout, measure) - SAME


def _best_of_columns(
    tried: Sequence[Configuration], layout: Layout, measure: Measure
) -> frozenset[str]:
    """The best complete configuration of each column; equal ones are all the best."""
    best: set[str] = set()
    for value in _distinct(_column(config, layout) for config in tried):
        column = [c for c in tried if c.is_complete and _column(c, layout).text == value.text]
        top = max((_goodness(c, layout, measure) for c in column), default=math.inf)
        best |= {c.config_id for c in column if _goodness(c, layout, measure) >= top - SAME}
    return frozenset(best)


def _rows(
    entries: Sequence[Entry], layout: Layout, column_values: Sequence[Shown]
) -> tuple[Row, ...]:
    """Pivot the entries; two that would share a place stand in rows of their own."""
    places = {(value.text, value.applies): at for at, value in enumerate(column_values)}
    rows: dict[tuple[object, ...], tuple[tuple[Shown, ...], list[Entry | None]]] = {}
    for entry in entries:
        settings = entry.config.settings
        key = tuple(repr(settings[name]) if name in settings else "" for name in layout.rows)
        column = _column(entry.config, layout)
        at = places[column.text, column.applies]
        copy = 0  # the same settings over other data or weights: a configuration of its own
        while (key, copy) in rows and rows[key, copy][1][at] is not None:
            copy += 1
        values = tuple(shown(entry.config, name) for name in layout.rows)
        row = rows.setdefault((key, copy), (values, [None] * len(column_values)))
        row[1][at] = entry
    return tuple(Row(values, tuple(slots)) for values, slots in rows.values())


def _ranking(
    entries: Sequence[Entry], clean_arms: Sequence[Entry], layout: Layout, measure: Measure
) -> tuple[Ranked, ...]:
    """Complete ones by mean, equal ones in plan order; then the incomplete, then clean arms.

    Of those that were ended early with all their seeds, the one that came farthest is the first.
    """
    names = (*layout.rows, *((layout.columns,) if layout.columns else ()))

    def standing(entry: Entry) -> Standing:
        return entry.config.standing(layout.select, measure.sign)

    def order(entry: Entry) -> tuple[object, ...]:
        epochs, score = entry.config.stopped_at(layout.select) or (0, 0.0)
        return *standing(entry).order, -epochs, -measure.sign * score

    ordered = sorted(entries, key=order)
    found = places([standing(entry) for entry in ordered])
    ranked = []
    for place, entry in zip(
        [*found, *(None for _ in clean_arms)], [*ordered, *clean_arms], strict=True
    ):
        settings = tuple(shown(entry.config, name) for name in names)
        ranked.append(Ranked(place, settings, entry))
    return tuple(ranked)


def _fixed(configs: Sequence[Configuration]) -> dict[str, Shown]:
    """The settings that all configurations share."""
    if not configs:
        return {}
    first, *rest = configs
    return {
        name: Shown(value)
        for name, value in first.settings.items()
        if all(name in each.settings and each.settings[name] == value for each in rest)
    }
