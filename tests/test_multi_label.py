"""Several labels for an example, from a file's cells to a model's answers."""

import csv
import itertools
import json
import random
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from api_fixtures import TOY
from glue_fixtures import write_search
from sklearn.metrics import accuracy_score, f1_score
from store_fixtures import SPACE, Search, cell, table_text
from tasks_fixtures import check_data, data_fingerprint, files, load_examples
from test_training_cell import TINY

import freelb_tune as ft
from freelb_tune.api.best import Best
from freelb_tune.errors import FreeLBTuneError
from freelb_tune.results import build_table
from freelb_tune.results.analysis import judge
from freelb_tune.results.statistics.comparing.arms import Run
from freelb_tune.results.statistics.comparing.collapse import constant_score
from freelb_tune.results.statistics.comparing.examples import flips_of, one_seed_interval
from freelb_tune.results.statistics.comparing.scores import score_rows
from freelb_tune.results.statistics.numbers.pseudo_values import pseudo_values
from freelb_tune.space.cells.cell import Cell, digest
from freelb_tune.space.settings.sections import DataFields
from freelb_tune.store import load_store, read_epochs
from freelb_tune.tasks import compute_metrics, get_task
from freelb_tune.tasks.drafting import draft_space
from freelb_tune.tasks.sources.unseen import read_unseen
from freelb_tune.training import prepare, run_cell
from freelb_tune.training.predicting.prediction import predict_test
from freelb_tune.training.predicting.selected import best_cell
from freelb_tune.training.predicting.submission import write_predictions
from freelb_tune.training.predicting.texts import predict_file

TASK = "multi_label_classification"
NAMES = ("bills", "login", "praise")
ROWS = [
    ("I paid twice and cannot log in.", ["bills", "login"]),
    ("Thank you!", ["praise"]),
    ("What time is it?", []),
    ("Wrong invoice.", ["bills"]),
    ("Lovely page, but the password fails.", ["login", "praise"]),
]
TRUTH = [[1, 1, 0], [0, 0, 1], [0, 0, 0], [1, 0, 0], [0, 1, 1]]


def write(path, rows=ROWS):
    """Texts and their labels, in the form that the file's name asks for."""
    if path.name.startswith("columns"):
        lines = [[text, *(name in labels for name in NAMES)] for text, labels in rows]
        table = pd.DataFrame(lines, columns=["text", *NAMES])
        table = table if path.stem.endswith("words") else table.astype(dict.fromkeys(NAMES, int))
    else:
        table = pd.DataFrame(rows, columns=["text", "label"])
    if path.suffix == ".parquet":
        table.to_parquet(path)
    elif path.suffix == ".jsonl":
        path.write_text("\n".join(json.dumps(row) for row in table.to_dict("records")), "utf-8")
    else:
        table.to_csv(path, index=False)
    return path


@pytest.mark.parametrize(
    "name", ["a.jsonl", "a.parquet", "a.csv", "columns.csv", "columns_words.csv", "columns.parquet"]
)
def test_lists_and_columns_of_every_kind_are_the_same_labels(tmp_path, name):
    write(tmp_path / name)
    more = {"label": list(NAMES)} if name.startswith("columns") else {}
    read = load_examples(files(TASK, tmp_path, name, name, text="text", **more))
    assert (read.labels, read.kind) == (NAMES, "multi_label")
    assert read.train["label"][:] == TRUTH
    assert read.evaluation["dev"]["label"][:] == TRUTH


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ('"a"', r"the labels are 'a'; expected a list, such as \[\"a\", \"b\"\] or \[\], or data"),
        ("null", "the labels are null or empty; expected a list"),
        ('["p", 3.5, null]', "the label is null"),
        ('["p", ["q"]]', "the label is a list; expected one text or number"),
    ],
)
def test_a_cell_that_is_no_list_of_labels_is_an_error_with_its_line(tmp_path, cell, message):
    good = '{"text": "x", "label": ["p"]}\n{"text": "x", "label": ["q"]}\n'
    (tmp_path / "a.jsonl").write_text(f'{good}{{"text": "x", "label": {cell}}}\n', "utf-8")
    with pytest.raises(FreeLBTuneError, match=f"a.jsonl: 1 problem\n  line 3: {message}"):
        check_data(files(TASK, tmp_path, "a.jsonl", "a.jsonl", text="text"))


