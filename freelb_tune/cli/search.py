"""`freelb-tune search`, or just `freelb-tune --space FILE`: run a search, or continue it.

Room: cli.
"""

import sys
from pathlib import Path
from typing import Annotated

import typer

from freelb_tune.cli.options import (
    Data,
    Overrides,
    Plugins,
    Results,
    RetryFailed,
    Shard,
    SpaceFile,
    Yes,
)
from freelb_tune.cli.plan import plan
from freelb_tune.errors import FreeLBTuneError

__all__ = ["search"]

DryRun = Annotated[
    bool, typer.Option("--dry-run", help="List the cells and run none (same as `plan`).")
]
Fresh = Annotated[
    bool,
    typer.Option(
        "--fresh", help="Keep the old results under another name, and start from nothing."
    ),
]
Address = Annotated[
    str | None, typer.Option("--address", help="A Ray cluster to join (such as auto).")
]
Dashboard = Annotated[
    bool, typer.Option("--dashboard/--no-dashboard", help="Ray's dashboard on 127.0.0.1.")
]
MetricsPort = Annotated[
    int | None,
    typer.Option(
        "--metrics-port", min=1, max=65535, help="Where Prometheus is answered, on 127.0.0.1."
    ),
]


def search(
    space: SpaceFile,
    overrides: Overrides = None,
    results: Results = Path("results"),
    data: Data = None,
    dry_run: DryRun = False,
    fresh: Fresh = False,
    retry_failed: RetryFailed = False,
    address: Address = None,
    dashboard: Dashboard = True,
    shard: Shard = None,
    metrics_port: MetricsPort = None,
    plugin: Plugins = None,
    yes: Yes = False,
) -> None:
    """Run a search, or continue it: known cells are kept, unfinished ones go on."""
    if dry_run:
        return plan(space, overrides, results, data, shard, plugin, yes)
    from freelb_tune.api import searching
    from freelb_tune.api.plans import MOST_CELLS
    from freelb_tune.api.spaces import load_space
    from freelb_tune.api.watching import show_end

    asked = load_space(space, overrides or (), data=data, plugins=plugin or ())
    folder = searching.folder_of(asked, results, shard)
    if fresh and folder.exists():
        _ask(f"Keep {folder} under another name and start from nothing?", yes)
    try:
        counts = searching.search(
            asked,
            results,
            fresh=fresh,
            retry_failed=retry_failed,
            address=address,
            dashboard=dashboard,
            metrics_port=metrics_port,
            most_cells=None if yes else MOST_CELLS,
            shard=shard,
            command=("freelb-tune", *sys.argv[1:]),
        ).counts
    except KeyboardInterrupt:
        if (folder / "table.md").exists():
            show_end(folder)
        print("interrupted: the same command again continues from here", file=sys.stderr)
        raise typer.Exit(130) from None
    show_end(folder)
    if counts["failed"] or counts["diverged"]:
        print("some cells failed: see trials.csv; --retry-failed runs them again", file=sys.stderr)
        raise typer.Exit(1)
    return None


def _ask(question: str, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise FreeLBTuneError(f"{question} There is no terminal to ask at; add --yes")
    if not typer.confirm(question):
        raise typer.Exit(2)
