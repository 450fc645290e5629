"""Results folders put together: the tables of one search over all of them, or one message."""

import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from store_fixtures import SPACE, Search, cell, epoch, plan

import freelb_tune as ft
from freelb_tune.errors import FreeLBTuneError
from freelb_tune.results import write_outputs
from freelb_tune.results.analysis import judge
from freelb_tune.store import (
    FORMAT,
    EpochLog,
    Journal,
    cell_folder,
    load_store,
    read_journal,
    seal_of,
    take_results,
)

ORIGINAL = Path(__file__).parent / "folders" / "format_1"
TABLES = ("trials.csv", "epochs.csv", "configurations.csv", "table.md", "table.csv", "table.json",
          "table.tex", "selection.json", "cost.json")  # fmt: skip


@pytest.fixture
def whole(tmp_path):
    """A finished search, its tables made by this version."""
    folder = tmp_path / "whole" / "quickstart"
    shutil.copytree(ORIGINAL, folder)
    write_outputs(folder, judge)
    return folder


def part(whole, folder, holds, *, plans=None, **opened):
    """A search of the same space that ran only some of the cells, and planned some or all."""
    store = load_store(whole)
    cells = [each.cell for each in store.cells if plans is None or plans(each.cell)]
    text = (whole / "space.yaml").read_text("utf-8")
    with take_results(folder, space_yaml=text, name=store.name, task=store.task) as journal:
        plan(journal, cells, name=store.name, task=store.task, **opened)
        for each in filter(holds, cells):
            shutil.copytree(cell_folder(whole, each.id), cell_folder(folder, each.id))
            seal = asdict(seal_of(cell_folder(folder, each.id) / "epochs.jsonl"))
            journal.append("started", cell_id=each.id, at="2026-11-25T18:03:50Z")
            journal.append("finished", cell_id=each.id, state="done", **seal)
    return folder


def tables(folder):
    return {name: (folder / name).read_bytes() for name in TABLES}


def contents(folder):
    """Every file of a folder with what it holds."""
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_two_machines_with_other_seeds_give_the_tables_of_one_search(whole, tmp_path):
    halves = [
        part(whole, tmp_path / str(seed) / "quickstart", bool, plans=lambda c, s=seed: c.seed == s)
        for seed in (2, 1)
    ]
    before = [contents(half) for half in halves]
    results = ft.merge(halves, tmp_path / "both")
    assert tables(results.folder) == tables(whole)
    assert [contents(half) for half in halves] == before
    assert load_store(results.folder).space["seeds"] == [1, 2]
    assert len(load_store(results.folder).looks) == 1


def test_two_machines_that_each_ran_some_cells_give_the_tables_of_one_search(whole, tmp_path):
    ids = [each.cell.id for each in load_store(whole).cells]
    one = part(whole, tmp_path / "a" / "quickstart", lambda c: c.id in ids[::2])
    other = part(whole, tmp_path / "b" / "quickstart", lambda c: c.id not in ids[2::2])
    assert tables(ft.merge([one, other], tmp_path / "both").folder) == tables(whole)
    # cell 0 is in both and equal, so it is kept once
    finished = [e for e in read_journal(tmp_path / "both") if e["event"] == "finished"]
    assert len(finished) == len(ids)


def test_what_no_folder_has_is_left_for_the_search_to_run(whole, tmp_path):
    ids = [each.cell.id for each in load_store(whole).cells]
    one = part(whole, tmp_path / "a" / "quickstart", lambda c: c.id == ids[0])
    other = part(whole, tmp_path / "b" / "quickstart", lambda c: c.id == ids[1])
    merged = ft.merge([one, other], tmp_path / "both")
    assert merged.counts == {"done": 2, "waiting": 4}
    assert merged.verdict.sentence == "Verdict after 4 more cells."
    assert load_store(merged.folder).looks == ()


def scored(folder, *numbers, **ended):
    """One clean cell and one other, with these scores of the latter."""
    search = Search([cell(), cell(adv_lr=0.1)])
    search.end(search.cells[0], 0.5, 0.6)
    return search.end(search.cells[1], *numbers, **ended).write(folder)


