"""A results folder that came from somebody else is data: none of it runs, none leads outside."""

import io
import json
import os
import pickle
import shutil
import zipfile
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_training_cell import toy_cell

import freelb_tune as ft
from freelb_tune.errors import DamagedError, FreeLBTuneError
from freelb_tune.results import write_outputs
from freelb_tune.results.analysis import judge
from freelb_tune.store import Journal, check_results, load_store
from freelb_tune.store.folders.environment import write_environment
from freelb_tune.training import prepare, run_cell
from freelb_tune.training.predicting.prediction import best_cell

OLD = Path(__file__).parent / "folders" / "format_1"


@pytest.fixture
def theirs(tmp_path):
    """A search that somebody has sent us, whole and finished."""
    return Path(shutil.copytree(OLD, tmp_path / "results" / "quickstart"))


def report(folder):
    write_outputs(folder, judge)


def go_on(folder):
    """Run their search's own space again, as its user would."""
    return ft.search(ft.load_space(OLD / "space.yaml"), folder.parent, progress=False)


def cli(*command):
    """Run a command in this process as `freelb-tune` does."""
    from freelb_tune.cli import app

    app([str(part) for part in command], standalone_mode=False)


def edit(folder, event, change):
    """Change the first event of a kind in a journal."""
    path = folder / "journal.jsonl"
    entries = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    change(next(entry for entry in entries if entry["event"] == event))
    path.write_text("".join(json.dumps(entry) + "\n" for entry in entries))


