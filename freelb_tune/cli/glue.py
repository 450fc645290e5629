"""`freelb-tune glue`: several tasks in one table.

Room: cli.
"""

import sys
from pathlib import Path
from typing import Annotated

import typer

from freelb_tune.cli.options import Folders

__all__ = ["glue"]


def glue(
    folders: Folders,
    out: Annotated[
        Path | None, typer.Option("--out", help="Write glue.md, glue.csv and glue.tex here.")
    ] = None,
    mixed: Annotated[
        bool, typer.Option("--mixed", help="Allow several models; a column says which.")
    ] = False,
) -> None:
    """Put searches on several GLUE tasks into one table, beside published figures."""
    from freelb_tune.api.glue import glue as table_of
    from freelb_tune.api.glue import glue_markdown, write_glue

    table = table_of(folders, mixed=mixed)
    print(glue_markdown(table))
    if out is not None:
        print(f"files: {', '.join(map(str, write_glue(table, out)))}", file=sys.stderr)
