"""Which trackers a file asks for: the list `track`.

Room: space. It is no part of a cell: what watches a search changes none of its numbers.
"""

from collections.abc import Mapping
from typing import Any

from freelb_tune.errors import unknown_name
from freelb_tune.space.problems import Problems, shown

__all__ = ["TRACKERS", "read_track"]

TRACKERS = ("tensorboard", "mlflow", "trackio", "wandb")
"""What `track` may name; `watching/tracking/` has a file for each."""


def read_track(content: Mapping[str, Any], problems: Problems) -> tuple[str, ...]:
    """The trackers, each once; a single name may stand without a list."""
    given = content.get("track")
    names = [] if given is None else given if isinstance(given, list) else [given]
    for name in names:
        if not isinstance(name, str):
            problems.add("track", f"expected names such as [{TRACKERS[0]}], got {shown(name)}")
        elif name not in TRACKERS:
            problems.add("track", unknown_name(name, TRACKERS))
    return tuple(dict.fromkeys(name for name in names if name in TRACKERS))
