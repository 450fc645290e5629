"""`freelb-tune report`: every table of a search, and its page, from what is stored.

Room: cli.
"""

import sys
from pathlib import Path
from typing import Annotated

import typer

from freelb_tune.cli.options import Folder

__all__ = ["report", "show_tables"]


def report(
    folder: Folder,
    with_text: Annotated[
        bool,
        typer.Option("--with-text", help="Show dev examples that arms judge differently in words."),
    ] = False,
) -> None:
    """Rebuild every table of a search, and its page report.html, from its journal alone."""
    from freelb_tune.api.results import open_results

    open_results(folder).report(with_text=with_text)
    show_tables(folder)


def show_tables(folder: Path) -> None:
    """Print a search's table, and say which files have the rest, and where the models are."""
    print((folder / "table.md").read_text("utf-8"))
    print(f"page: {folder}/report.html", file=sys.stderr)
    print(f"files: {folder}/table.md, table.csv, trials.csv, epochs.csv", file=sys.stderr)
    for name, what in (("best", "best model"), ("best_adversarial", "best that perturbs")):
        if (folder / name / "config.json").is_file():
            print(f"{what}: {folder / name}", file=sys.stderr)
