"""Results at a URI: what is brought and sent, who may write, and what is said when it fails."""

import json
import os
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from remote_fixtures import ENVIRONMENT, as_elsewhere, forget_clients
from search_fixtures import make_plan
from store_fixtures import Search, cell

import freelb_tune as ft
from freelb_tune.api.remote import kept_at, looked_in, with_best, work_folder
from freelb_tune.api.watching import status_json
from freelb_tune.errors import DamagedError, FreeLBTuneError
from freelb_tune.results import write_outputs
from freelb_tune.store import Journal, is_held, load_store, read_journal
from freelb_tune.store.remote.lease import Lease, LeaseLostError
from freelb_tune.store.remote.place import open_place, uri_of
from freelb_tune.store.remote.snapshot import Taker, files_in
from freelb_tune.training.cells.checkpoint import replace_folder

NAME = "rte_grid"


@pytest.fixture
def place(tmp_path):
    """A place that is a folder, by its URI."""
    (tmp_path / "far").mkdir()
    return f"file://{tmp_path}/far"


def run(place, said=None, more=lambda folder: None):
    """One run of a search at a place: of the first cell, or one more event."""
    with kept_at(place, NAME, [].append if said is None else said.append) as (home, _):
        folder = home / NAME
        if folder.exists():
            note(folder)
        else:
            one, two = cell(1), cell(2)
            Search([one, two]).end(one, 0.5, 0.6).end(two, 0.7, state=None).write(folder)
            for name in ("model", "checkpoint"):
                (folder / "cells" / two.id / name).mkdir()
                (folder / "cells" / two.id / name / "w.safetensors").write_bytes(bytes(2 << 20))
            write_outputs(folder)
        more(folder)
    return folder


def note(folder, why="an event of this run"):
    with Journal(folder) as journal:
        journal.append("again", cell_id=cell(2).id, why=f"{why}, {time.time_ns()}")


def refused(place, message):
    with pytest.raises(FreeLBTuneError, match=message), kept_at(place, NAME, print):
        pass


def content(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path, _ in files_in(folder)}


@pytest.mark.parametrize(
    ("written", "uri"),
    [
        ("s3://bucket/results/", "s3://bucket/results"),
        ("s3:/bucket/results", "s3://bucket/results"),  # as pathlib makes it
        ("file:///tmp/x", "file:///tmp/x"),
        ("file:/tmp/x", "file:///tmp/x"),
        ("results/quickstart", None),
        ("/mnt/shared", None),
        ("C:/results", None),
    ],
)
def test_a_uri_is_told_from_a_folder(written, uri):
    assert uri_of(written) == uri


def test_a_search_goes_on_elsewhere_with_the_same_files(s3, caches):
    first = run(s3)
    before = content(first)
    caches("two")
    with kept_at(s3, NAME, print) as (home, _):
        assert home / NAME != first
        assert content(home / NAME) == before
        note(home / NAME, "of the second machine")
        after = content(home / NAME)
    caches("one")
    with kept_at(s3, NAME, print) as (home, _):
        assert home / NAME == first
        assert content(first) == after  # the newer one
    place = open_place(f"{s3}/{NAME}")
    assert place.read("table.md") == (first / "table.md").read_bytes()  # for people
    assert place.read("lease.json") is None
    assert len(place.sizes()) == len({*content(first).values()})  # each once, no others


def test_what_was_not_sent_is_sent_by_the_next_run(place, caches):
    folder = run(place)
    note(folder, "never sent")
    run(place)
    caches("two")
    assert "never sent" in (run(place) / "journal.jsonl").read_text()


def test_where_two_machines_went_on_alone_what_is_there_counts_and_nothing_is_lost(
    place,
    caches,
):
    folder, said = run(place), []
    note(folder, "of the first machine alone")
    caches("two")
    theirs = content(run(place))
    caches("one")
    with kept_at(place, NAME, said.append) as (home, _):
        assert content(home / NAME) == theirs
    (aside,) = folder.parent.glob(f"{NAME}.before-*")
    assert "of the first machine alone" in (aside / "journal.jsonl").read_text()
    assert str(aside) in said[0]
    assert "gone on with elsewhere" in said[0]


