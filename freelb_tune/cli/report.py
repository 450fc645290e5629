"""`freelb-tune report`: every table of a search, and its page, from what is stored.

Room: cli.
"""

import json
from typing import Annotated

import typer

from freelb_tune.cli.options import Folder, Json
from freelb_tune.cli.terminal import tell

__all__ = ["report"]


def report(
    folder: Folder,
    with_text: Annotated[
        bool,
        typer.Option("--with-text", help="Show dev examples that arms judge differently in words."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Rebuild every table of a search, and its page report.html, from its journal alone."""
    from freelb_tune.api.watching import report as again
    from freelb_tune.api.watching import show_end
    from freelb_tune.progress import waiting

    with waiting(f"making the tables and the page of {folder}", tell):
        found = again(folder, with_text=with_text, say=tell)
    if as_json:
        print(json.dumps(found.to_json(), indent=2))
    else:
        show_end(found)
