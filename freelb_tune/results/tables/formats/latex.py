"""A table in LaTeX with booktabs and threeparttable: `table.tex`, to be read in by `\\input`.

Room: results.
"""

import unicodedata
from collections.abc import Sequence

from freelb_tune.results.tables.contents.table import Entry, Table
from freelb_tune.results.tables.formats.footer import footnotes
from freelb_tune.results.tables.formats.grid import Grid, Text, print_table
from freelb_tune.results.tables.formats.sentences import (
    clean_sentence,
    entry_text,
    title,
)

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
    '"': r"\symbol{34}",
    "`": r"\textasciigrave{}",
    "[": "{[}",  # an optional argument of the \\ or \item before it otherwise
    "]": "{]}",
    "±": r"$\pm$",
    "×": r"$\times$",
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "−": "$-$",
    "→": r"$\to$",
    "…": r"\ldots{}",
    "–": "--",
    "—": "---",
    "‘": "`",
    "’": "'",
    "“": "``",
    "”": "''",
}
_ENCODED = 0x17F  # the last letter that every LaTeX knows without a package of its own


def to_latex(table: Table) -> str:
    r"""A `table` environment; needs `\usepackage{booktabs,threeparttable}`.

    The clean arm is its first row, the title its caption, and all that is said stands below.
    """
    grid, clean = print_table(table), _clean_row(table)
    said = [] if clean else [clean_sentence(table)]
    if clean:
        grid = Grid(grid.header, (clean, *grid.rows), grid.numbers_from)
    if table.verdict:
        said.append(table.verdict.sentence)
    return latex_table(grid, title(table), [*said, *footnotes(table)], table.name)


def latex_table(grid: Grid, caption: str, notes: Sequence[str], name: str) -> str:
    """A `table` environment around any grid.

    Args:
        grid: its rows.
        caption: one line above it.
        notes: sentences below it.
        name: what its label is made of.
    """
    lines = [
        r"% needs \usepackage{booktabs,threeparttable}",
        r"\begin{table}",
        r"\centering",
        r"\begin{threeparttable}",
        rf"\caption{{{_escape(caption)}}}",
        rf"\label{{tab:{''.join(c if c.isascii() and c.isalnum() else '-' for c in name)}}}",
        *_tabular(grid),
        r"\begin{tablenotes}[flushleft]",
        r"\footnotesize",
        *(rf"\item {_escape(note)}" for note in notes),
        r"\end{tablenotes}",
        r"\end{threeparttable}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def _clean_row(table: Table) -> tuple[Text, ...] | None:
    """The clean arm of each column; None where there is none, or each row has its own beside it."""
    if table.has_row_clean_arms:
        return None
    arms = [
        next((entry.clean for entry in column if entry and entry.clean), None)
        for column in zip(*(row.entries for row in table.rows), strict=True)
    ]
    if not any(arms):
        return None
    names = [Text("clean arm"), *[Text("-")] * (len(table.row_names) - 1)]
    texts = [
        entry_text(Entry(arm, None, None, is_bold=False), table) if arm else "" for arm in arms
    ]
    return (*names, *map(Text, texts))


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
    flat = " ".join(unicodedata.normalize("NFC", text).split())
    return "".join(map(_letter, flat)).replace("--", "-{}-")  # an option's name has no dash


def _letter(letter: str) -> str:
    """One letter; of those that need a package of their own, the number."""
    if letter in _ESCAPES:
        return _ESCAPES[letter]
    return (
        letter
        if ord(letter) <= _ENCODED and letter.isprintable()
        else f"{{[}}U+{ord(letter):04X}{{]}}"
    )
