"""The live table of trials in a notebook: one output area, redrawn in place.

Room: search, without Ray. IPython loads here, where it runs already. rich's own way of drawing in a
notebook needs ipywidgets, and leaves nothing in the saved file.
"""

import logging
import warnings
from io import StringIO
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.text import Text

from freelb_tune.search.driver.showing.live import LiveDisplay

__all__ = ["NotebookDisplay"]

_PRE = '<pre style="line-height:1.3;white-space:pre-wrap">{code}</pre>'


class NotebookDisplay(LiveDisplay):
    """What was said, and under it the table while trials run."""

    def __init__(self) -> None:
        super().__init__(
            Console(file=StringIO(), record=True, width=110, height=28, force_jupyter=False)
        )
        # what is shown here needs no ipywidgets, which both of these would have installed
        logging.getLogger("ray.widgets.util").setLevel(logging.WARNING)
        warnings.filterwarnings("ignore", "IProgress not found")
        self._handle: Any = None
        self._lines: list[Text] = []
        self._table: RenderableType = Group()

    def said(self, text: str) -> None:
        self._lines.append(Text(text))
        self._show(self._table)

    def _open(self) -> None: ...

    def _close(self) -> None:
        self._table = Group()

    def _show(self, table: RenderableType) -> None:
        from IPython.display import HTML, display

        self._table = table
        self._console.print(Group(*self._lines, table))
        page = HTML(self._console.export_html(inline_styles=True, code_format=_PRE))
        if self._handle is None:
            self._handle = display(page, display_id=True)
        else:
            self._handle.update(page)