def test_a_dev_label_that_training_lacks_and_two_spellings_are_told(tmp_path):
    write(tmp_path / "a.jsonl", [("x", ["p"]), ("y", ["q"])])
    write(tmp_path / "b.jsonl", [("x", ["p", "r"])])
    with pytest.raises(FreeLBTuneError, match="line 1: label 'r' is not one of the task's; known"):
        check_data(files(TASK, tmp_path, "a.jsonl", "b.jsonl", text="text"))
    write(tmp_path / "c.jsonl", [("x", ["p", "Q"]), ("y", ["q"])])
    with pytest.raises(FreeLBTuneError, match="these labels are probably one class"):
        check_data(files(TASK, tmp_path, "c.jsonl", "c.jsonl", text="text"))
    notes = check_data(files(TASK, tmp_path, "a.jsonl", "a.jsonl", text="text"))
    assert notes == ()
    write(tmp_path / "d.jsonl", [("x", ["p"])])
    notes = check_data(files(TASK, tmp_path, "a.jsonl", "d.jsonl", text="text"))
    assert notes == (f"{TASK}, dev: no example of 'q'",)


@pytest.mark.parametrize(
    ("task", "label", "message"),
    [
        (TASK, ["p", "p"], r"a list names two columns or more, each once, got \['p', 'p'\]"),
        (TASK, ["p"], "a list names two columns or more"),
        (TASK, ["p", "text"], "column 'text' stands under data.text too"),
        (TASK, ["p", "n"], "line 3: n is '2'; a column of data.label holds 0 or 1"),
        (TASK, ["p", "z"], "no column 'z'; the columns are"),
        ("regression", ["p", "n"], "task 'regression' has one label for each example, got 2 col"),
        ("classification", "lists", r"is a list in text; .*are task: multi_label_classification"),
    ],
)
def test_columns_that_are_no_labels_are_told(tmp_path, task, label, message):
    (tmp_path / "a.csv").write_text("text,p,n,lists\nx,1,0,['p']\ny,0,2,[]\n", "utf-8")
    with pytest.raises(FreeLBTuneError, match=message):
        check_data(files(task, tmp_path, "a.csv", "a.csv", text="text", label=label))


def test_a_list_of_columns_makes_a_classification_one_of_several_labels(tmp_path):
    path = write(tmp_path / "columns.csv", ROWS * 8)
    data = {"file": str(path), "dev_share": 0.25, "text": "text", "label": list(NAMES)}
    asked = ft.Space.of({**TOY, "task": "classification", "data": data})
    assert asked.task == TASK
    planned = ft.plan(asked, tmp_path)
    assert set(planned.cells["task"]) == {TASK}
    assert planned.cells["data.label"].iloc[0] == list(NAMES)
    with pytest.raises(FreeLBTuneError, match="no such metric.*macro_f1, micro_f1, subset_accur"):
        ft.Space.of({**TOY, "task": TASK, "data": data, "search": {"metric": "accuracy"}})
    weighted = {**TOY, "task": TASK, "data": data, "loss": {"class_weights": "balanced"}}
    with pytest.raises(FreeLBTuneError, match="class_weights: task .* has no one class for each"):
        ft.plan(ft.Space.of(weighted), tmp_path)
    smooth = {**TOY, "task": TASK, "data": data, "trainer": {"label_smoothing_factor": 0.1}}
    with pytest.raises(FreeLBTuneError, match="factor: spreads a class's probability, and task"):
        ft.plan(ft.Space.of(smooth), tmp_path)


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv", "columns.csv", "columns_words.parquet"])
def test_a_draft_sees_that_a_row_may_have_several_labels_and_plans(tmp_path, name):
    path = write(tmp_path / name, ROWS * 8)
    text = draft_space(path, model="config:bert").replace(
        'model: "config:bert"', "model: {name: 'config:bert', config: {hidden_size: 24}}"
    )
    assert "of which a row may have several: bills 16, login 16, praise 16." in text
    (tmp_path / "a.yaml").write_text(text, "utf-8")
    planned = ft.plan(ft.load_space(tmp_path / "a.yaml"), tmp_path)
    cell = planned.cells.iloc[0]
    label = list(NAMES) if name.startswith("columns") else "label"
    assert (cell["task"], cell["data.label"], cell["data.text"]) == (TASK, label, "text")


