"""Results folders of every format so far: they open, say what they said, and are gone on with."""

import csv
import json
import shutil
from pathlib import Path

import pytest

import freelb_tune as ft
from freelb_tune.results import write_outputs
from freelb_tune.results.analysis import judge
from freelb_tune.store import FORMAT, CellState, load_store, read_journal

FOLDERS = Path(__file__).parent / "folders"
FORMATS = sorted(FOLDERS.glob("format_*"))


@pytest.fixture(params=FORMATS, ids=lambda path: path.name)
def old(request, tmp_path):
    """A folder as its version left it, and a copy to work on."""
    copy = tmp_path / "results" / "quickstart"
    shutil.copytree(request.param, copy)
    return request.param, copy


def rows(path):
    """A CSV file's rows, each by its header."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def numbers(folder):
    """What a table says of each configuration, without the words around it."""
    table = json.loads((folder / "table.json").read_text("utf-8"))
    entries = {e["config_id"]: e for row in table["rows"] for e in row["entries"] if e}
    said = ("arm", "clean_id", "planned", "finished", "best_epoch", "last_epoch", "seeds")
    return [
        (each["place"], each["config_id"], *(entries[each["config_id"]][name] for name in said))
        for each in table["ranking"]
        if each["config_id"] in entries
    ]


def test_there_is_a_folder_of_every_format():
    assert [path.name for path in FORMATS] == [f"format_{n}" for n in range(1, FORMAT)]


def test_an_old_folder_opens(old):
    store = load_store(old[1])
    assert (store.name, store.task, store.seeds) == ("quickstart", "entailment_toy", (1, 2))
    assert [each.state for each in store.cells] == [CellState.DONE] * 6
    assert [len(each.epochs) for each in store.cells] == [5] * 6
    logits, labels = store.cells[0].predictions(store.cells[0].best().epoch)
    assert round(float((logits.argmax(axis=1) == labels).mean()), 6) == store.cells[0].best().score


def test_an_old_folders_tables_are_made_again_with_the_same_numbers(old):
    was, now = old
    for name in ("trials.csv", "epochs.csv", "table.csv", "table.json", "table.md"):
        (now / name).unlink()
    write_outputs(now, judge)
    for name in ("trials.csv", "epochs.csv"):
        for before, after in zip(rows(was / name), rows(now / name), strict=True):
            assert before == {column: after[column] for column in before}, name
            assert list(before) == [column for column in after if column in before]
    assert numbers(was) == numbers(now)
    for before, after in zip(rows(was / "table.csv"), rows(now / "table.csv"), strict=True):
        fields = list(after.items())  # percent is a fraction now, and what is constant is left out
        assert fields[0] == ("adv_lr", before["adv_lr"])
        assert [name for name, _ in fields[1:4]] == ["Best accuracy, fraction", "sd", "n"]
        scores = [float(before[name]) / 100 for name in ("Best accuracy", "sd")]
        assert [float(value) for _, value in fields[1:3]] == pytest.approx(scores, abs=1e-6)
        assert after["n"] == before["n"]
    printed = (now / "table.md").read_text("utf-8")
    assert all(f"| {text} " in printed for text in ("86.88 ± 0.53", "87.13 ± 2.65"))


def test_an_old_search_goes_on_with_no_cell_run_again(old):
    was, folder = old
    before = len(read_journal(folder))
    epochs = {path: path.read_bytes() for path in folder.rglob("epochs.jsonl")}
    results = ft.search(ft.load_space(folder / "space.yaml"), folder.parent, progress=False)
    assert dict(results.counts) == {"done": 6}
    events = [entry["event"] for entry in read_journal(folder)[before:]]
    assert events == ["opened", "closed"]  # no cell is planned anew: the ids are the same
    assert {path: path.read_bytes() for path in folder.rglob("epochs.jsonl")} == epochs
    assert [row["cell_id"] for row in rows(folder / "trials.csv")] == [
        row["cell_id"] for row in rows(was / "trials.csv")
    ]