def test_results_that_were_deleted_at_their_place_do_not_come_back(place, caches, tmp_path):
    folder, said = run(place), []
    (tmp_path / "far").rename(tmp_path / "gone")
    with kept_at(place, NAME, said.append) as (home, _):
        assert not (home / NAME).exists()
    assert "is gone" in said[0]
    assert list(folder.parent.glob(f"{NAME}.before-*"))


def test_what_a_killed_run_has_left_half_sent_is_not_seen_and_goes(place, caches, tmp_path):
    before = content(run(place))
    objects = tmp_path / "far" / NAME / "objects"
    (objects / ("0" * 64)).write_text("half of someth")
    caches("two")
    with kept_at(place, NAME, print) as (home, _):
        assert content(home / NAME) == before
    assert "0" * 64 not in [path.name for path in objects.iterdir()]


def test_a_snapshot_is_of_one_moment_though_files_are_replaced_meanwhile(tmp_path):
    folder = tmp_path / "results"
    (folder / "cells" / "a").mkdir(parents=True)
    large, growing = folder / "cells" / "a" / "w.safetensors", folder / "journal.jsonl"
    large.write_bytes(b"1" * (2 << 20))
    growing.write_text("one\n")
    taker = Taker(folder, tmp_path / "stage", {})
    found = taker.take()
    with growing.open("a") as file:
        file.write("two\n")
    draft = large.with_name("new")
    draft.write_bytes(b"2" * (2 << 20))
    draft.replace(large)
    kept = {name: taker.staged(sign).read_bytes()[:4] for name, sign in found.files.items()}
    assert kept == {"journal.jsonl": b"one\n", "cells/a/w.safetensors": b"1111"}
    assert taker.take() != found


def test_a_snapshot_of_a_cell_that_trains_is_one_that_it_can_go_on_from(tmp_path):
    home = tmp_path / "results" / "cells" / "a"
    home.mkdir(parents=True)
    over = threading.Event()

    def train():
        """Checkpoint, then line, as the training room writes them."""
        epoch = 0
        while not over.is_set():
            epoch += 1
            fresh = home / "checkpoint.tmp"
            fresh.mkdir()
            for name in ("optimizer.pt", "record.json"):
                (fresh / name).write_text(str(epoch))
            replace_folder(fresh, home / "checkpoint")
            with (home / "epochs.jsonl").open("a") as file:
                file.write(f"{epoch}\n")

    thread = threading.Thread(target=train)
    thread.start()
    taken = 0
    try:
        while taken < 20:
            taker = Taker(tmp_path / "results", tmp_path / "stage", {})
            found = taker.take()
            if found is None or not found.files:
                continue
            taken += 1
            held = {name: taker.staged(sign).read_text() for name, sign in found.files.items()}
            lines = held.get("cells/a/epochs.jsonl", "").count("\n")
            kept = {
                folder: {text for name, text in held.items() if name.startswith(f"{folder}/")}
                for folder in ("cells/a/checkpoint", "cells/a/checkpoint.old")
            }
            whole = [texts for texts in kept.values() if len(texts) == 1]
            assert any(int(*texts) in (lines, lines + 1) for texts in whole), held
    finally:
        over.set()
        thread.join()


def test_two_searches_at_one_place_are_refused(s3, caches, monkeypatch):
    with kept_at(s3, NAME, print):
        caches("two")
        refused(s3, rf"another search writes here \(pid {os.getpid()} on .*, heard of \d+ seconds")
        with monkeypatch.context() as there:
            as_elsewhere(there)
            refused(s3, "if it is dead, in [0-9]+ seconds the same command takes it over")


def test_a_search_of_this_machine_that_died_is_taken_over_at_once(place, caches):
    run(place)
    there = open_place(f"{place}/{NAME}")
    Lease(there).take()
    told = json.loads(there.read("lease.json"))
    there.write("lease.json", json.dumps({**told, "pid": 2**22 + 1}).encode())  # nobody's number
    run(place)


