"""The search's tidy rows as pandas data frames, with the types that `columns` declares.

Room: results. Loads pandas when it is called, which a report never does. A frame has the same
columns and types before the first epoch, halfway and at the end.
"""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, TypeVar

from freelb_tune.errors import FreeLBTuneError
from freelb_tune.results.tables.columns.column import Column
from freelb_tune.results.tables.columns.columns import (
    epoch_columns,
    epochs_of,
    metrics_of,
    trial_columns,
    trials_of,
)
from freelb_tune.results.tables.columns.configuration_columns import configuration_columns
from freelb_tune.results.tables.contents.table import Table
from freelb_tune.results.tables.robustness import COLUMNS as ROBUSTNESS
from freelb_tune.results.tables.robustness import Robustness
from freelb_tune.store import Better, CellResult
from freelb_tune.tasks import get_task

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["configurations_frame", "epochs_frame", "robustness_frame", "trials_frame"]

Row = TypeVar("Row")


def trials_frame(cells: Sequence[CellResult], better: Better) -> "pd.DataFrame":
    """One row per cell: the columns of `trials.csv`."""
    return _frame(trial_columns(cells, _metrics(cells)), trials_of(cells, better))


def epochs_frame(cells: Sequence[CellResult]) -> "pd.DataFrame":
    """One row per cell and epoch: the columns of `epochs.csv`."""
    return _frame(epoch_columns(cells, _metrics(cells)), epochs_of(cells))


def configurations_frame(table: Table) -> "pd.DataFrame":
    """One row per configuration, the best first: the columns of `configurations.csv`."""
    return _frame(configuration_columns(table), table.ranking)


def robustness_frame(found: Robustness | None) -> "pd.DataFrame":
    """One row per evaluation set: the columns of `robustness.csv`; no row for None."""
    return _frame(ROBUSTNESS, found.rows if found else ())


def _metrics(cells: Sequence[CellResult]) -> list[str]:
    """The tasks' metrics, and what else the epochs have."""
    names: dict[str, None] = {}
    for name in dict.fromkeys(str(each.cell.settings.get("task")) for each in cells):
        try:
            names |= dict.fromkeys(metric.name for metric in get_task(name).metrics)
        except FreeLBTuneError:
            continue  # a task that this installation does not know: its epochs say what they have
    return list(dict.fromkeys([*names, *metrics_of(cells)]))


def _frame(columns: Sequence[Column[Row]], rows: Iterable[Row]) -> "pd.DataFrame":
    import pandas as pd

    rows = list(rows)
    return pd.DataFrame(
        {
            each.name: pd.Series([each.value(row) for row in rows], dtype=each.dtype)
            for each in columns
        }
    )
