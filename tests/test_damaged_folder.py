"""Numbers never change silently: what is damaged is named, and costs its own part alone."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from store_fixtures import Search, cell
from test_results_judge import four_cells

import freelb_tune as ft
from freelb_tune.api import watching
from freelb_tune.errors import FreeLBTuneError
from freelb_tune.results import write_outputs
from freelb_tune.results.analysis import judge
from freelb_tune.results.tables.contents.metric import Measure
from freelb_tune.search.driver.board import Board
from freelb_tune.search.run import read_known
from freelb_tune.store import (
    CellState,
    Journal,
    cell_folder,
    load_store,
    seal_checkpoint,
    seal_of,
    set_log_aside,
)

OLD = Path(__file__).parent / "folders" / "format_1"


def log_of(folder, each):
    return cell_folder(folder, each.id) / "epochs.jsonl"


def seal(folder, *cells):
    """Say in the journal what the logs of finished cells hold, as the driver does."""
    with Journal(folder) as journal:
        for each in cells:
            held = seal_of(log_of(folder, each))
            journal.append(
                "finished", cell_id=each.id, state="done", lines=held.lines, digest=held.digest
            )


def lose_last(raw):
    return raw[: raw.rstrip(b"\n").rindex(b"\n") + 1]


DAMAGE = {
    "a torn last line": lambda raw: raw[:-20],
    "a lost last line": lose_last,
    "a lost first line": lambda raw: raw[raw.index(b"\n") + 1 :],
    "a torn first line": lambda raw: raw[5:],
    "other digits": lambda raw: raw.replace(b'"score":0.7', b'"score":0.9', 1),
    "nothing left": lambda raw: b"",
    "a line without its score": lambda raw: raw.replace(b'"score"', b'"sc0re"', 1),
    "text for a number": lambda raw: raw.replace(b'"step":10', b'"step":"10"', 1),
    "zeros": lambda raw: raw[:30] + b"\0" * 40 + raw[70:],
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
def test_a_finished_cells_damaged_log_is_named_and_costs_that_cell_alone(tmp_path, damage):
    search = four_cells(tmp_path)
    seal(tmp_path, *search.cells)
    whole = load_store(tmp_path)
    path = log_of(tmp_path, search.cells[2])
    path.write_bytes(damage(path.read_bytes()))
    store = load_store(tmp_path)
    lost = store.cells[2]
    assert (lost.state, lost.epochs) == (CellState.WAITING, ())
    assert lost.damage.startswith(f"cells/{lost.cell.id}/epochs.jsonl")
    assert [*store.cells[:2], store.cells[3]] == [*whole.cells[:2], whole.cells[3]]
    write_outputs(tmp_path, judge)
    table = (tmp_path / "table.md").read_text("utf-8")
    assert f"- Not counted: cell {lost.cell.id}: cells/{lost.cell.id}/epochs" in table
    assert "3 of 4 cells done, 1 to come" in table
    assert lost.cell.id in (tmp_path / "trials.csv").read_text("utf-8")


def test_the_tables_of_before_are_kept_where_a_log_is_damaged(tmp_path):
    search, said = four_cells(tmp_path), []
    seal(tmp_path, *search.cells)
    write_outputs(tmp_path)
    before = (tmp_path / "table.md").read_bytes()
    path = log_of(tmp_path, search.cells[2])
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    for _ in range(2):  # a second report keeps none of the first one's
        watching.report(tmp_path, with_text=False, say=said.append)
        assert (tmp_path / "table.md").read_bytes() != before
        assert (tmp_path / "earlier" / "table.md").read_bytes() == before
    told = f"1 cell damaged and not counted: the tables of before are in {tmp_path / 'earlier'};"
    assert [each.startswith(told) for each in said] == [True, True]
    path.write_bytes(whole)
    write_outputs(tmp_path)
    assert (tmp_path / "table.md").read_bytes() == before
    assert not (tmp_path / "earlier").exists()


def test_a_log_with_lines_of_a_straggler_is_whole(tmp_path):
    one = cell(1)
    search = Search([one]).end(one, 0.5, state="stopped")
    search.write(tmp_path)
    held = seal_of(log_of(tmp_path, one))
    Search([one]).end(one, 0.5, 0.6, state=None).write(tmp_path)  # a worker that ended late
    with Journal(tmp_path) as journal:
        facts = {"state": "stopped", "lines": held.lines, "digest": held.digest}
        journal.append("finished", cell_id=one.id, **facts)
    (result,) = load_store(tmp_path).cells
    assert (result.state, len(result.epochs), result.damage) == (CellState.STOPPED, 2, None)


@pytest.fixture
def old(tmp_path):
    """A copy of the first format's folder, whose journal says nothing of its logs."""
    return Path(shutil.copytree(OLD, tmp_path / "quickstart"))


def test_an_old_folders_finished_cell_that_lacks_an_epoch_is_found(old):
    first = load_store(old).cells[0]
    path = first.folder / "epochs.jsonl"
    path.write_bytes(path.read_bytes()[:-10])
    lost = load_store(old).cells[0]
    assert lost.state is CellState.WAITING
    assert "it has 4 of 5 epochs" in lost.damage


