"""What the results mean: tables, and the rows behind them.

Room: results. A store in; Markdown, CSV, LaTeX and JSON out, all from one table of numbers. A name
loads its file when it is asked for: a plan needs one of these files, and none of the tables.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from freelb_tune.results.outputs import Judge, write_outputs
    from freelb_tune.results.statistics.comparing.comparison import Comparison, Verdict
    from freelb_tune.results.tables.contents.building import build_table
    from freelb_tune.results.tables.contents.configuration import (
        Configuration,
        SeedResult,
        Spread,
        configurations,
    )
    from freelb_tune.results.tables.contents.metric import Measure, measure_of
    from freelb_tune.results.tables.contents.table import Table

__all__ = [
    "Comparison",
    "Configuration",
    "Judge",
    "Measure",
    "SeedResult",
    "Spread",
    "Table",
    "Verdict",
    "build_table",
    "configurations",
    "measure_of",
    "write_outputs",
]

_FILES = {
    "outputs": ("Judge", "write_outputs"),
    "statistics.comparing.comparison": ("Comparison", "Verdict"),
    "tables.contents.building": ("build_table",),
    "tables.contents.configuration": ("Configuration", "SeedResult", "Spread", "configurations"),
    "tables.contents.metric": ("Measure", "measure_of"),
    "tables.contents.table": ("Table",),
}


def __getattr__(name: str) -> Any:
    for file, names in _FILES.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{file}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
