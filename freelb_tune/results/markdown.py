"""A table in GitHub's Markdown: `table.md`, and what the terminal shows at the end.

Room: results.
"""

import re

from freelb_tune.results.printed import Grid, Text, print_ranking, print_table
from freelb_tune.results.table import Table
from freelb_tune.results.words import baseline_sentence, footnotes, title

__all__ = ["to_markdown"]


def to_markdown(table: Table) -> str:
    """The whole table: title, baseline, table, verdict, footer, ranking."""
    parts = [f"# {_escape(title(table))}", _escape(baseline_sentence(table))]
    if table.rows:
        parts.append(_grid(print_table(table)))
    if table.verdict:
        parts.append(_escape(table.verdict.sentence))
    parts.append("\n".join(f"- {_escape(note)}" for note in footnotes(table)))
    if table.ranking:
        parts += ["## Ranking", _grid(print_ranking(table))]
    return "\n\n".join(parts) + "\n"


def _grid(grid: Grid) -> str:
    """Rows of text as a Markdown table; results to the right."""
    rules = [":---" if at < grid.numbers_from else "---:" for at in range(len(grid.header))]
    rows = [[_escape(text) for text in grid.header], rules]
    rows += [[_mark(text) for text in row] for row in grid.rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _mark(text: Text) -> str:
    """One place of a table, in bold if it is."""
    escaped = _escape(text.text)
    return f"**{escaped}**" if text.is_bold and escaped else escaped


def _escape(text: str) -> str:
    """Keep what a value says from being read as Markdown or HTML."""
    flat = " ".join(text.split())
    return re.sub(r"([\\`*<>\[\]|])", r"\\\1", flat)
