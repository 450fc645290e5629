"""A plan's cells and a printed table as pandas has them.

Room: api. Loads pandas, so it is imported where a frame is asked for. Values are as stored: 0.8014
for 80.14 %.
"""

from collections.abc import Iterable, Mapping, Sequence

import pandas as pd

from freelb_tune.results.tables.columns.column import dtype_of
from freelb_tune.results.tables.contents.table import Entry, Table
from freelb_tune.results.tables.formats.sentences import column_heading
from freelb_tune.space import Cell
from freelb_tune.space.cells.naming import short_name

__all__ = ["plan_frame", "table_frame"]

_BESIDE = ("sd", "n", "clean", "bold")


def plan_frame(cells: Sequence[Cell], known: Mapping[str, str]) -> pd.DataFrame:
    """One row per planned cell."""
    settings = dict.fromkeys(name for cell in cells for name in cell.settings)
    return _frame(
        {
            "cell_id": cell.id,
            "config_id": cell.config_id,
            "clean_id": cell.clean_id,
            "arm": cell.arm,
            "seed": cell.seed,
            **({} if cell.fold is None else {"fold": cell.fold}),
            "state": known.get(cell.id, "new"),
            **{name: cell.settings.get(name) for name in settings},
        }
        for cell in cells
    )


def table_frame(table: Table) -> pd.DataFrame:
    """The printed table's rows and columns; beside each mean its deviation, n and clean mean."""
    rows = []
    for row in table.rows:
        content: dict[str, object] = {
            short_name(name): value.value if value.applies else None
            for name, value in zip(table.row_names, row.settings, strict=True)
        }
        for value, entry in zip(table.column_values, row.entries, strict=True):
            names = [column_heading(table, value, what) for what in (None, *_BESIDE)]
            content |= dict(zip(names, _entry(entry, table), strict=True))
        rows.append(content)
    return _frame(rows)


def _entry(entry: Entry | None, table: Table) -> list[object]:
    if entry is None:
        return [None] * (1 + len(_BESIDE))
    select = table.layout.select
    spread = entry.config.spread(select)
    clean = entry.clean.spread(select) if entry.clean else None
    mean, sd = (spread.mean, spread.sd) if spread else (None, None)
    return [mean, sd, entry.config.finished, clean and clean.mean, entry.is_bold]


def _frame(rows: Iterable[Mapping[str, object]]) -> pd.DataFrame:
    """A frame whose columns have the type of their values."""
    rows = list(rows)
    columns = {name: [row.get(name) for row in rows] for name in (rows[0] if rows else ())}
    return pd.DataFrame(
        {name: pd.Series(values, dtype=dtype_of(values)) for name, values in columns.items()}
    )