def test_other_numbers_for_one_cell_are_shown_and_refused(tmp_path):
    one, other = scored(tmp_path / "a", 0.7, 0.8), scored(tmp_path / "b", 0.7, 0.9)
    name = cell(adv_lr=0.1).id
    said = rf"1 cell with other numbers .* --prefer FOLDER .*\n  cell {name}: epoch 2, "
    said += rf"score 0\.8 in {one}, 0\.9 in {other}"
    with pytest.raises(FreeLBTuneError, match=said):
        ft.merge([one, other], tmp_path / "both")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]
    kept = ft.merge([one, other], tmp_path / "both", prefer=other)
    assert kept.trials["last_accuracy"].tolist() == [0.6, 0.9]
    with pytest.raises(FreeLBTuneError, match=f"--prefer {tmp_path}: is none of"):
        ft.merge([one, other], tmp_path / "again", prefer=tmp_path)


def test_other_predictions_for_one_cell_are_a_conflict_and_a_cut_file_is_not(whole, tmp_path):
    one, other = (part(whole, tmp_path / name / "quickstart", bool) for name in "ab")
    home = load_store(other).cells[0].folder
    path = home / "predictions" / "epoch_0003.npz"
    arrays = dict(np.load(path))
    np.savez(path, **arrays)  # the same in another file
    ft.merge([one, other], tmp_path / "same")
    arrays["dev.logits"] = arrays["dev.logits"] + 1
    np.savez(path, **arrays)
    with pytest.raises(FreeLBTuneError, match=r"cell \w+, .*seed 1: epoch 3, predictions"):
        ft.merge([one, other], tmp_path / "not")
    path.write_bytes(path.read_bytes()[:100])
    merged = ft.merge([other, one], tmp_path / "cut")
    kept = cell_folder(merged.folder, home.name) / "predictions" / path.name
    assert (
        kept.read_bytes() == (cell_folder(one, home.name) / "predictions" / path.name).read_bytes()
    )


@pytest.mark.parametrize(
    ("numbers", "ended", "state"),
    [
        pytest.param([0.7], {"state": None}, "done", id="begun"),
        pytest.param([0.7], {"state": "failed"}, "done", id="failed"),
        pytest.param([], {"state": None}, "done", id="no-epoch"),
    ],
)
def test_of_a_cell_the_folder_that_came_further_is_kept(tmp_path, numbers, ended, state):
    one = scored(tmp_path / "a", *numbers, **ended)
    other = scored(tmp_path / "b", 0.7, 0.8)
    for order in ([one, other], [other, one]):
        merged = ft.merge(order, tmp_path / order[0].name / "both")
        row = merged.trials.iloc[1]
        assert (row["state"], row["last_accuracy"]) == (state, 0.8)


def test_a_cell_that_is_begun_goes_on_from_its_checkpoint(tmp_path):
    one, other = scored(tmp_path / "a", 0.7, state=None), scored(tmp_path / "b", state=None)
    home = cell_folder(one, cell(adv_lr=0.1).id)
    (home / "checkpoint").mkdir()
    (home / "checkpoint" / "step").write_text("1")
    (home / "checkpoint.tmp").mkdir()
    merged = ft.merge([other, one], tmp_path / "both")
    assert sorted(p.name for p in cell_folder(merged.folder, home.name).iterdir()) == [
        "checkpoint",
        "epochs.jsonl",
    ]
    assert merged.counts == {"done": 1, "waiting": 1}


def test_diverged_in_one_and_done_in_the_other_is_a_conflict(tmp_path):
    one, other = scored(tmp_path / "a", 0.7, state="diverged"), scored(tmp_path / "b", 0.7)
    with pytest.raises(FreeLBTuneError, match=r": is diverged in .*a, done in .*b"):
        ft.merge([one, other], tmp_path / "both")


def test_a_cell_whose_log_is_damaged_in_one_folder_is_the_others(tmp_path):
    one, other = scored(tmp_path / "a", 0.7, 0.8), scored(tmp_path / "b", 0.7, 0.8)
    (cell_folder(one, cell(adv_lr=0.1).id) / "epochs.jsonl").write_text("what\n\n")
    assert ft.merge([one, other], tmp_path / "both").counts == {"done": 2}