def test_one_column_of_two_values_or_a_named_label_is_no_set_of_labels(tmp_path):
    rows = "\n".join(f"words no. {i},{i % 2},{i % 2},{'abc'[i % 3]}" for i in range(30))
    (tmp_path / "a.csv").write_text(f"text,seen,open,category\n{rows}\n", "utf-8")
    assert "\ntask: classification\n" in draft_space(tmp_path / "a.csv")
    rows = "\n".join(f"words no. {i},{i % 2}" for i in range(30))
    (tmp_path / "b.csv").write_text(f"text,spam\n{rows}\n", "utf-8")
    assert '\n  label: "spam"\n' in draft_space(tmp_path / "b.csv")


def test_other_columns_are_other_data(tmp_path):
    write(tmp_path / "columns.csv")
    names = [
        data_fingerprint(files(TASK, tmp_path, *["columns.csv"] * 2, text="text", label=label))
        for label in (list(NAMES), list(NAMES[:2]), list(NAMES))
    ]
    assert names[0] == names[2] != names[1]


def test_a_cut_keeps_the_share_of_each_common_set_of_labels(tmp_path):
    chance = random.Random(0)
    rows = [(f"text {i}", chance.choice([["a"], ["a", "b"], [], ["b"]])) for i in range(400)]
    write(tmp_path / "a.jsonl", [*rows, ("rare", ["a", "b", "c"]), ("rarer", ["c"])])
    one = {"data.file": str(tmp_path / "a.jsonl"), "data.dev_share": 0.25}
    read = load_examples({"task": TASK, "data.source": "files", "data.text": "text", **one})
    train, dev = np.array(read.train["label"][:]), np.array(read.evaluation["dev"]["label"][:])
    assert (len(train), len(dev)) == (301, 101)
    for both in itertools.product((0, 1), repeat=2):
        shares = [(rows[:, :2] == both).all(axis=1).mean() for rows in (train, dev)]
        assert shares[0] == pytest.approx(shares[1], abs=0.02)


def made_up(seed=0, count=60):
    """Logits and labels of four labels, one of which never occurs."""
    rng = np.random.default_rng(seed)
    labels = (rng.random((count, 4)) < [0.5, 0.2, 0.4, 0.0]).astype(np.float32)
    return (rng.normal(size=labels.shape) + 2 * labels - 1).astype(np.float32), labels


def test_a_file_with_some_of_the_label_columns_is_predicted_and_the_absent_ones_are_named(tmp_path):
    data = DataFields(source="files", text="text", label=["bills", "login", "praise"])

    def read(header, row):
        (tmp_path / "new.csv").write_text(f"{header}\n{row}\n", "utf-8")
        return read_unseen(tmp_path / "new.csv", get_task(TASK), data, tuple(NAMES))

    some = read("text,praise,bills", "well done,1,0")
    assert some.labels == (None,)
    assert some.note == (
        f"{tmp_path}/new.csv: no scores, as it has 2 of the 3 label columns and lacks login"
    )
    none, whole = read("text", "well done"), read("text,praise,bills,login", "well done,1,0,0")
    assert (none.note, whole.note) == ("", "")
    assert whole.labels == ([0.0, 0.0, 1.0],)