class Bomb:
    """Unpickled, it leaves a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize(
    "name",
    ["journal.jsonl", "cells", "cells/e0f082ed37f8", "cells/e0f082ed37f8/epochs.jsonl",
     "cells/e0f082ed37f8/predictions", "cells/e0f082ed37f8/predictions/epoch_0005.npz",
     "space.yaml"],
)  # fmt: skip
@pytest.mark.parametrize("read", [report, go_on])
def test_a_link_in_the_folder_is_refused_and_nothing_outside_is_touched(
    theirs, tmp_path, name, read
):
    outside = tmp_path / "outside"
    (theirs / name).rename(outside)
    (theirs / name).symlink_to(outside)
    files = [outside] if outside.is_file() else [p for p in outside.rglob("*") if p.is_file()]
    for path in files:
        if path.suffix in ("", ".jsonl"):
            path.write_bytes(path.read_bytes() + b"{torn")  # what a writer would cut off
    before = {path: path.read_bytes() for path in files}
    with pytest.raises(FreeLBTuneError, match=rf"{name}: is a link, and what a results folder"):
        read(theirs)
    assert {path: path.read_bytes() for path in files} == before


@pytest.mark.parametrize("name", ["best", "table.md", ".lock", "cells/e0f082ed37f8/model"])
def test_no_run_writes_through_a_link(theirs, tmp_path, name):
    outside = tmp_path / "outside"
    outside.mkdir()
    (theirs / name).unlink(missing_ok=True)
    (theirs / name).symlink_to(outside)
    with pytest.raises(FreeLBTuneError, match=rf"{name}: is a link"):
        go_on(theirs)
    assert not list(outside.iterdir())


def test_a_report_puts_its_files_in_the_place_of_links(theirs, tmp_path):
    outside = tmp_path / "precious.txt"
    outside.write_text("precious")
    for name in ("table.md", "trials.csv"):
        (theirs / name).unlink()
        (theirs / name).symlink_to(outside)
    (theirs / f".table.csv.{os.getpid()}.tmp").symlink_to(outside)
    (theirs / "table.csv").unlink()
    report(theirs)
    assert outside.read_text() == "precious"
    assert not (theirs / "table.md").is_symlink()


def test_the_results_folder_itself_may_be_a_link(theirs, tmp_path):
    moved = theirs.rename(tmp_path / "disk")
    theirs.symlink_to(moved)
    report(theirs)
    assert dict(go_on(theirs).counts) == {"done": 6}


def test_a_pipe_in_a_files_place_is_not_waited_for(theirs):
    (theirs / "journal.jsonl").unlink()
    os.mkfifo(theirs / "journal.jsonl")
    with pytest.raises(FreeLBTuneError, match="expected a file, found something else"):
        load_store(theirs)


@pytest.mark.parametrize("name", ["../../../x", "/etc", "a/b", "..", "", "E0F082ED37F8", "e0f\n"])
def test_an_id_is_no_path(theirs, name):
    edit(theirs, "planned", lambda entry: entry["cell"].update(id=name))
    with pytest.raises(FreeLBTuneError, match=r"line 2: expected a cell, and id: expected an id"):
        load_store(theirs)


@pytest.mark.parametrize("name", ["../../x", "/tmp/x", "..", "", "x" * 201])
def test_a_searchs_name_is_no_path(theirs, name):
    edit(theirs, "opened", lambda entry: entry.update(name=name))
    with pytest.raises(FreeLBTuneError, match=r"line 1: the event 'opened' .*name: expected a"):
        load_store(theirs)


DEEP = "[" * 100_000 + "]" * 100_000


@pytest.mark.parametrize("depth", [100_000, 900, 40])
@pytest.mark.parametrize("read", [report, go_on])
def test_deeply_nested_json_is_one_message(theirs, depth, read):
    deep = "[" * depth + "]" * depth
    path = theirs / "journal.jsonl"
    first, rest = path.read_text().split("\n", 1)
    path.write_text(f'{first}\n{{"event":"probed","deep":{deep}}}\n{rest}')
    with pytest.raises(FreeLBTuneError, match=r"journal\.jsonl, line 2: expected one JSON mapping"):
        read(theirs)


def test_other_files_nested_deeply_do_no_harm(theirs):
    (theirs / "environment.json").write_text(DEEP)
    write_environment(theirs)
    assert json.loads((theirs / "environment.json").read_text())["earlier"] == []
    (theirs / "best").mkdir()
    (theirs / "best" / "cell.json").write_text(DEEP)
    with pytest.raises(FreeLBTuneError, match=r"cell\.json: cannot be read"):
        best_cell(theirs)
    assert dict(go_on(theirs).counts) == {"done": 6}
    (theirs / "space.yaml").write_text(DEEP[:2_000])
    with pytest.raises(FreeLBTuneError, match=r"space\.yaml: is damaged"):
        load_store(theirs)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("search: [metric]", "search: expected"),
        ("search: {metric: 5}", r"search\.metric: expected text"),
        ("table: {rows: 5}", r"table\.rows: expected a list"),
        ("table: {rows: [[a]]}", r"table\.rows\.0: expected text"),
        ("table: {select: never}", r"table\.select: expected 'best_epoch'"),
        ("table: {columns: {a: 1}}", r"table\.columns: expected text"),
        ("verdict: {margin: 0}", r"verdict\.margin: expected above 0"),
        ("resources: {gpu: many}", r"resources\.gpu: expected a number"),
        ("tie: [adv_lr]", r"tie\.0: expected a mapping"),
        ("tie: adv_lr", "tie: expected a list"),
        ("table: !!python/object/apply:os.mkdir [bad]", "constructor"),
    ],
)
def test_a_space_that_no_search_would_write_is_said(theirs, text, said):
    (theirs / "space.yaml").write_text(text)
    with pytest.raises(FreeLBTuneError, match=rf"space\.yaml: is damaged \(.*{said}"):
        report(theirs)
    assert not Path("bad").exists()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats(0, 1) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner, max_size=2)
    ),
    max_leaves=4,
)


@settings(max_examples=20)
@given(data=st.data())
def test_whatever_stands_in_a_journal_it_is_read_or_refused_in_one_message(tmp_path_factory, data):
    folder = Path(shutil.copytree(OLD, tmp_path_factory.mktemp("theirs") / "quickstart"))
    path = folder / "journal.jsonl"
    entries = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    place = data.draw(st.integers(0, len(entries) - 1))
    entry = entries[place]
    inside = data.draw(st.sampled_from([entry, entry.get("cell", entry)]))
    name = data.draw(st.sampled_from(sorted(inside)))
    inside[name] = data.draw(JSON)
    path.write_text("".join(json.dumps(each) + "\n" for each in entries))
    for read in (report, lambda f: check_results(f, name="quickstart", task="entailment_toy")):
        with suppress(FreeLBTuneError):  # any other exception is a traceback on the screen
            read(folder)


@settings(max_examples=20)
@given(data=st.data())
def test_whatever_stands_in_a_log_it_costs_its_cell_alone(tmp_path_factory, data):
    folder = Path(shutil.copytree(OLD, tmp_path_factory.mktemp("theirs") / "quickstart"))
    path = folder / "cells" / "ecd0c0fad1c6" / "epochs.jsonl"
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    line = lines[data.draw(st.integers(0, len(lines) - 1))]
    line[data.draw(st.sampled_from(sorted(line)))] = data.draw(JSON)
    path.write_text("".join(json.dumps(each) + "\n" for each in lines))
    write_outputs(folder, judge)
    cells = load_store(folder).cells
    assert [len(each.epochs) for each in cells if each.cell.id != "ecd0c0fad1c6"] == [5] * 5


def test_predictions_are_never_unpickled(theirs, tmp_path):
    result = load_store(theirs).cells[0]
    bomb = tmp_path / "bomb"
    arrays = {"dev.logits": np.array([Bomb(bomb)], dtype=object), "dev.labels": np.zeros(1)}
    path = result.folder / "predictions" / f"epoch_{result.best().epoch:04d}.npz"
    np.savez(path, allow_pickle=True, **arrays)
    report(theirs)
    assert f"Without the predictions of cell {result.cell.id}" in (theirs / "table.md").read_text()
    path.write_bytes(pickle.dumps(Bomb(bomb)))
    report(theirs)
    assert not bomb.exists()


def test_predictions_that_ask_for_all_memory_are_damaged(theirs):
    result = load_store(theirs).cells[0]
    path = result.folder / "predictions" / f"epoch_{result.best().epoch:04d}.npz"
    facts = {"descr": "<f4", "fortran_order": False, "shape": (10**10, 99)}
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, facts)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("dev.logits.npy", header.getvalue())
    report(theirs)
    note = f"Without the predictions of cell {result.cell.id}: predictions/{path.name}: is damaged"
    assert note in " ".join(json.loads((theirs / "table.json").read_text())["footnotes"])


def test_an_array_whose_header_is_no_header_is_damaged(theirs):
    result = load_store(theirs).cells[0]
    path = result.folder / "predictions" / "epoch_0005.npz"
    for text in ("{'shape': (4", "(((", "{'descr': 5}", "[" * 3000):
        header = text.ljust(118).encode() + b"\n"
        with zipfile.ZipFile(path, "w") as archive:
            head = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little")
            archive.writestr("dev.logits.npy", head + header)
            archive.writestr("dev.labels.npy", head + header)
        with pytest.raises(DamagedError, match="is damaged"):
            result.predictions(5)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("trainer.push_to_hub", True, "trainer.push_to_hub: is not for the space to set"),
        ("trainer.output_dir", "/tmp/x", "trainer.output_dir: is not for the space to set"),
        ("trainer.report_to", ["wandb"], "trainer.report_to: is not for the space to set"),
        ("trainer.deepspeed", "ds.json", "trainer.deepspeed: is not for the space to set"),
        ("trainer.learning_rate", "fast", "trainer.learning_rate: expected a number"),
        ("trainer.__class__", 1, "unknown name '__class__'"),
        ("model.trust_remote_code", True, "runs Python of its own, .* --trust-remote-code"),
        ("model.name", 5, "model.name: expected text"),
        ("adversary.method", "theirs", "unknown name 'theirs'"),
        ("adversary.adv_lr", -1.0, "adversary.adv_lr: expected at least 0"),
        ("data.max_length", "long", "data.max_length: expected a whole number"),
        ("task", "no_such_task", "unknown name 'no_such_task'"),
        ("data.source", "nowhere", "data.source: expected 'hub'"),
    ],
)
def test_rerun_obeys_nothing_that_a_search_space_could_not_say(theirs, name, value, said):
    def change(entry):
        entry["cell"]["settings"][name] = value

    if name.startswith("adversary"):
        change_clean = change

        def change(entry):
            entry["cell"]["settings"]["adversary.method"] = "freelb"
            change_clean(entry)

    edit(theirs, "planned", change)
    with pytest.raises(FreeLBTuneError, match=said):
        cli("rerun", theirs, "e0f082ed37f8")
    assert not (theirs.parent / ".cache").exists()


def test_a_checkpoint_from_somebody_else_is_not_unpickled(tmp_path):
    cell, bomb = toy_cell(), tmp_path / "bomb"
    prepared = prepare([cell], tmp_path / "cache")[cell.id]

    def stop(record):
        raise InterruptedError

    with pytest.raises(InterruptedError):
        run_cell(cell, prepared, tmp_path / "cell", stop)
    for path in (tmp_path / "cell" / "checkpoint").iterdir():
        if path.suffix in (".pt", ".pth", ".bin"):
            path.write_bytes(pickle.dumps(Bomb(bomb)))
    (tmp_path / "cell" / "checkpoint" / "seal.json").unlink()  # it would tell
    (tmp_path / "cell" / "checkpoint" / "training_args.bin").write_bytes(pickle.dumps(Bomb(bomb)))
    with suppress(Exception):  # what comes of it is training's to say; here, that nothing ran
        run_cell(cell, prepared, tmp_path / "cell", lambda _: None)
    assert not bomb.exists()


def test_taking_the_folder_cuts_nothing_outside_it(theirs, tmp_path):
    outside = tmp_path / "outside.jsonl"
    outside.write_bytes(b'{"event":"closed"}\n{"torn')
    (theirs / "journal.jsonl").unlink()
    (theirs / "journal.jsonl").symlink_to(outside)
    with pytest.raises(FreeLBTuneError), Journal(theirs):
        pass
    assert outside.read_bytes().endswith(b'{"torn')


@pytest.mark.parametrize(
    "config",
    ["[]", "{}", DEEP, '{"model_type": 5}', '{"model_type": "bert", "hidden_size": "wide"}',
     '{"model_type": "bert", "auto_map": {"AutoModelForSequenceClassification": "evil.Model"}}'],
)  # fmt: skip
def test_a_model_that_is_none_is_one_message(theirs, tmp_path, config):
    best = theirs / "best"
    best.mkdir()
    cell = load_store(theirs).cells[0].cell
    (best / "cell.json").write_text(json.dumps(cell.to_json()))
    (best / "config.json").write_text(config)
    (best / "model.safetensors").write_bytes(b"\x02\0\0\0\0\0\0\0{}")
    (best / "evil.py").write_text(f"import os; os.mkdir({str(tmp_path / 'bomb')!r})")
    with pytest.raises(FreeLBTuneError, match="best: "):
        ft.open_results(theirs).best.model()
    assert not (tmp_path / "bomb").exists()


def test_who_holds_the_folder_may_be_told_wrongly_and_does_no_harm(theirs):
    with Journal(theirs):
        for content in (DEEP, "[]", "5", '{"pid": 1}'):
            (theirs / ".lock-owner.json").write_text(content)
            with pytest.raises(FreeLBTuneError, match="another run is writing here"):
                go_on(theirs)