def test_the_looks_of_all_folders_count(tmp_path):
    folders = []
    for seed in (1, 2):
        search = Search([cell(seed), cell(seed, adv_lr=0.1)])
        search.end(search.cells[0], 0.5 + 0.01 * seed).end(search.cells[1], 0.6 + 0.03 * seed)
        folders.append(search.write(tmp_path / str(seed)))
        with Journal(folders[-1]) as journal:
            ids = [each.id for each in search.cells]
            journal.append("looked", at="", look=1, cells=ids, shown="accuracy, best_epoch")
    merged = ft.merge(folders, tmp_path / "both")
    assert len(load_store(merged.folder).looks) == 3
    assert any(note.startswith("Look 3 at these results") for note in merged.verdict.footnotes)


def test_a_twin_that_ran_for_another_is_kept_and_points_to_it(tmp_path):
    folders = []
    for name in "ab":
        cells = [cell(), cell(adv_lr=0.1), cell(adv_lr=0.2)]
        search = Search(cells).end(cells[0], 0.5)
        if name == "b":
            search.end(cells[1], 0.7)
        folders.append(search.write(tmp_path / name))
        with Journal(folders[-1]) as journal:
            journal.append("same", cell_id=cells[2].id, why="no room", **{"as": cells[1].id})
    merged = ft.merge(folders, tmp_path / "both")
    assert merged.trials["last_accuracy"].tolist() == [0.5, 0.7, 0.7]
    assert load_store(merged.folder).cells[2].same_as.id == cells[1].id


def write(folder, cells, *, event=None, name="rte_grid", task="rte", **opened):
    with take_results(folder, space_yaml=SPACE, name=name, task=task) as journal:
        plan(journal, cells, name=name, task=task, **opened)
        if event:
            journal.append(**event)
    return folder


DECIDED = {"event": "decided", "config_id": cell().config_id, "epoch": 1, "score": 0.5,
           "missing": [], "decision": "stop"}  # fmt: skip


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"name": "rte_more"}, r"holds results of the space 'rte_more' on task 'rte', and"),
        ({"task": "cola"}, r"holds results of the space 'rte_grid' on task 'cola', and"),
        (
            {"cells": [cell(bsz=32)]},
            r"its search has other configurations .*differs: trainer\.per_device_train_",
        ),
        ({"cells": []}, r"its search ended before it had planned a cell"),
        (
            {"event": DECIDED},
            r"its search \(algorithm: grid\) decided by the results of this folder alone",
        ),
        ({"format": FORMAT + 1}, rf"its results have format {FORMAT + 1}"),
    ],
)
def test_a_folder_that_is_of_no_use_here_is_refused_in_one_message(tmp_path, other, said):
    one = write(tmp_path / "a", [cell()])
    more = write(tmp_path / "b", **{"cells": [cell()], **other})
    with pytest.raises(FreeLBTuneError, match=rf"^{more}: {said}"):
        ft.merge([one, more], tmp_path / "both")
    assert not (tmp_path / "both").exists()


def test_a_folder_in_which_a_search_writes_is_refused(tmp_path):
    one, other = (write(tmp_path / name, [cell()]) for name in "ab")
    with Journal(other), pytest.raises(FreeLBTuneError, match=f"{other}: a search is writing here"):
        ft.merge([one, other], tmp_path / "both")


@pytest.mark.parametrize("again", [0, 1])
def test_one_folder_is_no_two(tmp_path, again):
    one = write(tmp_path / "a", [cell()])
    with pytest.raises(FreeLBTuneError, match="expected two different results folders or more"):
        ft.merge([one, *[tmp_path / "x" / ".." / "a"] * again], tmp_path / "both")


@pytest.mark.parametrize("where", ["epochs.jsonl", "predictions", "notes"])
def test_no_link_in_a_folder_is_followed(tmp_path, where):
    one, other = scored(tmp_path / "a", 0.7), scored(tmp_path / "b", 0.7)
    secret = tmp_path / "secret"
    secret.write_text("secret")
    path = cell_folder(other, cell(adv_lr=0.1).id) / where
    path.unlink(missing_ok=True)
    path.symlink_to(secret)
    with pytest.raises(FreeLBTuneError, match="is a link"):
        ft.merge([one, other], tmp_path / "both")
    assert not (tmp_path / "both").exists()


