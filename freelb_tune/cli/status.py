"""`freelb-tune status`: a search as it stands, also one that was started elsewhere.

Room: cli.
"""

import json
from pathlib import Path
from typing import Annotated

import typer

from freelb_tune.cli.options import Json

__all__ = ["status"]


def status(
    folder: Annotated[
        Path,
        typer.Argument(help="A search's folder or URI, results/NAME; with --address a job's id."),
    ],
    watch: Annotated[
        bool, typer.Option("--watch", "-w", help="Draw it again at each news, until it is over.")
    ] = False,
    as_json: Json = False,
    address: Annotated[
        str | None,
        typer.Option(
            "--address", help="Of the cluster that it was submitted to, http://HOST:8265."
        ),
    ] = None,
) -> None:
    """Show a search as it stands: what runs, what leads, how long it takes. Changes nothing."""
    if address is not None:
        from freelb_tune.api.jobs import state_of

        print(state_of(str(folder), address))
        return
    from freelb_tune.api.watching import status_json
    from freelb_tune.api.watching import watch as show

    if as_json:
        print(json.dumps(status_json(folder), indent=2))
        return
    try:
        show(folder, go_on=watch)
    except KeyboardInterrupt:
        return  # whoever watches may stop watching
