"""What a figure of the page is: traces for plotly, and the same in words.

Room: results. Plain mappings, so that plotly itself is not loaded. A colour is written as `@clean`,
`@tried` and so on: the page puts in what suits its theme.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

__all__ = ["Figure", "label", "most"]

MOST_ROWS = 60  # of a figure's numbers in words
_NUMBER = re.compile(r"[-+]?[\d.,]+ ?%?( to [-+]?[\d.,]+ ?%?)?")


@dataclass(frozen=True)
class Figure:
    """One figure.

    Attributes:
        name: its id in the page.
        title: its heading.
        says: what is shown, what each n is of and what was left out, in a sentence or two.
        traces: plotly's.
        layout: plotly's, without fonts and grounds.
        header: of its numbers as a table, for readers who cannot see it.
        rows: of the same.
        height: in pixels.
    """

    name: str
    title: str
    says: str
    traces: Sequence[dict[str, Any]]
    layout: dict[str, Any]
    header: tuple[str, ...]
    rows: Sequence[tuple[str, ...]] = field(default_factory=tuple)
    height: int = 380

    @property
    def plot(self) -> dict[str, Any]:
        """What plotly is given."""
        return {"data": list(self.traces), "layout": {**self.layout, "height": self.height}}

    @property
    def twin(self) -> Sequence[tuple[str, ...]]:
        """The rows that the page holds."""
        return list(self.rows)[:MOST_ROWS]

    def is_number(self, at: int) -> bool:
        """Whether a column holds numbers, which stand to the right; "-" is for none."""
        texts = {row[at] for row in self.twin} - {"-", ""}
        return bool(texts) and all(_NUMBER.fullmatch(text) for text in texts)

    @property
    def left_out(self) -> int:
        """The rows that it does not hold."""
        return max(len(self.rows) - MOST_ROWS, 0)


def label(text: str, longest: int = 44) -> str:
    """A text of the user's as plotly shows it: plotly reads some HTML in labels."""
    return escape(text if len(text) <= longest else f"{text[: longest - 1]}…")


def most(shown: int, total: int, what: str, where: str) -> str:
    """What a sentence says of what was left out; empty where nothing was."""
    return "" if shown >= total else f" Shown: {shown:,} of {total:,} {what}; {where} has all."
