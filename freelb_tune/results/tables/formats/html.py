"""A grid as an HTML table, for a notebook.

Room: results.
"""

from html import escape

from freelb_tune.results.tables.formats.grid import Grid, Text

__all__ = ["html_grid"]


def html_grid(grid: Grid) -> str:
    """Rows of text as an HTML table; results to the right, bold where they are."""
    sides = ["left" if at < grid.numbers_from else "right" for at in range(len(grid.header))]
    head = "".join(
        f'<th style="text-align:{side}">{escape(text)}</th>'
        for side, text in zip(sides, grid.header, strict=True)
    )
    rows = "\n".join(f"<tr>{_row(row, sides)}</tr>" for row in grid.rows)
    return f"<table><thead><tr>{head}</tr></thead>\n<tbody>{rows}</tbody></table>"


def _row(row: tuple[Text, ...], sides: list[str]) -> str:
    return "".join(
        f'<td style="text-align:{side}">{_marked(text)}</td>'
        for side, text in zip(sides, row, strict=True)
    )


def _marked(text: Text) -> str:
    return f"<b>{escape(text.text)}</b>" if text.is_bold else escape(text.text)
