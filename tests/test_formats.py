"""A results folder's format: a newer one is refused by every reader, an older one is read."""

import json

import pytest
from search_fixtures import make_plan
from store_fixtures import Search, cell

from freelb_tune.errors import FreeLBTuneError
from freelb_tune.results import write_outputs
from freelb_tune.results.glue.table import build_glue
from freelb_tune.search import run_search
from freelb_tune.store import FORMAT, check_results, load_store, read_journal
from freelb_tune.training.predicting.prediction import best_cell


def rewrite(folder, **facts):
    """Write the journal again, its `opened` event with other facts; None takes one out."""
    path = folder / "journal.jsonl"
    entries = [json.loads(line) for line in path.read_text().splitlines()]
    for entry in entries:
        if entry["event"] == "opened":
            entry |= facts
            for name in [name for name, value in facts.items() if value is None]:
                del entry[name]
    path.write_text("".join(json.dumps(entry) + "\n" for entry in entries))


def cli(*command):
    """Run a command in this process as `freelb-tune` does."""
    from freelb_tune.cli import app

    app([str(part) for part in command], standalone_mode=False)


@pytest.mark.parametrize(
    "read",
    [
        load_store,
        read_journal,
        write_outputs,
        best_cell,
        lambda folder: check_results(folder, name="rte_grid", task="rte"),
        lambda folder: build_glue([folder]),
        lambda folder: cli("report", folder),
        lambda folder: cli("rerun", folder, "0"),
        lambda folder: cli("predict", folder),
        lambda folder: cli("glue", folder),
    ],
)
def test_a_newer_folder_is_refused_by_every_reader_and_left_as_it_is(tmp_path, read):
    folder = Search([cell()]).end(cell(), 0.5).write(tmp_path / "rte_grid")
    rewrite(folder, format=FORMAT + 1, version="9.0")
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    said = rf"rte_grid: its results have format {FORMAT + 1}, and .* formats up to {FORMAT}; .*9\.0"
    with pytest.raises(FreeLBTuneError, match=said):
        read(folder)
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


def test_a_newer_folder_is_neither_planned_nor_gone_on_with(tmp_path):
    space, plan = make_plan(tmp_path)
    folder = tmp_path / "standin"
    Search(plan.cells).write(folder)
    rewrite(folder, format=FORMAT + 1, name="standin")
    said = f"its results have format {FORMAT + 1}"
    with pytest.raises(FreeLBTuneError, match=said):
        run_search(space, plan, folder)
    with pytest.raises(FreeLBTuneError, match=said):
        cli("plan", "--space", tmp_path / "space.yaml", "--results", tmp_path)


@pytest.mark.parametrize("number", [0, "two", 1.5, True, [2]])
def test_what_is_no_formats_number_is_said(tmp_path, number):
    folder = Search([cell()]).write(tmp_path)
    rewrite(folder, format=number)
    with pytest.raises(FreeLBTuneError, match="expected the format of a results folder"):
        load_store(folder)


def test_a_folder_without_a_number_is_the_first_formats(tmp_path):
    folder = Search([cell()]).end(cell(), 0.5).write(tmp_path)
    rewrite(folder, format=None)
    assert load_store(folder).cells[0].last.score == 0.5
    assert [e["format"] for e in read_journal(folder) if e["event"] == "opened"] == [1]
