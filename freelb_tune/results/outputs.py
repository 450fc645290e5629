"""Every output of a search, made from its journal and its epoch logs alone.

Room: results. Needs neither Ray nor torch. Written while the search runs and again by
`freelb-tune report`, byte for byte the same.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from freelb_tune.results.earlier import drop_earlier, keep_earlier
from freelb_tune.results.page.document import to_html
from freelb_tune.results.page.texts import dev_texts
from freelb_tune.results.statistics.comparing.comparison import Verdict
from freelb_tune.results.tables.contents.building import build_table, with_verdict
from freelb_tune.results.tables.contents.table import Table
from freelb_tune.results.tables.formats.latex import to_latex
from freelb_tune.results.tables.formats.markdown import to_markdown
from freelb_tune.results.tables.formats.table_csv_json import to_json, to_table_csv
from freelb_tune.results.tables.formats.trials_csv import configurations_csv, epochs_csv, trials_csv
from freelb_tune.results.tables.formats.tuning_text import to_cost_json, to_selection_json
from freelb_tune.results.tables.robustness import Robustness, robustness_of, to_robustness
from freelb_tune.store import Store, load_store, write_whole

if TYPE_CHECKING:
    from freelb_tune.results.tables.contents.tuning import Choosing

__all__ = ["Judge", "both_arms", "judged", "write_outputs"]

Judge = Callable[[Store, Table], Verdict | None]


def write_outputs(
    known: Path | Store, judge: Judge | None = None, *, with_text: bool = False
) -> Table:
    """Write rows, tables, the page and what choosing does, each file where it changed.

    Always `trials.csv`, `epochs.csv`, `configurations.csv`, the table in its four formats and
    `report.html`; where cells have further evaluation sets `robustness.md` and `robustness.csv`;
    with a judge also `selection.json` and `cost.json`, and `table.md` and the page have what they
    say. Where a cell's log is damaged, the tables of before stay in `earlier/`.

    Args:
        known: the results folder, or what has been read of it.
        judge: the statistics, which say what a store and its table show; None for no verdict.
        with_text: show dev examples that arms judge differently in words, in the page alone.

    Returns:
        The table, with its verdict where there is one.

    Raises:
        FreeLBTuneError: the folder is no results folder, is damaged, or cannot be written.
    """
    store = load_store(known) if isinstance(known, Path) else known
    table, choosing = judged(store, judge)
    contents = {
        "trials.csv": trials_csv(store.cells, table.measure.better),
        "epochs.csv": epochs_csv(store.cells),
        "configurations.csv": configurations_csv(table),
        "table.md": to_markdown(table, choosing),
        "table.csv": to_table_csv(table),
        "table.tex": to_latex(table),
        "table.json": to_json(table),
    }
    if choosing is not None:
        contents["selection.json"] = to_selection_json(choosing, table)
        contents["cost.json"] = to_cost_json(choosing)
    found = both_arms(store, table, is_judged=judge is not None)
    contents |= {} if found is None else to_robustness(found)
    if table.damaged:  # what is about to be written shows less
        keep_earlier(store.folder)
    for name, content in contents.items():
        write_whole(store.folder / name, content)
    texts = dev_texts(store) if with_text else None
    write_whole(
        store.folder / "report.html", to_html(store, table, choosing, texts, robustness=found)
    )
    drop_earlier(store)
    return table


def both_arms(store: Store, table: Table, *, is_judged: bool) -> Robustness | None:
    """Both arms on every evaluation set; the statistics load where they were asked for."""
    if not is_judged:
        return robustness_of(table)
    from freelb_tune.results.robustness import robustness

    return robustness(store, table)


def judged(store: Store, judge: Judge | None) -> "tuple[Table, Choosing | None]":
    """The table, and beside a verdict what choosing does."""
    table = build_table(store)
    if judge is None:
        return table, None
    from freelb_tune.results.tables.contents.tuning import choosing_of

    told = judge(store, table)
    return with_verdict(table, told) if told else table, choosing_of(store, table)
