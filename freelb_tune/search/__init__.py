"""Which cell runs when and where: Ray Tune over the cells that are not known yet.

Room: search. The one room that loads Ray, and only when something is left to run.
"""

from freelb_tune.search.driver.listener import Silent
from freelb_tune.search.driver.showing.which_display import make_display
from freelb_tune.search.driver.work import SearchOptions, SearchSummary, Work
from freelb_tune.search.run import run_search

__all__ = [
    "SearchOptions",
    "SearchSummary",
    "Silent",
    "Work",
    "make_display",
    "run_search",
]
