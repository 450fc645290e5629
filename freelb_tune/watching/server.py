"""`freelb-tune serve`: every search of a folder in a browser, while they run and after.

Room: watching. It reads and never writes. It listens on 127.0.0.1 and answers only who asks for
that name, so that no page of another site can read it by a name of its own (DNS rebinding); on
another address it answers only with the token.
"""

import asyncio
import hmac
import json
import socket
from functools import cache
from importlib.resources import files
from pathlib import Path

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from freelb_tune.errors import FreeLBTuneError
from freelb_tune.results.page.document import plotly_script
from freelb_tune.watching.folders import searches_in
from freelb_tune.watching.live import Live, mark_of

__all__ = ["LOCAL", "open_socket", "server"]

LOCAL = ("127.0.0.1", "localhost", "::1")
_COOKIE = "freelb_tune_token"
_POLICY = (
    "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'unsafe-inline'; "
    "img-src data: blob:; connect-src 'self'; frame-src 'self'; frame-ancestors 'self'; "
    "base-uri 'none'; form-action 'self'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def open_socket(host: str, port: int) -> socket.socket:
    """Take an address.

    Raises:
        FreeLBTuneError: it is taken, or is none of this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as err:
        raise FreeLBTuneError(
            f"--host {host} --port {port}: cannot listen there ({err.strerror or err}); choose "
            "another with --port"
        ) from err


def server(root: Path, token: str | None = None) -> web.Application:
    """The application.

    Args:
        root: the folder that searches' folders stand in, or one search's.
        token: who does not know it is refused, and any host name is taken; None answers without,
            and to this machine's own names alone.
    """
    app = web.Application(middlewares=[_guard(token)])
    pages = _Pages(root)
    app.add_routes(
        [
            web.get("/", pages.index),
            web.get("/plotly.js", pages.plotly),
            web.get("/api/searches", pages.searches),
            web.get("/search/{name}/", pages.page),
            web.get("/search/{name}/mark", pages.mark),
            web.get("/search/{name}/status.json", pages.status),
            web.get("/search/{name}/page.json", pages.data),
        ]
    )
    return app


def _guard(token: str | None) -> Middleware:
    """Who may ask, and what every answer says beside its content."""

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            answer = _refused(request, token) or await handler(request)
        except web.HTTPException as err:
            answer = err
        except FreeLBTuneError as err:
            answer = web.Response(status=500, text=str(err))
        answer.headers.update(_HEADERS)
        if isinstance(answer, web.HTTPException):
            raise answer
        return answer

    return guard


def _refused(request: web.Request, token: str | None) -> web.Response | None:
    """Why a request is not answered; None where it is."""
    if token is None:
        name = request.host.rpartition(":")[0] if request.host[-1:] != "]" else request.host
        if (name or request.host).strip("[]") in LOCAL:
            return None
        return web.Response(status=403, text="This server answers to 127.0.0.1 and localhost.\n")
    given = request.query.get("token")
    if given is not None and _same(given, token):
        answer = web.Response(status=303, headers={"Location": request.path})
        answer.set_cookie(_COOKIE, token, httponly=True, samesite="Strict")
        return answer  # so that the token does not stay in the address
    if _same(request.cookies.get(_COOKIE, ""), token):
        return None
    bearer = request.headers.get("Authorization", "").removeprefix("Bearer ")
    if _same(bearer, token):
        return None
    return web.Response(status=403, text="Open the address that freelb-tune serve has printed.\n")


def _same(given: str, token: str) -> bool:
    return hmac.compare_digest(given.encode(), token.encode())


class _Pages:
    """The answers; what takes time is worked out in threads."""

    def __init__(self, root: Path) -> None:
        self._root, self._live = root, Live()

    async def index(self, request: web.Request) -> web.Response:
        return web.Response(text=_index(), content_type="text/html")

    async def plotly(self, request: web.Request) -> web.Response:
        return web.Response(text=plotly_script(), content_type="text/javascript")

    async def searches(self, request: web.Request) -> web.Response:
        told = await asyncio.to_thread(self._list)
        return web.json_response(told)

    def _list(self) -> list[dict[str, object]]:
        """Every search; one that is damaged says so and costs the others nothing."""
        told: list[dict[str, object]] = []
        for name, folder in searches_in(self._root).items():
            try:
                said = self._live.status_json(folder)
            except FreeLBTuneError as err:
                told.append({"name": name, "state": "damaged", "progress": str(err)})
                continue
            kept = ("title", "state", "progress", "verdict", "seconds_elapsed", "seconds_left")
            told.append({"name": name, **{each: said[each] for each in kept}})
        return told

    async def page(self, request: web.Request) -> web.Response:
        text = await asyncio.to_thread(self._live.page, self._folder(request))
        return web.Response(text=text, content_type="text/html")

    async def mark(self, request: web.Request) -> web.Response:
        mark = await asyncio.to_thread(mark_of, self._folder(request))
        return web.json_response({"mark": mark})

    async def status(self, request: web.Request) -> web.Response:
        told = await asyncio.to_thread(self._live.status_json, self._folder(request))
        return web.json_response(told, dumps=lambda content: json.dumps(content, indent=2))

    async def data(self, request: web.Request) -> web.Response:
        text = await asyncio.to_thread(self._live.page_json, self._folder(request))
        return web.Response(text=text, content_type="application/json")

    def _folder(self, request: web.Request) -> Path:
        found = searches_in(self._root).get(request.match_info["name"])
        if found is None:
            raise web.HTTPNotFound(text="There is no such search.\n")
        return found


@cache
def _index() -> str:
    """The list of searches: its script asks for them."""
    style = (files("freelb_tune.results.page") / "page.css").read_text("utf-8")
    text = (files("freelb_tune.watching") / "index.html").read_text("utf-8")
    return text.replace("/* style */", style)
