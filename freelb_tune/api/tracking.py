"""Feeding trackers from a results folder, after its search or beside it.

Room: api. Neither Ray nor torch loads.
"""

from collections.abc import Sequence
from pathlib import Path

from freelb_tune.api.remote import looked_in
from freelb_tune.errors import FreeLBTuneError, unknown_name
from freelb_tune.space.problems import Problems
from freelb_tune.space.reading.track_section import TRACKERS, read_track
from freelb_tune.store import load_store
from freelb_tune.watching.tracking.feed import Feed
from freelb_tune.watching.tracking.registry import present

__all__ = ["track"]


def track(folder: Path, names: Sequence[str] = ()) -> list[str]:
    """Have trackers show what a results folder has; what they have already is not repeated.

    Args:
        folder: `results/NAME`, or its URI.
        names: the trackers; none for those that its space names.

    Returns:
        Those that were fed.

    Raises:
        FreeLBTuneError: no tracker is named or installed, there is none of that name, the folder is
            no results folder or is damaged, or a tracker could not take it.
    """
    for name in names:
        if name not in TRACKERS:
            raise FreeLBTuneError(f"--to: {unknown_name(name, TRACKERS)}")
    folder = looked_in(folder)
    wanted = list(names) or list(read_track(load_store(folder).space, Problems("", {})))
    if not wanted:
        raise FreeLBTuneError(
            f"{folder}: its space names no tracker; say which with --to: {', '.join(TRACKERS)}"
        )
    problems: list[str] = []
    feed = Feed(folder, present(wanted, problems.append), problems.append)
    feed.everything(final=True)
    feed.close()
    if problems:
        raise FreeLBTuneError("\n".join(problems))
    return wanted
