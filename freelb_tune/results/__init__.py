"""What the results mean: tables, and the rows behind them.

Room: results. A store in; Markdown, CSV, LaTeX and JSON out, all from one table of numbers. A name
loads its file when it is asked for: a plan needs one of these files, and none of the tables.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from freelb_tune.results.outputs import write_outputs
    from freelb_tune.results.tables.contents.building import build_table

__all__ = ["build_table", "write_outputs"]

_FILES = {"build_table": "tables.contents.building", "write_outputs": "outputs"}


def __getattr__(name: str) -> Any:
    if name not in _FILES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_FILES[name]}"), name)
