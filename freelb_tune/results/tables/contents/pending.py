"""What stands for a verdict before a search has come to its planned end.

Room: results. Whoever sees a difference before the end, and goes on or stops for it, has looked. So
until then no table, page or frame says anything of a difference from the clean arm.
"""

from freelb_tune.errors import counted
from freelb_tune.results.statistics.comparing.comparison import Verdict
from freelb_tune.store import Store, cells_left

__all__ = ["pending"]


def pending(store: Store) -> Verdict | None:
    """A verdict that says when there will be one; None from the planned end on."""
    if store.shard:
        number, _, of = store.shard.partition("/")
        return Verdict(
            f"Part {number} of {of} of a search: freelb-tune merge puts the parts together, and "
            "then there is a verdict."
        )
    left = cells_left(store)
    return Verdict(f"Verdict after {counted(left, 'more cell')}.") if left else None
