"""What a plan and a results folder say, as pandas has it.

Room: api. Loads pandas, so it is imported where a frame is asked for. Values are as stored: 0.8014
for 80.14 %.
"""

from collections.abc import Mapping, Sequence
from io import StringIO
from typing import Any

import pandas as pd

from freelb_tune.results.tables.axes import Shown, short_name
from freelb_tune.results.tables.configuration import Spread
from freelb_tune.results.tables.sentences import column_heading
from freelb_tune.results.tables.table import Entry, Ranked, Table
from freelb_tune.results.tables.trials_csv import epochs_csv, trials_csv
from freelb_tune.space import Cell
from freelb_tune.store import Better, Store

__all__ = ["epochs_frame", "plan_frame", "ranking_frame", "table_frame", "trials_frame"]

_IDS = dict.fromkeys(["cell_id", "config_id", "clean_id", "arm", "state", "message"], "str")


def plan_frame(cells: Sequence[Cell], known: Mapping[str, str]) -> pd.DataFrame:
    """One row per planned cell."""
    settings = dict.fromkeys(name for cell in cells for name in cell.settings)
    rows = [
        {
            "cell_id": cell.id,
            "config_id": cell.config_id,
            "clean_id": cell.clean_id,
            "arm": cell.arm,
            "seed": cell.seed,
            "state": known.get(cell.id, "new"),
            **{name: cell.settings.get(name) for name in settings},
        }
        for cell in cells
    ]
    return _frame(rows)


def trials_frame(store: Store, better: Better) -> pd.DataFrame:
    """One row per cell: what `trials.csv` has."""
    return pd.read_csv(StringIO(trials_csv(store.cells, better)), dtype=_IDS)


def epochs_frame(store: Store) -> pd.DataFrame:
    """One row per cell and epoch: what `epochs.csv` has."""
    return pd.read_csv(StringIO(epochs_csv(store.cells)), dtype=_IDS)


def table_frame(table: Table) -> pd.DataFrame:
    """The printed table's rows and columns; beside each mean its deviation, n and baseline."""
    rows = []
    for row in table.rows:
        content = _settings(table.row_names, row.settings)
        for value, entry in zip(table.column_values, row.entries, strict=True):
            names = [
                column_heading(table, value),
                *(column_heading(table, value, what) for what in ("sd", "n", "clean", "bold")),
            ]
            content |= dict(zip(names, _entry(entry, table), strict=True))
        rows.append(content)
    return _frame(rows)


def ranking_frame(table: Table) -> pd.DataFrame:
    """One row per configuration, the best first and the clean arms last."""
    return _frame([_ranked(each, table) for each in table.ranking])


def _entry(entry: Entry | None, table: Table) -> list[object]:
    if entry is None:
        return [None] * 5
    select = table.layout.select
    spread = entry.config.spread(select)
    clean = entry.clean.spread(select) if entry.clean else None
    return [
        spread and spread.mean,
        spread and spread.sd,
        entry.config.finished,
        clean and clean.mean,
        entry.is_bold,
    ]


def _ranked(ranked: Ranked, table: Table) -> dict[str, object]:
    config, compared = ranked.entry.config, ranked.entry.comparison
    content: dict[str, object] = {
        "place": ranked.place,
        "config_id": config.config_id,
        "clean_id": config.clean_id,
        "arm": config.arm,
        **_settings(table.rank_names, ranked.settings),
        "finished": config.finished,
        "planned": config.planned,
    }
    for which in ("best_epoch", "last_epoch"):
        spread: Spread | None = config.spread(which)
        for name in ("mean", "sd", "median"):
            content[f"{which}_{name}"] = spread and getattr(spread, name)
    for name in table.further:
        further = config.spread(table.layout.select, name)
        content[name] = further and further.mean
    for name in ("difference", "low", "high", "p", "p_adjusted", "better"):
        content[name] = compared and getattr(compared, name)
    return content


def _settings(names: Sequence[str], values: Sequence[Shown]) -> dict[str, object]:
    return {
        short_name(name): value.value if value.applies else None
        for name, value in zip(names, values, strict=True)
    }


def _frame(rows: Sequence[Mapping[str, object]]) -> pd.DataFrame:
    """A frame whose columns have the type of their values."""
    names = dict.fromkeys(name for row in rows for name in row)
    return pd.DataFrame({name: _column([row.get(name) for row in rows]) for name in names})


def _column(values: Sequence[object]) -> "pd.Series[Any]":
    """Whole numbers stay whole where some are missing; lists and mappings stay what they are."""
    kinds = {type(value) for value in values if value is not None}
    dtype = "object"
    if kinds == {bool}:
        dtype = "boolean"
    elif kinds == {int}:
        dtype = "Int64"
    elif kinds and kinds <= {int, float}:
        dtype = "float64"
    elif kinds == {str}:
        dtype = "str"
    return pd.Series(values, dtype=dtype)
