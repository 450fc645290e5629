"""The search as tidy rows: one per cell, one per cell and epoch, one per configuration.

Room: results. `columns` and `configuration_columns` say what stands in them. An interrupted search
and an uninterrupted one write the same, but for times and memory: `seconds` and `peak_gib` in
`trials.csv`, and `epochs.csv`.
"""

from collections.abc import Sequence

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


def trials_csv(cells: Sequence[CellResult], better: Better) -> str:
    """`trials.csv`: one row per cell in plan order, its best and last epoch, every setting."""
    return columns_to_csv(trial_columns(cells), trials_of(cells, better))


def epochs_csv(cells: Sequence[CellResult]) -> str:
    """`epochs.csv`: one row per cell and epoch in plan order, every field of `EpochRecord`."""
    return columns_to_csv(epoch_columns(cells), epochs_of(cells))


def configurations_csv(table: Table) -> str:
    """`configurations.csv`: one row per configuration, in the order of the ranking."""
    return columns_to_csv(configuration_columns(table), table.ranking)
