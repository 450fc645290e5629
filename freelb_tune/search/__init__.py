"""Which cell runs when and where: Ray Tune over the cells that are not known yet.

Room: search. The one room that loads Ray, and only when something is left to run.
"""

from freelb_tune.search.driver.board import Board, Row
from freelb_tune.search.driver.listener import Listener, Silent
from freelb_tune.search.driver.showing.live import LiveDisplay
from freelb_tune.search.driver.showing.plain import PlainDisplay
from freelb_tune.search.driver.showing.which_display import make_display
from freelb_tune.search.driver.work import SearchOptions, SearchSummary, Work
from freelb_tune.search.ray_tune.workers.default_work import default_work
from freelb_tune.search.run import run_search

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
