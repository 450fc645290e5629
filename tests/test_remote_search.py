"""A real search at an S3 server: killed on one machine, gone on with on another."""

import json
import os
import signal
import subprocess
import sys

import pytest
from remote_fixtures import forget_clients

import freelb_tune as ft
from bench.chaos.search import compare, new_search
from freelb_tune.store.remote.manifest import read_manifest
from freelb_tune.store.remote.place import open_place

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def lines_sent(place, cells):
    """Bytes of the epochs' logs that the place has, by cell."""
    manifest = read_manifest(place)
    files = manifest.files if manifest else {}
    return {
        c: files[f"cells/{c}/epochs.jsonl"].size
        for c in cells
        if f"cells/{c}/epochs.jsonl" in files
    }


def test_a_search_killed_here_ends_elsewhere_with_the_tables_of_an_undisturbed_one(
    s3, s3_server, tmp_path, monkeypatch
):
    whole = new_search(tmp_path / "whole")
    assert whole.run() == 0, whole.said
    search = new_search(tmp_path / "killed")
    search.results = s3
    uri = f"{s3}/chaos"
    place = open_place(uri)
    cells = sorted(whole.known())

    def on(name):
        return {**s3_server.environment, "XDG_CACHE_HOME": str(tmp_path / name)}

    process = search.start(**on("one"))
    search.wait(process, lambda: sum(lines_sent(place, cells).values()) > 0)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    sent = lines_sent(place, cells)

    assert search.end(search.start(**on("two"))) == 0, search.said
    assert f"all of it is at {uri}" in search.said
    (search.base / "chaos").symlink_to(
        next((tmp_path / "two").glob("freelb-tune/remote/*/work/chaos"))
    )
    found = compare(search, whole)
    assert (found.lost, found.doubled, found.changed, found.equal) == (0, 0, 0, True)
    assert all(lines_sent(place, cells)[c] >= size for c, size in sent.items())
    assert not (search.folder / "cells" / cells[0] / "checkpoint").exists()

    told = subprocess.run(
        [sys.executable, "-m", "freelb_tune.cli", "status", uri, "--json"],
        env={**os.environ, **on("three")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(told.stdout)["state"] == "finished", told.stdout

    forget_clients()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "three"))
    results = ft.open_results(uri)
    page, table = results.report(), (whole.folder / "table.md").read_bytes()
    assert page.with_name("table.md").read_bytes() == place.read("table.md") == table
    assert len(results.best.predict([["A text.", "Another one."]])) == 1
