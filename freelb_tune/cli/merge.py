"""`freelb-tune merge`: results folders of one space put together.

Room: cli.
"""

import sys
from pathlib import Path
from typing import Annotated

import typer

from freelb_tune.cli.options import Folders

__all__ = ["merge"]


def merge(
    folders: Folders,
    into: Annotated[
        Path | None, typer.Option("--into", help="The new folder; NAME beside the first if not.")
    ] = None,
    prefer: Annotated[
        Path | None,
        typer.Option("--prefer", help="The folder that is right where their numbers differ."),
    ] = None,
) -> None:
    """Put results folders of one space together in a new one, such as two machines'."""
    from freelb_tune.api.merging import merge as together
    from freelb_tune.api.watching import show_end

    command = ("freelb-tune", *sys.argv[1:])
    show_end(together(folders, into, prefer=prefer, command=command).folder)