def test_the_lease_is_renewed_while_nothing_else_is_done(place, caches, monkeypatch):
    monkeypatch.setattr("freelb_tune.store.remote.uploader.RENEWAL", 0.01)
    with kept_at(place, NAME, print):
        fs, path = (there := open_place(f"{place}/{NAME}")).fs, there.path("lease.json")
        first, deadline = fs.modified(path), time.monotonic() + 10
        while fs.modified(path) == first:
            assert time.monotonic() < deadline


def test_whoever_lost_its_lease_writes_nothing_more(place, caches, monkeypatch):
    one, other = (Lease(open_place(place)) for _ in "ab")
    one.take()
    as_elsewhere(monkeypatch)
    monkeypatch.setattr("freelb_tune.store.remote.lease.PATIENCE", 0.0)
    other.take()
    with pytest.raises(LeaseLostError, match="another search has taken this place over"):
        one.renew()
    other.renew()


def test_while_the_place_is_away_the_search_goes_on_and_all_arrives_in_the_end(
    place,
    caches,
    tmp_path,
    monkeypatch,
):
    monkeypatch.setattr("freelb_tune.store.remote.uploader._AGAIN", 0.05)
    monkeypatch.setattr("freelb_tune.store.remote.uploader._LEAST", 0.0)
    run(place)
    said = []
    with kept_at(place, NAME, said.append) as (home, uploader):
        folder = home / NAME

        def until(text):
            deadline = time.monotonic() + 20
            while not any(text in line for line in said):
                assert time.monotonic() < deadline
                uploader.tick()

        (tmp_path / "far").rename(tmp_path / "away")
        note(folder)
        until("The search goes on, all is in")
        (tmp_path / "away").rename(tmp_path / "far")
        until("it is reached again")
        note(folder, "the last")
    caches("two")
    assert b"the last" in content(run(place))["journal.jsonl"]
    assert "all of it is at" in said[-1]


def test_where_the_place_is_away_at_the_end_all_is_here_and_sent_the_next_time(
    place, caches, tmp_path, monkeypatch
):
    monkeypatch.setattr("freelb_tune.store.remote.uploader._LAST", 0.0)
    folder = run(place)

    def last(folder):
        note(folder, "the last")
        (tmp_path / "far").rename(tmp_path / "away")

    with pytest.raises(FreeLBTuneError, match=f"All is kept in {folder}: the same command"):
        run(place, more=last)
    (tmp_path / "away").rename(tmp_path / "far")
    (tmp_path / "far" / NAME / "lease.json").unlink()  # this process still lives
    run(place)
    caches("two")
    assert b"the last" in content(run(place))["journal.jsonl"]


def test_a_search_that_lost_its_place_ends_with_that_message(place, caches, monkeypatch):
    monkeypatch.setattr("freelb_tune.store.remote.uploader._LEAST", 0.0)
    run(place)

    def lose():
        with kept_at(place, NAME, print) as (home, uploader):
            as_elsewhere(monkeypatch)
            monkeypatch.setattr("freelb_tune.store.remote.lease.PATIENCE", 0.0)
            Lease(open_place(f"{place}/{NAME}")).take()
            note(home / NAME)
            while True:  # until a step ends it, whatever the process does with SIGINT
                uploader.tick()
                time.sleep(0.01)

    with pytest.raises(LeaseLostError, match="taken this place over"):
        lose()


def test_whoever_looks_fetches_no_weights_and_never_what_a_search_works_in(s3, caches):
    folder = run(s3)
    caches("two")
    uri = f"{s3}/{NAME}"
    results = ft.open_results(uri)
    assert results.counts == {"done": 1, "waiting": 1}
    assert not list(results.folder.rglob("*.safetensors"))
    assert work_folder(s3) not in results.folder.parents
    assert status_json(uri)["state"] != "running"
    page = results.report()
    place = open_place(uri)
    assert place.read("report.html") == page.read_bytes()
    with kept_at(s3, NAME, print):
        assert is_held(looked_in(uri))
    assert not is_held(looked_in(uri))
    (folder / "best").mkdir()
    caches("one")
    run(s3, more=lambda folder: (folder / "best" / "cell.json").write_text("{}"))
    caches("two")
    assert not (looked_in(uri) / "best").exists()
    assert (looked_in(uri, with_best) / "best" / "cell.json").exists()


