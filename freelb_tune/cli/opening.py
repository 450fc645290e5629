"""How a command begins: the user's adversaries first, then the file, then its cells.

Room: cli.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from freelb_tune.space import Plan, Space

__all__ = ["Opened", "load_adversaries", "open_space"]

MOST_CELLS = 100_000
"""A larger search is likelier a mistake than meant; `--yes` says that it is meant."""


@dataclass(frozen=True)
class Opened:
    """What the user asked for, read and spanned.

    Attributes:
        space: the file with its overrides.
        plan: its cells.
        folder: the results folder of this search, `DIR/NAME`, there or not.
    """

    space: "Space"
    plan: "Plan"
    folder: Path


def open_space(
    file: Path,
    overrides: Sequence[str] | None,
    results: Path,
    data: Path | None,
    plugins: Sequence[str] | None,
    *,
    yes: bool,
    fetch: bool,
) -> Opened:
    """Read a search-space file and span it, as the command line's options say.

    Args:
        file: the search-space file.
        overrides: `KEY=VALUE` settings that replace the file's.
        results: the folder that searches' folders stand in.
        data: a GLUE folder in place of the file's `data`.
        plugins: modules that register adversaries.
        yes: span a search of any size.
        fetch: read the data and fetch what the Hub has; without it, only what is here is looked
            at, and quickly.

    Raises:
        FreeLBTuneError: whatever keeps the file from having cells.
    """
    from freelb_tune.space import load_space, plan_cells
    from freelb_tune.tasks import data_fingerprint, task_metrics
    from freelb_tune.training import model_fingerprint

    load_adversaries(plugins)
    space = load_space(file, overrides or (), data, tasks=task_metrics())
    plan = plan_cells(
        space,
        data_fingerprint=_read_data if fetch else data_fingerprint,
        model_fingerprint=partial(model_fingerprint, fetch=fetch),
        limit=None if yes else MOST_CELLS,
    )
    return Opened(space, plan, results / space.name)


def load_adversaries(plugins: Sequence[str] | None) -> None:
    """What installed packages offer, then what the command line names; never what a file says."""
    from freelb_tune.adversary import load_entry_points, load_plugins

    load_entry_points()
    load_plugins(plugins or ())


def _read_data(settings: Mapping[str, Any]) -> str:
    """Read the data once, fetching what the Hub has, and say what a user should know of it."""
    from freelb_tune.tasks import check_data, data_fingerprint

    for note in check_data(settings):
        print(note, file=sys.stderr)
    return data_fingerprint(settings)
