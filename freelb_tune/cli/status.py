"""`freelb-tune status`: a search as it stands, also one that was started elsewhere.

Room: cli.
"""

import json
from typing import Annotated

import typer

from freelb_tune.cli.options import Folder, Json

__all__ = ["status"]


def status(
    folder: Folder,
    watch: Annotated[
        bool, typer.Option("--watch", "-w", help="Draw it again at each news, until it is over.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Show a search as it stands: what runs, what leads, how long it takes. Changes nothing."""
    from freelb_tune.api.watching import status_json
    from freelb_tune.api.watching import watch as show

    if as_json:
        print(json.dumps(status_json(folder), indent=2))
        return
    try:
        show(folder, go_on=watch)
    except KeyboardInterrupt:
        return  # whoever watches may stop watching
