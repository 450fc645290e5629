"""Which display suits the place that a search is started from.

Room: search, without Ray.
"""

from rich.console import Console

from freelb_tune.search.driver.listener import Listener
from freelb_tune.search.driver.showing.live import LiveDisplay
from freelb_tune.search.driver.showing.plain import PlainDisplay

__all__ = ["make_display"]


def make_display(console: Console | None = None) -> Listener:
    """A live table on a terminal or in a notebook, plain lines elsewhere; on stderr by default."""
    console = console or Console(stderr=True)
    if console.is_jupyter:
        from freelb_tune.search.driver.showing.notebook import NotebookDisplay

        return NotebookDisplay()
    return LiveDisplay(console) if console.is_terminal else PlainDisplay(console)
