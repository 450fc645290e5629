"""What the results mean: tables, and the rows behind them.

Room: results. A store in; Markdown, CSV, LaTeX and JSON out, all from one table of numbers.
"""

from freelb_tune.results.outputs import Judge, write_outputs
from freelb_tune.results.statistics.comparison import Comparison, Verdict
from freelb_tune.results.tables.configuration import (
    Configuration,
    SeedResult,
    Spread,
    configurations,
)
from freelb_tune.results.tables.metric import Measure, measure_of
from freelb_tune.results.tables.table import Table, build_table

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
