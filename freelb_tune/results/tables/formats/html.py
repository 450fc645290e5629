"""A grid as an HTML table, for a notebook.

Room: results.
"""

from collections.abc import Iterable
from html import escape

from freelb_tune.results.tables.formats.grid import Grid, Text

__all__ = ["html_grid"]


def html_grid(grid: Grid) -> str:
    """Rows of text as an HTML table; results to the right, bold where they are."""
    head = _row("th", map(escape, grid.header), grid)
    rows = "\n".join(_row("td", map(_marked, row), grid) for row in grid.rows)
    return f"<table><thead>{head}</thead>\n<tbody>{rows}</tbody></table>"


def _row(tag: str, texts: Iterable[str], grid: Grid) -> str:
    sides = ("left" if at < grid.numbers_from else "right" for at in range(len(grid.header)))
    cells = zip(sides, texts, strict=True)
    told = (f'<{tag} style="text-align:{side}">{text}</{tag}>' for side, text in cells)
    return f"<tr>{''.join(told)}</tr>"


def _marked(text: Text) -> str:
    return f"<b>{escape(text.text)}</b>" if text.is_bold else escape(text.text)
