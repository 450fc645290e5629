"""Which cell runs when and where: Ray Tune over the cells that are not known yet.

Room: search. The one room that loads Ray, and only when something is left to run.
"""

from freelb_tune.search.board import Board, Row
from freelb_tune.search.display import LiveDisplay, PlainDisplay, make_display
from freelb_tune.search.listener import Listener, Silent
from freelb_tune.search.run import run_search
from freelb_tune.search.work import SearchOptions, SearchSummary, Work, default_work

__all__ = [
    "Board",
    "Listener",
    "LiveDisplay",
    "PlainDisplay",
    "Row",
    "SearchOptions",
    "SearchSummary",
    "Silent",
    "Work",
    "default_work",
    "make_display",
    "run_search",
]
