"""Serving the searches of a folder to a browser, until Ctrl-C.

Room: api. aiohttp loads here; neither Ray nor torch does.
"""

import secrets
from collections.abc import Callable
from pathlib import Path

from aiohttp import web

from freelb_tune.watching.folders import searches_in
from freelb_tune.watching.server import LOCAL, open_socket, server

__all__ = ["serve"]


def serve(
    results: str | Path,
    host: str = "127.0.0.1",
    port: int = 8321,
    token: str | None = None,
    say: Callable[[str], None] = print,
) -> None:
    """Answer until Ctrl-C. Nothing is written in the folder.

    Args:
        results: the folder that searches' folders stand in, or one search's.
        host: where to listen. Anything but this machine's own names asks for the token.
        port: 0 for a free one.
        token: who does not know it is refused; None draws one where `host` needs it.
        say: is told the address to open.

    Raises:
        FreeLBTuneError: there is no such folder, or the address is taken.
    """
    root = Path(results)
    searches_in(root)  # there is such a folder
    if host not in LOCAL and not token:
        token = secrets.token_urlsafe(24)
    with open_socket(host, port) as listening:
        name = f"[{host}]" if ":" in host else host
        address = f"http://{name}:{listening.getsockname()[1]}/"
        say(f"{root}: open {address}{f'?token={token}' if token else ''} (Ctrl-C ends)")
        web.run_app(server(root, token), sock=listening, print=None, access_log=None)