def test_a_label_that_the_model_does_not_know_says_how_to_predict_without_it(tmp_path):
    (tmp_path / "new.csv").write_text("text,label\nwell,good\nill,bad\nso,soso\nno,\n", "utf-8")
    data = DataFields(source="files", text="text", label="label")
    with pytest.raises(FreeLBTuneError, match=r"new\.csv") as raised:
        read_unseen(tmp_path / "new.csv", get_task("classification"), data, ("good", "bad"))
    said = str(raised.value)
    assert "line 4" in said
    assert "soso" in said
    assert "(rename the column 'label' to predict without it)" in said
    assert "line 2" not in said


def test_scores_are_scikit_learns():
    logits, labels = made_up()
    said = logits > 0
    assert compute_metrics(get_task(TASK), logits, labels) == {
        "micro_f1": pytest.approx(f1_score(labels, said, average="micro")),
        "macro_f1": pytest.approx(f1_score(labels, said, average="macro", zero_division=0)),
        "subset_accuracy": pytest.approx(accuracy_score(labels, said)),
    }
    with pytest.raises(FreeLBTuneError, match="do not fit labels of shape .* under accuracy"):
        pseudo_values("accuracy", logits, labels)


def test_one_answer_for_all_scores_as_the_best_of_all_answers():
    _, labels = made_up(seed=3, count=25)
    for metric in ("micro_f1", "macro_f1", "subset_accuracy"):
        every = [compute_metrics(get_task(TASK), np.tile(np.array(answer) - 0.5, (25, 1)), labels)
                 for answer in itertools.product((0, 1), repeat=4)]  # fmt: skip
        best = max(one[metric] for one in every)
        assert constant_score(metric, labels) == pytest.approx(best)


def test_an_example_flips_where_all_of_its_labels_become_right():
    labels = np.array([[1, 0], [1, 1], [0, 0]], dtype=np.float32)
    mine = np.array([[9, -9], [9, -1], [-1, -1]], dtype=np.float32)
    theirs = np.array([[9, 9], [-9, -1], [-1, 1]], dtype=np.float32)
    flips = flips_of([(Run(1, None, mine, labels), Run(1, None, theirs, labels))])
    assert (flips.beneficial, flips.harmful) == (2.0, 0.0)
    low_high = one_seed_interval(np.array([1.0, 0.0, 1.0]), "subset_accuracy")
    assert low_high.low < 0 < low_high.high  # McNemar's, of two discordant examples


