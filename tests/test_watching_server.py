"""`freelb-tune serve`: what it answers, and to whom."""

import asyncio
import http.client
import json
import threading
from contextlib import contextmanager

import pytest
from aiohttp import web
from page_fixtures import Made

from freelb_tune.errors import FreeLBTuneError
from freelb_tune.store import Journal
from freelb_tune.watching.folders import searches_in
from freelb_tune.watching.server import open_socket, server


@contextmanager
def serving(root, token=None):
    """The server on a free port, in a thread; gives the port."""
    loop, ready = asyncio.new_event_loop(), threading.Event()
    listening = open_socket("127.0.0.1", 0)

    async def start():
        runner = web.AppRunner(server(root, token))
        await runner.setup()
        await web.SockSite(runner, listening).start()
        ready.set()
        return runner

    def run():
        runner = loop.run_until_complete(start())
        loop.run_forever()
        loop.run_until_complete(runner.cleanup())
        loop.close()

    thread = threading.Thread(target=run)
    thread.start()
    assert ready.wait(20)
    try:
        yield listening.getsockname()[1]
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()


def ask(port, path, *, method="GET", **headers):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request(method, path, headers=headers)
    answer = connection.getresponse()
    return answer, answer.read().decode()


@pytest.fixture
def folder(tmp_path):
    """Two searches, one that runs; beside them a folder that is none, and a link that leads out."""
    results = tmp_path / "results"
    Made(rates=1).write(results / "done")
    Made(ends={7: None}, closed=False).write(results / "busy")
    (results / "other").mkdir()
    (results / "other" / "secret.txt").write_text("secret")
    Made(rates=1, seeds=1).write(tmp_path / "outside")
    (results / "link").symlink_to(tmp_path / "outside")
    return results


def test_every_search_of_the_folder_is_listed_with_its_state(folder):
    with Journal(folder / "busy"), serving(folder) as port:
        answer, text = ask(port, "/api/searches")
        told = {each["name"]: each for each in json.loads(text)}
        assert set(told) == {"done", "busy"}
        assert (told["done"]["state"], told["busy"]["state"]) == ("finished", "running")
        assert told["busy"]["verdict"] == "Verdict after 1 more cell."
        _, page = ask(port, "/search/busy/")
        assert "7 of 8 cells done" in page
        _, data = ask(port, "/search/busy/page.json")
        assert len(json.loads(data)["cells"]["rows"]) == 8
        _, status = ask(port, "/search/busy/status.json")
        assert json.loads(status)["running"][0]["epoch"] == 1


def test_the_mark_changes_with_each_epoch(folder):
    with serving(folder) as port:
        before = ask(port, "/search/busy/mark")[1]
        assert ask(port, "/search/busy/mark")[1] == before
        log = next((folder / "busy" / "cells").glob("*/epochs.jsonl"))
        log.write_text(log.read_text() + " ")
        assert ask(port, "/search/busy/mark")[1] != before


@pytest.mark.parametrize(
    "path",
    [
        "/search/other/", "/search/link/", "/search/../", "/search/..%2f..%2fetc/",
        "/search/%2e%2e/",
        "/search/other%2fsecret.txt/", "/search/done/space.yaml", "/results/other/secret.txt",
    ],
)  # fmt: skip
def test_nothing_outside_the_searches_is_served(folder, path):
    with serving(folder) as port:
        answer, text = ask(port, path)
    assert answer.status == 404
    assert "secret" not in text.replace("secret.txt", "")


def test_a_name_of_another_site_is_not_answered(folder):
    with serving(folder) as port:
        for host, status in {
            f"evil.example:{port}": 403,
            "127.0.0.1.evil.example": 403,
            f"localhost:{port}": 200,
            f"[::1]:{port}": 200,
        }.items():
            answer, _ = ask(port, "/api/searches", Host=host)
            assert answer.status == status, host
        assert ask(port, "/api/searches", method="POST")[0].status == 405


def test_every_answer_forbids_what_it_does_not_need(folder):
    with serving(folder) as port:
        for path in ("/", "/search/done/", "/nowhere", "/plotly.js"):
            answer, _ = ask(port, path)
            policy = answer.headers["Content-Security-Policy"]
            assert "default-src 'none'" in policy
            assert "frame-ancestors 'self'" in policy
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert "Access-Control-Allow-Origin" not in answer.headers


def test_with_a_token_nobody_is_answered_who_does_not_know_it(folder):
    with serving(folder, token="abc") as port:
        assert ask(port, "/api/searches")[0].status == 403
        assert ask(port, "/api/searches?token=abd")[0].status == 403
        answer, _ = ask(port, "/?token=abc")
        assert (answer.status, answer.headers["Location"]) == (303, "/")
        cookie = answer.headers["Set-Cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=Strict" in cookie
        told = ask(port, "/api/searches", Cookie=cookie.partition(";")[0], Host="gpu7:80")[0]
        assert told.status == 200
        assert ask(port, "/api/searches", Authorization="Bearer abc")[0].status == 200


def test_a_damaged_search_says_so_and_costs_the_others_nothing(folder):
    path = folder / "done" / "journal.jsonl"
    path.write_text("no journal\n" + path.read_text())
    with serving(folder) as port:
        told = {each["name"]: each for each in json.loads(ask(port, "/api/searches")[1])}
        assert told["done"]["state"] == "damaged"
        assert "expected one JSON mapping" in told["done"]["progress"]
        assert told["busy"]["state"] == "interrupted"
        assert ask(port, "/search/done/")[0].status == 500


def test_one_searchs_own_folder_can_be_served(folder):
    assert list(searches_in(folder / "done")) == ["done"]


def test_a_folder_that_is_not_there_and_a_port_that_is_taken_are_said(tmp_path):
    with pytest.raises(FreeLBTuneError, match="no such folder"):
        searches_in(tmp_path / "nowhere")
    with (
        open_socket("127.0.0.1", 0) as taken,
        pytest.raises(FreeLBTuneError, match="cannot listen there .*choose another with --port"),
    ):
        open_socket("127.0.0.1", taken.getsockname()[1])
