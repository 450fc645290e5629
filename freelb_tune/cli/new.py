"""`freelb-tune new`: a first search space for a file of one's own.

Room: cli.
"""

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["new"]


def new(
    data: Annotated[Path, typer.Option("--data", help="A file of texts and their labels.")],
    model: Annotated[
        str | None, typer.Option("--model", help="What to fine-tune (a Hub id or a folder).")
    ] = None,
) -> None:
    """Look at a file of texts and labels, and print a search space for it."""
    from freelb_tune.api.drafting import draft_space

    print(draft_space(data, model), end="")
