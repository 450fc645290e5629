"""`freelb-tune serve`: every search of a folder in a browser, while they run and after.

Room: cli.
"""

from pathlib import Path
from typing import Annotated

import typer

from freelb_tune.cli.terminal import tell

__all__ = ["serve"]


def serve(
    results: Annotated[
        Path, typer.Argument(help="The folder that searches' folders stand in, or one of them.")
    ] = Path("results"),
    host: Annotated[
        str, typer.Option("--host", help="Where to listen; another than this needs the token.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0 for a free one.")] = 8321,
    token: Annotated[
        str | None,
        typer.Option(
            "--token",
            envvar="FREELB_TUNE_TOKEN",
            help="Requests without it are refused. Drawn by itself where --host needs one.",
        ),
    ] = None,
) -> None:
    """Show every search of a folder in a browser, each page with news as epochs arrive."""
    from freelb_tune.api.serving import serve

    serve(results, host, port, token, tell)
