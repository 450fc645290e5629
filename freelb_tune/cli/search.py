"""`freelb-tune search`, or just `freelb-tune --space FILE`: run a search, or continue it.

Room: cli.
"""

import sys
from pathlib import Path
from typing import Annotated

import typer

from freelb_tune.cli.opening import open_space
from freelb_tune.cli.options import Data, Overrides, Plugins, Results, SpaceFile, Yes
from freelb_tune.cli.plan import plan
from freelb_tune.cli.report import show_tables
from freelb_tune.errors import FreeLBTuneError

__all__ = ["search"]


def search(
    space: SpaceFile,
    overrides: Overrides = None,
    results: Results = Path("results"),
    data: Data = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="List the cells and run none (same as `plan`).")
    ] = False,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Set what is stored aside and start anew.")
    ] = False,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Run failed and diverged cells again.")
    ] = False,
    address: Annotated[
        str | None, typer.Option("--address", help="A Ray cluster to join (such as auto).")
    ] = None,
    dashboard: Annotated[
        bool, typer.Option("--dashboard/--no-dashboard", help="Ray's dashboard on 127.0.0.1.")
    ] = True,
    plugin: Plugins = None,
    yes: Yes = False,
) -> None:
    """Run a search, or continue it: known cells are kept, unfinished ones go on."""
    if dry_run:
        return plan(space, overrides, results, data, plugin, yes)
    from freelb_tune.search import SearchOptions, make_display, run_search
    from freelb_tune.store import check_results, set_aside

    opened = open_space(space, overrides, results, data, plugin, yes=yes, fetch=True)
    folder = opened.folder
    if fresh and folder.exists():
        _ask(f"Set {folder} aside and start anew?", yes)
        print(f"what was stored is now in {set_aside(folder)}", file=sys.stderr)
    check_results(folder, name=opened.space.name, task=opened.space.task)
    options = SearchOptions(
        address=address,
        dashboard=dashboard,
        retry_failed=retry_failed,
        command=("freelb-tune", *sys.argv[1:]),
        cache=results.resolve() / ".cache",
    )
    summary = run_search(opened.space, opened.plan, folder, options, make_display())
    show_tables(folder)
    if summary.interrupted:
        print("interrupted: the same command again continues from here", file=sys.stderr)
        raise typer.Exit(130)
    if any(n for state, n in summary.counts.items() if state in ("failed", "diverged")):
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
