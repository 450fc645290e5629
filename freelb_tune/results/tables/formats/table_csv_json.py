"""A table's numbers for machines: `table.csv`, laid out as the table, and `table.json`, all of it.

Room: results. Values are as stored, 0.8014 for 80.14 %, as in every other file for programs.
"""

import json
from dataclasses import asdict
from typing import Any

from freelb_tune.results.tables.contents.configuration import SeedResult
from freelb_tune.results.tables.contents.table import Entry, Ranked, Table
from freelb_tune.results.tables.formats.csv_text import to_csv
from freelb_tune.results.tables.formats.footer import footnotes
from freelb_tune.results.tables.formats.grid import cost_headings
from freelb_tune.results.tables.formats.sentences import (
    clean_sentence,
    column_heading,
    column_label,
    entry_notes,
    title,
)
from freelb_tune.space.cells.naming import short_name

__all__ = ["to_json", "to_table_csv"]


def to_table_csv(table: Table) -> str:
    """The table's rows and columns; beside each result its deviation, n, clean arm and notes."""
    header = [short_name(name) for name in table.row_names]
    for value in table.column_values:
        header.append(column_heading(table, value, unit=table.measure.unit))
        header += [column_heading(table, value, what) for what in _beside(table)]
    rows = []
    for row in table.rows:
        values: list[object] = [each.value if each.applies else None for each in row.settings]
        for entry in row.entries:
            values += _numbers(entry, table)
        rows.append(values)
    return to_csv(header, rows)


_BESIDE = ("sd", "n", "clean arm", "bold", "notes")


def _beside(table: Table) -> tuple[str, ...]:
    """What stands beside each result."""
    return (*_BESIDE, *cost_headings(table.costs.device)) if table.costs else _BESIDE


def _numbers(entry: Entry | None, table: Table) -> list[object]:
    """An entry's fields in `table.csv`."""
    if entry is None:
        return [None] * (1 + len(_beside(table)))
    spread = entry.config.spread(table.layout.select)
    clean = entry.clean.spread(table.layout.select) if entry.clean else None
    return [
        _rounded(spread.mean if spread else None),
        _rounded(spread.sd if spread else None),
        entry.config.finished,
        _rounded(clean.mean if clean else None),
        entry.is_bold,
        entry_notes(entry, table) or None,
        *_cost_numbers(entry, table),
    ]


def _cost_numbers(entry: Entry, table: Table) -> list[object]:
    """Passes, hours and memory, where the table shows them."""
    if table.costs is None:
        return []
    cost = table.costs.by_config.get(entry.config.config_id)
    return [None] * 3 if cost is None else [cost.passes, cost.device_hours, cost.peak_gib]


def _rounded(value: float | None) -> float | None:
    """A value to six decimals."""
    return None if value is None else round(value, 6)


def to_json(table: Table) -> str:
    """Everything that the table says, as numbers and as sentences."""
    content = {
        "name": table.name,
        "title": title(table),
        "metric": table.measure.name,
        "better": table.measure.better,
        "layout": asdict(table.layout),
        "seeds": table.seeds,
        **({"folds": table.folds} if table.folds else {}),
        "states": {str(state): table.states[state] for state in sorted(table.states)},
        "others": table.others,
        "clean_arm": clean_sentence(table),
        "columns": [column_label(table, value) for value in table.column_values],
        "rows": [
            {
                "settings": {
                    name: value.value if value.applies else None
                    for name, value in zip(table.row_names, row.settings, strict=True)
                },
                "entries": [entry and _entry(entry) for entry in row.entries],
            }
            for row in table.rows
        ],
        "further_sets": table.further,
        "ranking": [_ranked(each, table) for each in table.ranking],
        "verdict": None if table.verdict is None else _verdict(table),
        "footnotes": footnotes(table),
    }
    return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _entry(entry: Entry) -> dict[str, Any]:
    """A configuration with its numbers."""
    config = entry.config
    best, last = config.spread("best_epoch"), config.spread("last_epoch")
    return {
        "config_id": config.config_id,
        "clean_id": config.clean_id,
        "arm": config.arm,
        "planned": config.planned,
        "finished": config.finished,
        "best_epoch": best and vars(best),
        "last_epoch": last and vars(last),
        "bold": entry.is_bold,
        "seeds": [_seed(each) for each in config.seeds],
    }


def _seed(result: SeedResult) -> dict[str, Any]:
    """A seed's numbers, and its fold where there are folds."""
    return {name: value for name, value in vars(result).items() if name != "fold" or value}


def _ranked(ranked: Ranked, table: Table) -> dict[str, Any]:
    """A row of the ranking; the numbers of its own set stand under `rows`."""
    config = ranked.entry.config
    row: dict[str, Any] = {"place": ranked.place, "config_id": config.config_id}
    spreads = {name: config.spread(table.layout.select, name) for name in table.further}
    row["further_sets"] = {name: spread and asdict(spread) for name, spread in spreads.items()}
    if table.costs:
        cost = table.costs.by_config.get(config.config_id)
        row["cost"] = cost and {"device": table.costs.device, **asdict(cost)}
    return row


def _verdict(table: Table) -> dict[str, Any]:
    """What the statistics say."""
    assert table.verdict is not None
    return {**asdict(table.verdict), "better": sorted(table.verdict.better)}
