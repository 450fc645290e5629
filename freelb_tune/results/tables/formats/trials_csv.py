"""The search as tidy rows: one per cell, one per cell and epoch, one per configuration.

Room: results. `columns` and `configuration_columns` say what stands in them. An interrupted search
and an uninterrupted one write the same, but for times and memory: `seconds` and `peak_gib` in
`trials.csv`, and `epochs.csv`.
"""

from collections.abc import Sequence
from typing import TypeVar

from freelb_tune.results.tables.columns.column import Column
from freelb_tune.results.tables.columns.columns import (
    epoch_columns,
    epochs_of,
    trial_columns,
    trials_of,
)
from freelb_tune.results.tables.columns.configuration_columns import configuration_columns
from freelb_tune.results.tables.contents.table import Table
from freelb_tune.results.tables.formats.csv_text import columns_to_csv
from freelb_tune.store import Better, CellResult

__all__ = ["configurations_csv", "epochs_csv", "trials_csv"]

Row = TypeVar("Row")


def trials_csv(cells: Sequence[CellResult], better: Better) -> str:
    """`trials.csv`: one row per cell in plan order, its best and last epoch, every setting."""
    return _csv(trial_columns(cells), trials_of(cells, better))


def epochs_csv(cells: Sequence[CellResult]) -> str:
    """`epochs.csv`: one row per cell and epoch in plan order, every field of `EpochRecord`."""
    return _csv(epoch_columns(cells), epochs_of(cells))


def configurations_csv(table: Table) -> str:
    """`configurations.csv`: one row per configuration, in the order of the ranking."""
    return _csv(configuration_columns(table), table.ranking)


def _csv(columns: Sequence[Column[Row]], rows: Sequence[Row]) -> str:
    return columns_to_csv((each.name, each.dtype, map(each.value, rows)) for each in columns)
