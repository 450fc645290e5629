"""A table in LaTeX with booktabs: `table.tex`, to be read in by `\\input`.

Room: results.
"""

from collections.abc import Sequence

from freelb_tune.results.tables.grid import Grid, Text, print_table
from freelb_tune.results.tables.sentences import clean_sentence, footnotes, title
from freelb_tune.results.tables.table import Table

__all__ = ["latex_table", "to_latex"]

_ESCAPES = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "±": r"$\pm$",
}


def to_latex(table: Table) -> str:
    r"""A `table` environment; needs `\usepackage{booktabs}`. Its caption holds the footer."""
    said = [f"{title(table)}.", clean_sentence(table)]
    if table.verdict:
        said.append(table.verdict.sentence)
    return latex_table(print_table(table), [*said, *footnotes(table)], table.name)


def latex_table(grid: Grid, caption: Sequence[str], name: str) -> str:
    """A `table` environment around any grid.

    Args:
        grid: its rows.
        caption: sentences under it.
        name: what its label is made of.
    """
    lines = [
        r"% needs \usepackage{booktabs}",
        r"\begin{table}",
        r"\centering",
        *_tabular(grid),
        rf"\caption{{{' '.join(_escape(sentence) for sentence in caption)}}}",
        rf"\label{{tab:{''.join(c if c.isalnum() else '-' for c in name)}}}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def _tabular(grid: Grid) -> list[str]:
    """Rows of text as lines of LaTeX; results to the right."""
    shape = "l" * grid.numbers_from + "r" * (len(grid.header) - grid.numbers_from)
    return [
        rf"\begin{{tabular}}{{{shape}}}",
        r"\toprule",
        rf"{' & '.join(_escape(text) for text in grid.header)} \\",
        r"\midrule",
        *(rf"{' & '.join(_mark(text) for text in row)} \\" for row in grid.rows),
        r"\bottomrule",
        r"\end{tabular}",
    ]


def _mark(text: Text) -> str:
    """One place of a table, in bold if it is."""
    escaped = _escape(text.text)
    return rf"\textbf{{{escaped}}}" if text.is_bold and escaped else escaped


def _escape(text: str) -> str:
    """Keep what a value says from being read as LaTeX."""
    return "".join(_ESCAPES.get(letter, letter) for letter in " ".join(text.split()))
