"""The GLUE table in its formats: `glue.md`, `glue.csv` and `glue.tex`.

Room: results. Made from results folders alone, byte for byte the same each time.
"""

from pathlib import Path

from freelb_tune.results.glue.published import UNSTATED, Figure
from freelb_tune.results.glue.table import Chosen, GlueRow, GlueTable
from freelb_tune.results.glue.text import (
    average_label,
    chosen_settings,
    glue_notes,
    glue_title,
    metric_label,
    print_figures,
    print_glue,
    reference,
)
from freelb_tune.results.tables.formats.csv_text import to_csv
from freelb_tune.results.tables.formats.latex import latex_table
from freelb_tune.results.tables.formats.markdown import markdown_grid, markdown_line, markdown_notes
from freelb_tune.store import write_whole
from freelb_tune.store.disk.files import make_folder

__all__ = ["glue_csv", "glue_latex", "glue_markdown", "write_glue"]


def write_glue(table: GlueTable, folder: Path) -> tuple[Path, ...]:
    """Write the three files, each where it changed.

    Raises:
        FreeLBTuneError: the folder cannot be made or written.
    """
    make_folder(folder)
    contents = {
        "glue.md": glue_markdown(table),
        "glue.csv": glue_csv(table),
        "glue.tex": glue_latex(table),
    }
    for name, content in contents.items():
        write_whole(folder / name, content)
    return tuple(folder / name for name in contents)


def glue_markdown(table: GlueTable) -> str:
    """Title, table, footer, and the published figures."""
    parts = [f"# {markdown_line(glue_title(table))}", markdown_grid(print_glue(table))]
    parts.append(markdown_notes(glue_notes(table)))
    if table.figures:
        parts += ["## Published figures", markdown_grid(print_figures(table))]
    return "\n\n".join(parts) + "\n"


def glue_latex(table: GlueTable) -> str:
    """A `table` environment with the footer and the references it uses below."""
    used = [figure for row in table.rows for figure in row.figures if figure]
    listed = [
        f"ref {number}: {each.model}, {each.method}, {each.source}."
        for number, each in enumerate(table.figures, start=1)
        if any(each is figure for figure in used)
    ]
    notes = [*glue_notes(table), *listed]
    return latex_table(print_glue(table), glue_title(table), notes, "glue")


def glue_csv(table: GlueTable) -> str:
    """A row per task and metric, then the averages; percent, to four decimals."""
    header = ["task", "metric", "model", "search"]
    for arm in ("normal", "adversarial"):
        header += [arm, *(f"{arm}_{name}" for name in _BESIDE)]
    for arm in ("normal", "adversarial"):
        header += [f"published_{arm}", *(f"published_{arm}_{name}" for name in _FIGURE)]
    rows: list[list[object]] = []
    for row in table.rows:
        for place, metric in enumerate(row.metrics):
            label = metric_label(row.task, metric)
            values: list[object] = [row.task.title, label, row.model, row.table.name]
            for chosen in (row.normal, row.adversarial):
                values += _numbers(chosen, place, row)
            for figure in row.figures:
                values += _figure(figure, metric, row, table)
            rows.append(values)
    empty = [None] * len(_BESIDE)
    for each in table.averages:
        values = ["average", average_label(each), each.model, None]
        values += [_percent(each.normal), *empty, _percent(each.adversarial), *empty]
        rows.append([*values, *[None] * (len(header) - len(values))])
    return to_csv(header, rows)


_BESIDE = ("sd", "n", "planned", "tried", "settings")
_FIGURE = ("statistic", "model", "method", "ref", "source")


def _numbers(chosen: Chosen | None, place: int, row: GlueRow) -> list[object]:
    """One arm's fields."""
    if chosen is None:
        return [None] * (1 + len(_BESIDE))
    spread, config = chosen.spreads[place], chosen.config
    return [
        _percent(spread.mean if spread else None),
        _percent(spread.sd if spread else None),
        config.finished,
        config.planned,
        chosen.tried,
        chosen_settings(chosen, row) or None,
    ]


def _figure(figure: Figure | None, metric: str, row: GlueRow, table: GlueTable) -> list[object]:
    """A published figure's fields; one that does not say m or mm stands beside both."""
    scores = figure.scores[row.task.name] if figure else {}
    value = scores.get(metric, scores.get(UNSTATED))
    if figure is None or value is None:
        return [None] * (1 + len(_FIGURE))
    unstated = ", m or mm not stated" if UNSTATED in scores else ""
    source = f"{figure.source}; {figure.note}" if figure.note else figure.source
    statistic = f"{figure.statistic}{unstated}"
    return [value, statistic, figure.model, figure.method, reference(figure, table), source]


def _percent(value: float | None) -> float | None:
    return None if value is None else round(100 * value, 4)
