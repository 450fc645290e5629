"""Every output of a search, made from its journal and its epoch logs alone.

Room: results. Needs neither Ray nor torch. Written while the search runs and again by
`freelb-tune report`, byte for byte the same.
"""

from collections.abc import Callable
from pathlib import Path

from freelb_tune.results.comparison import Verdict
from freelb_tune.results.latex import to_latex
from freelb_tune.results.markdown import to_markdown
from freelb_tune.results.numbers import to_json, to_table_csv
from freelb_tune.results.table import build_table
from freelb_tune.results.tidy import epochs_csv, trials_csv
from freelb_tune.store import Store, load_store, write_whole

__all__ = ["Judge", "render_table", "write_outputs"]

Judge = Callable[[Store], Verdict | None]


def write_outputs(folder: Path, judge: Judge | None = None) -> None:
    """Write `trials.csv`, `epochs.csv` and the table in its four formats, each where it changed.

    Args:
        folder: the results folder.
        judge: the statistics, which read the store and give a verdict; None for tables without.

    Raises:
        FreeLBTuneError: the folder is no results folder, is damaged, or cannot be written.
    """
    store = load_store(folder)
    table = build_table(store, judge(store) if judge else None)
    contents = {
        "trials.csv": trials_csv(store.cells, table.measure.better),
        "epochs.csv": epochs_csv(store.cells),
        "table.md": to_markdown(table),
        "table.csv": to_table_csv(table),
        "table.tex": to_latex(table),
        "table.json": to_json(table),
    }
    for name, content in contents.items():
        write_whole(folder / name, content)


def render_table(folder: Path, judge: Judge | None = None) -> str:
    """The table as Markdown; nothing is written.

    Raises:
        FreeLBTuneError: the folder is no results folder, or is damaged.
    """
    store = load_store(folder)
    return to_markdown(build_table(store, judge(store) if judge else None))
