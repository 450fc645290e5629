"""A table in GitHub's Markdown: `table.md`, and what the terminal shows at the end.

Room: results.
"""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from freelb_tune.results.tables.contents.table import Table
from freelb_tune.results.tables.formats.footer import footnotes
from freelb_tune.results.tables.formats.grid import Grid, Text, print_ranking, print_table
from freelb_tune.results.tables.formats.sentences import clean_sentence, title
from freelb_tune.results.tables.formats.tuning_text import choosing_parts

if TYPE_CHECKING:
    from freelb_tune.results.tables.contents.tuning import Choosing

__all__ = ["markdown_grid", "markdown_line", "markdown_notes", "to_markdown"]


def to_markdown(table: Table, choosing: "Choosing | None" = None) -> str:
    """The whole table: title, clean arms, table, verdict, footer, ranking, what choosing does."""
    parts = [f"# {markdown_line(title(table))}", markdown_line(clean_sentence(table))]
    if table.rows:
        parts.append(markdown_grid(print_table(table)))
    if table.verdict:
        parts.append(markdown_line(table.verdict.sentence))
    parts.append(markdown_notes(footnotes(table)))
    if table.ranking:
        parts += ["## Ranking", markdown_grid(print_ranking(table))]
    said = choosing_parts(choosing, table) if choosing else []
    parts += ["## Choosing"] if said else []
    for sentence, rows in said:
        parts += [markdown_line(sentence), markdown_grid(rows)]
    return "\n\n".join(parts) + "\n"


def markdown_grid(grid: Grid) -> str:
    """Rows of text as a Markdown table; results to the right."""
    rules = [":---" if at < grid.numbers_from else "---:" for at in range(len(grid.header))]
    rows = [[markdown_line(text) for text in grid.header], rules]
    rows += [[_mark(text) for text in row] for row in grid.rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def markdown_notes(notes: Sequence[str]) -> str:
    """Sentences as a list."""
    return "\n".join(f"- {markdown_line(note)}" for note in notes)


def _mark(text: Text) -> str:
    """One place of a table, in bold if it is."""
    escaped = markdown_line(text.text)
    return f"**{escaped}**" if text.is_bold and escaped else escaped


def markdown_line(text: str) -> str:
    """One line of text that says in Markdown what it says, whatever signs it holds."""
    flat = " ".join(text.split())
    return re.sub(r"([\\`*<>\[\]|])", r"\\\1", flat)