def test_a_search_of_several_labels_has_its_verdict_table_and_page(tmp_path):
    rng = np.random.default_rng(5)
    _, labels = made_up(seed=2, count=80)
    cells = [
        replace(each, settings={**each.settings, "task": TASK})
        for each in (*(cell(s) for s in (1, 2, 3)), *(cell(s, adv_lr=0.1) for s in (1, 2, 3)))
    ]
    search, said = Search(cells), {}
    for each in cells:
        noise = 1.2 if each.arm == "clean" else 0.6
        logits = (2 * labels - 1 + rng.normal(scale=noise, size=labels.shape)).astype(np.float32)
        said[each.id] = logits
        search.end(each, compute_metrics(get_task(TASK), logits, labels)["micro_f1"])
    search.write(tmp_path, space=SPACE.replace("accuracy", "micro_f1"), task=TASK)
    for each in cells:
        home = tmp_path / "cells" / each.id / "predictions"
        home.mkdir()
        np.savez(home / "epoch_0001.npz", **{"dev.logits": said[each.id], "dev.labels": labels})
    text = table_text(tmp_path, judge)
    store = load_store(tmp_path)
    (one,) = judge(store, build_table(store)).comparisons
    scores = {each.id: search.outcomes[each.id][0][0] for each in cells}
    apart = [scores[b.id] - scores[a.id] for a, b in zip(cells[:3], cells[3:], strict=True)]
    assert one.difference == pytest.approx(np.mean(apart))
    assert one.other_examples.low < one.low < one.difference < one.high < one.other_examples.high
    assert one.flips.beneficial > one.flips.harmful
    assert (one.better, one.collapsed) == (True, ())
    assert "the micro_f1 on own multi-label classification is" in text
    assert (tmp_path / "report.html").is_file()


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A results folder with a real, tiny trained cell in best/, and its file."""
    folder = tmp_path_factory.mktemp("several")
    words = {"bills": "invoice", "login": "password", "praise": "thanks"}
    chance = random.Random(1)
    rows = []
    for i in range(120):
        labels = [name for name in NAMES if chance.random() < 0.4]
        rows.append((" ".join([*(words[name] for name in labels), f"no. {i % 5}"]), labels))
    path = write(folder / "a.jsonl", rows)
    settings = {
        "task": TASK,
        "data.source": "files",
        "data.train": str(path),
        "data.dev": str(path),
        "data.test": str(path),
        "data.text": "text",
        "data.max_length": 16,
        "model.name": "config:bert",
        "model.config": {
            **TINY,
            "intermediate_size": 32,
            "max_position_embeddings": 16,
            "hidden_dropout_prob": 0.0,
            "initializer_range": 0.2,
        },
        "trainer.learning_rate": 5e-3,
        "trainer.num_train_epochs": 3,
        "trainer.per_device_train_batch_size": 8,
        "adversary.method": "freelb",
        "adversary.adv_steps": 2,
        "adversary.adv_lr": 0.02,
        "adversary.init_mag": 0.02,
    }
    cell = Cell(digest({"a": 1}), digest({"b": 1}), None, "adversarial", 3, settings, "d", "w")
    home = folder / "results"
    write_search(home, TASK, [(cell, [], None)])
    run_cell(cell, prepare([cell], folder / "c")[cell.id], home / "cells" / cell.id, lambda _: None)
    shutil.copytree(home / "cells" / cell.id / "model", home / "best")
    (home / "best" / "cell.json").write_text(json.dumps(cell.to_json()))
    return home, path, cell


def test_a_cell_learns_several_labels_and_keeps_what_the_verdict_needs(trained):
    home, _, cell = trained
    records = read_epochs(home / "cells" / cell.id / "epochs.jsonl")
    assert records[-1].score == records[-1].metrics["micro_f1"] > 0.8
    (found,) = [each for each in load_store(home).cells if each.cell.id == cell.id]
    logits, labels = found.predictions(3)
    assert logits.shape == labels.shape == (120, 3)
    assert compute_metrics(get_task(TASK), logits, labels) == records[-1].metrics
    config = json.loads((home / "best" / "config.json").read_text())
    assert config["problem_type"] == TASK
    assert config["id2label"] == {"0": "bills", "1": "login", "2": "praise"}


def test_the_model_answers_with_a_probability_for_each_label(trained, tmp_path):
    home, path, cell = trained
    cell, logits, labels = predict_file(home, path, tmp_path / "out.csv")
    scores = score_rows(get_task(TASK), logits, labels)
    best = max(read_epochs(home / "cells" / cell.id / "epochs.jsonl"), key=lambda one: one.score)
    assert logits.shape == labels.shape == (120, 3)
    assert {name: score.value for name, score in scores.items()} == best.metrics
    assert all(score.low < score.value < score.high for score in scores.values())
    with (tmp_path / "out.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    given = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    assert [json.loads(row["label"]) for row in rows] == [row["label"] for row in given]
    for row in rows:
        over = [name for name in NAMES if float(row[f"probability_{name}"]) > 0.5]
        assert json.loads(row["predicted_labels"]) == over
    asked = Best(home / "best", best_cell(home))
    frame = asked.predict([row["text"] for row in given])
    assert frame["predicted_labels"].tolist() == [json.loads(r["predicted_labels"]) for r in rows]
    assert {len(said) for said in frame["predicted_labels"]} >= {0, 1, 2}
    (said,) = asked.pipeline()([given[0]["text"]])
    shares = {each["label"]: each["score"] for each in said}  # all, though they add up to no 1
    for name in NAMES:
        assert shares[name] == pytest.approx(frame[f"probability_{name}"][0], abs=1e-5)
    (written,) = write_predictions(predict_test(home), tmp_path)
    index, first = written.read_text("utf-8").splitlines()[1].split("\t")
    assert (index, json.loads(first)) == ("0", json.loads(rows[0]["predicted_labels"]))
