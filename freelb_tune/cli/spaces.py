"""`freelb-tune spaces`: the search spaces that come with the package.

Room: cli.
"""

from typing import Annotated

import typer

__all__ = ["spaces"]


def spaces(
    name: Annotated[
        str | None, typer.Argument(help="Print this one's file: spaces rte_grid > mine.yaml")
    ] = None,
) -> None:
    """List the search spaces that --space takes by name, or print one as a file."""
    from freelb_tune.api.shipped import shipped_space, shipped_spaces, summary

    if name is not None:
        print(shipped_space(name).read_text("utf-8"), end="")
        return
    shipped = shipped_spaces()
    width = max(map(len, shipped))
    for each, path in shipped.items():
        print(f"{each:{width}}  {summary(path)}")