@pytest.mark.parametrize("place", [0, 10, 200, 1000, 2500, -1])
@pytest.mark.parametrize("how", ["cut", "changed"])
def test_a_damaged_prediction_file_costs_its_part_of_the_verdict_alone(old, place, how):
    write_outputs(old, judge)
    whole = {name: (old / name).read_bytes() for name in ("table.csv", "trials.csv", "epochs.csv")}
    store = load_store(old)
    result = store.cells[4]
    path = result.folder / "predictions" / f"epoch_{result.best().epoch:04d}.npz"
    raw = path.read_bytes()
    changed = bytearray(raw)
    changed[place] ^= 0xFF
    path.write_bytes(raw[:place] if how == "cut" else bytes(changed))
    write_outputs(old, judge)
    said = json.loads((old / "table.json").read_text("utf-8"))
    assert {name: (old / name).read_bytes() for name in whole} == whole
    assert len(said["verdict"]["comparisons"]) == 2  # the other configuration's as it was
    if how == "cut" or f"predictions of cell {result.cell.id}" in str(said["footnotes"]):
        note = f"Without the predictions of cell {result.cell.id}: predictions/{path.name}: is dam"
        assert any(each.startswith(note) for each in said["footnotes"])
    else:  # a byte of the archive that says nothing: its values are what they were
        logits, _ = result.predictions(result.best().epoch)
        assert logits.shape == (400, 2)


def test_predictions_of_another_shape_are_damaged(old):
    result = load_store(old).cells[0]
    path = result.folder / "predictions" / "epoch_0005.npz"
    np.savez(path, **{"dev.logits": np.zeros(3, np.float32), "dev.labels": np.zeros(3, int)})
    with pytest.raises(FreeLBTuneError, match=r"is damaged \(logits \(3,\), labels \(3,\)\)"):
        result.predictions(5)


def test_a_table_is_left_as_it_was_where_no_verdict_can_be_made(old):
    space = ft.load_space(OLD / "space.yaml")
    ft.search(space, old.parent, progress=False)
    before = (old / "table.md").read_bytes()
    for result in load_store(old).cells[:1]:  # another dev set under the same name
        logits, labels = result.predictions(result.best().epoch)
        path = result.folder / "predictions" / f"epoch_{result.best().epoch:04d}.npz"
        np.savez(path, **{"dev.logits": logits, "dev.labels": 1 - labels})
    for again in (
        lambda: write_outputs(old, judge),
        lambda: ft.search(space, old.parent, progress=False),
    ):
        with pytest.raises(FreeLBTuneError, match="two different dev sets under one name"):
            again()
        assert (old / "table.md").read_bytes() == before


def test_a_search_says_whose_checkpoint_is_damaged_and_forgets_its_scores(tmp_path):
    whole, torn = cell(1), cell(2)
    Search([whole, torn]).end(whole, 0.5, state=None).end(torn, 0.6, state=None).write(tmp_path)
    for result in load_store(tmp_path).cells:
        made = result.folder / "checkpoint"
        made.mkdir()
        (made / "optimizer.pt").write_bytes(b"moments")
        (made / "record.json").write_text(json.dumps(result.last.to_json()))
        seal_checkpoint(made, tmp_path / "no log before the first epoch")
    (result.folder / "checkpoint" / "optimizer.pt").unlink()
    board = Board(
        [whole, torn], Measure("accuracy", "higher", "RTE"), {whole.id: "whole", torn.id: "torn"}
    )
    told = read_known(board, load_store(tmp_path).known)
    assert told == {torn.id: "checkpoint/optimizer.pt is missing"}
    assert [row.scores for row in board.rows.values()] == [{1: 0.5}, {}]


@pytest.mark.parametrize(
    "length",
    [{"trainer.num_train_epochs": 2.0}, {"trainer.max_steps": 20}],
    ids=["epochs", "steps"],
)
def test_a_cell_that_was_killed_after_its_last_line_is_not_called_damaged(tmp_path, length):
    one = cell(1)
    one = replace(one, settings={**one.settings, **length})
    Search([one]).end(one, 0.5, 0.6, state=None).write(tmp_path)
    (result,) = load_store(tmp_path).cells
    made = result.folder / "checkpoint"
    made.mkdir()  # of the epoch before: the last one leaves none
    (made / "record.json").write_text(json.dumps(result.epochs[0].to_json()))
    seal_checkpoint(made, tmp_path / "no log before the first epoch")
    board = Board([one], Measure("accuracy", "higher", "RTE"), {one.id: "one"})
    assert read_known(board, load_store(tmp_path).known) == {}
    assert board[one.id].scores == {1: 0.5, 2: 0.6}


def test_a_damaged_log_is_set_aside_and_never_deleted(tmp_path):
    path = tmp_path / "epochs.jsonl"
    set_log_aside(path)  # there is none
    path.write_bytes(b"torn")
    set_log_aside(path)
    assert [each.name for each in tmp_path.iterdir()] == ["epochs.damaged.jsonl"]
    assert (tmp_path / "epochs.damaged.jsonl").read_bytes() == b"torn"