@pytest.mark.parametrize(
    ("name", "digest", "message"),
    [
        ("../outside", "0" * 64, "leads outside"),
        ("/etc/passwd", "0" * 64, "leads outside"),
        ("journal.jsonl", "../../secret", "digest"),
    ],
)
def test_a_place_may_be_somebody_elses_and_leads_nowhere_else(
    place,
    caches,
    tmp_path,
    name,
    digest,
    message,
):
    folder = tmp_path / "far" / NAME
    folder.mkdir()
    manifest = {"format": 1, "files": {name: [digest, 3]}}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(DamagedError, match=message):
        ft.open_results(f"{place}/{NAME}")


def test_an_object_that_changed_is_found(place, caches, tmp_path):
    run(place)
    for path in (tmp_path / "far" / NAME / "objects").iterdir():
        path.write_bytes(b"x" * path.stat().st_size)
    caches("two")
    with pytest.raises(DamagedError, match="no longer holds what it did"):
        ft.open_results(f"{place}/{NAME}")


class _Forbidden(BaseHTTPRequestHandler):
    """A server that allows nothing, in S3's words."""

    def _refuse(self) -> None:
        body = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
        self.send_response(403)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_PUT = do_HEAD = do_POST = _refuse

    def log_message(self, *args) -> None: ...


@pytest.fixture
def forbidden(monkeypatch):
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Forbidden)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_address[1]}")
    forget_clients()
    yield "s3://bucket"
    server.shutdown()
    server.server_close()


def test_a_place_without_permission_is_told(forbidden, caches):
    refused(forbidden, "these credentials may not do this there .*Access Denied")


def test_a_bucket_that_is_not_there_is_told_and_not_made(s3, caches):
    refused(f"{s3}-other", "there is no such bucket or folder")
    with pytest.raises(FreeLBTuneError, match="no results of a search are there"):
        ft.open_results(f"{s3}/nothing")


def test_missing_credentials_are_told(s3, caches, monkeypatch, tmp_path):
    for name in ENVIRONMENT:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", str(tmp_path))
    forget_clients()
    refused(s3, "no credentials for it")


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("xyz://bucket/path", "Protocol not known: xyz.*write s3://BUCKET/PATH"),
        ("gs://bucket/path", r"gcsfs.*freelb-tune\[remote\]"),
    ],
)
def test_a_uri_that_nothing_opens_is_told(place, message, caches):
    refused(place, message)


@pytest.mark.parametrize("written", ["s3://", "s3:"])  # pathlib takes the slashes away
def test_a_uri_without_a_place_is_told(written):
    with pytest.raises(FreeLBTuneError, match=r"^s3://: name a bucket and a path: s3://BUCKET/P"):
        load_store(Path(written))


def test_a_command_for_folders_alone_says_so():
    with pytest.raises(FreeLBTuneError, match="s3://bucket/x: this command takes a folder of this"):
        load_store(Path("s3://bucket/x"))


def test_the_journal_that_is_read_back_is_the_one_that_was_written(place, caches):
    events = read_journal(run(place))
    caches("two")
    assert read_journal(looked_in(f"{place}/{NAME}")) == events


def test_searches_at_uris_are_merged_at_another_one(place, caches):
    one, two = cell(1), cell(2)
    for name, done in (("a", one), ("b", two)):
        with kept_at(place, name, print) as (home, _):
            Search([one, two]).end(done, 0.5, 0.6).write(home / name)
    merged = ft.merge([f"{place}/a", Path(f"{place}/b")], f"{place}/both")
    caches("two")
    assert ft.open_results(f"{place}/both").counts == {"done": 2}
    assert looked_in(f"{place}/both").joinpath("table.md").read_bytes() == (
        merged.folder.joinpath("table.md").read_bytes()
    )


def test_a_plan_tells_what_a_place_knows(place, caches, tmp_path):
    with kept_at(place, "standin", print) as (home, _):
        Search([cell(1)]).end(cell(1), 0.5).write(home / "standin")
    space, _ = make_plan(tmp_path / "space")
    assert "0 of 1 stored cells match this plan" in " ".join(ft.plan(space, place).notes)
