"""`freelb-tune track`: what a results folder has, in TensorBoard and other trackers.

Room: cli.
"""

import sys
from typing import Annotated

import typer

from freelb_tune.cli.options import Folder

__all__ = ["track"]


def track(
    folder: Folder,
    to: Annotated[
        list[str] | None,
        typer.Option("--to", help="A tracker. Repeatable; else those that the space names."),
    ] = None,
) -> None:
    """Feed trackers from what is stored; nothing stands there twice, however often."""
    from freelb_tune.api.tracking import track

    fed = track(folder, to or ())
    print(f"{folder}: in {', '.join(fed)}", file=sys.stderr)