def test_the_new_folders_place_is_said_or_free(tmp_path):
    one, other = scored(tmp_path / "rte_grid", 0.7), scored(tmp_path / "more", 0.7)
    with pytest.raises(FreeLBTuneError, match="is one of them; name the new folder with --into"):
        ft.merge([one, other])
    (tmp_path / "taken").mkdir()
    with pytest.raises(FreeLBTuneError, match=r"taken: is there already, .* --into"):
        ft.merge([one, other], tmp_path / "taken")
    again = [shutil.copytree(other, tmp_path / name / "rte_grid.x") for name in ("c", "d")]
    assert ft.merge(again).folder == tmp_path / "c" / "rte_grid"


KILLED = """
import os, signal, sys
import freelb_tune as ft
from freelb_tune.store import merged_folder
from freelb_tune.api import merging
home, name = (merged_folder, "_write_environment") if sys.argv[1] == "copied" else (
    merging, "_finish")
setattr(home, name, lambda *_: os.kill(os.getpid(), signal.SIGKILL))
ft.merge(sys.argv[3:], sys.argv[2])
"""


@pytest.mark.parametrize("when", ["copied", "named"])
def test_a_merge_that_is_killed_is_completed_by_the_same_command(whole, tmp_path, when):
    halves = [
        part(whole, tmp_path / str(seed) / "quickstart", bool, plans=lambda c, s=seed: c.seed == s)
        for seed in (1, 2)
    ]
    before, into = [contents(half) for half in halves], tmp_path / "both"
    done = subprocess.run([sys.executable, "-c", KILLED, when, into, *halves], check=False)
    assert done.returncode == -signal.SIGKILL
    assert into.exists() == (when == "named")
    assert [contents(half) for half in halves] == before
    for _ in range(2):
        assert tables(ft.merge(halves, into).folder) == tables(whole)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1", "2", "both", "whole"]
    log = EpochLog(cell_folder(halves[0], cell().id) / "epochs.jsonl")
    log.append(epoch(cell().id, 1, 0.5))  # no cell of theirs
    with Journal(halves[0]) as journal:
        journal.append("closed", at="")
    with pytest.raises(FreeLBTuneError, match="was not made of these folders as they are now"):
        ft.merge(halves, into)


def test_the_best_of_all_models_is_the_merged_folders(tmp_path):
    folders = [scored(tmp_path / "a", 0.7), scored(tmp_path / "b", 0.7)]
    home = cell_folder(folders[1], cell(adv_lr=0.1).id) / "model"
    home.mkdir()
    (home / "config.json").write_text("{}")
    shutil.rmtree(cell_folder(folders[0], cell(adv_lr=0.1).id))
    with Journal(folders[0]) as journal:
        journal.append("retried", cell_id=cell(adv_lr=0.1).id)
    merged = ft.merge(folders, tmp_path / "both").folder
    assert json.loads((merged / "best" / "cell.json").read_text())["id"] == cell(adv_lr=0.1).id
    assert (merged / "best" / "config.json").read_text() == "{}"


def test_the_command_prints_the_table_and_loads_neither_torch_nor_ray(whole, tmp_path):
    ids = [each.cell.id for each in load_store(whole).cells]
    one = part(whole, tmp_path / "a" / "quickstart", lambda c: c.id in ids[:3])
    other = part(whole, tmp_path / "b" / "quickstart", lambda c: c.id in ids[3:])
    code = (
        "import sys; from freelb_tune.cli.root import app; app(sys.argv[1:], standalone_mode=False)"
        "\nprint(sorted({'torch', 'ray', 'transformers'} & set(sys.modules)))"
    )
    words = ["merge", one, other, "--into", tmp_path / "both"]
    told = subprocess.run(
        [sys.executable, "-c", code, *map(os.fspath, words)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "After 2 seeds no setting is distinguishable" in " ".join(told.split())
    assert told.strip().endswith("[]")
