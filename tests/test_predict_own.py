"""`freelb-tune predict --input`: own classes, own values, and the best model that perturbs."""

import json
import re
import shutil

import numpy as np
import pandas as pd
import pytest
from glue_fixtures import write_search
from safetensors.torch import load_file, save_file
from scipy.stats import binomtest
from sklearn.metrics import f1_score
from test_training_cell import TINY
from typer.testing import CliRunner

from freelb_tune import open_results
from freelb_tune.cli import app
from freelb_tune.results.statistics.comparing.scores import score_rows
from freelb_tune.results.tables.contents.metric import Measure, score_line
from freelb_tune.space.cells.cell import Cell, digest
from freelb_tune.store import Journal
from freelb_tune.tasks import Metric, Task
from freelb_tune.training import prepare, run_cell

WORDS = ("rain", "sun", "wet", "dry", "a long day", "snow")
ROWS = [
    (f'"{a}", {b};\tno. {n}', ("low", "mid", "high")[n % 3], n / 7)
    for n, (a, b) in enumerate((a, b) for a in WORDS for b in WORDS)
]
INTERVAL = r"(?:95 % interval ([\d.-]+) to ([\d.-]+)|no interval from these rows)"
LINE = re.compile(rf"(\w+): ([\d.-]+) \({INTERVAL}, (\d+) labelled rows\)")


def searched(folder, task, label):
    """A results folder with a real, tiny trained cell of own data in best/."""
    folder.mkdir()
    table = pd.DataFrame(ROWS, columns=["message", "level", "value"])
    table.to_csv(folder / "a.csv", index=False)
    settings = {
        "task": task,
        "data.source": "files",
        "data.train": str(folder / "a.csv"),
        "data.dev": str(folder / "a.csv"),
        "data.text": "message",
        "data.label": label,
        "data.max_length": 16,
        "model.name": "config:bert",
        "model.config": {**TINY, "intermediate_size": 32, "max_position_embeddings": 16},
        "trainer.num_train_epochs": 1,
        "adversary.method": "none",
    }
    cell = Cell(digest({"a": task}), digest({"b": 1}), None, "clean", 3, settings, "d", "w")
    home = folder / "results"
    write_search(home, task, [(cell, [], None)])
    run_cell(cell, prepare([cell], folder / "c")[cell.id], home / "cells" / cell.id, lambda _: None)
    shutil.copytree(home / "cells" / cell.id / "model", home / "best")
    (home / "best" / "cell.json").write_text(json.dumps(cell.to_json()))
    return home


@pytest.fixture(scope="module")
def levels(tmp_path_factory):
    return searched(tmp_path_factory.mktemp("own") / "levels", "classification", "level")


@pytest.fixture(scope="module")
def values(tmp_path_factory):
    return searched(tmp_path_factory.mktemp("own") / "values", "regression", "value")


def predict(home, source, target, *more):
    """The file that is written, and by metric the value, its interval and the number of rows."""
    words = ["predict", home, "--input", source, "--output", target, *more]
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert done.exit_code == 0, done.output
    said = {
        name: (*(float(each or "nan") / (100 if name != "rmse" else 1) for each in rest), int(rows))
        for name, *rest, rows in LINE.findall(done.stdout)
    }
    if target.suffix == ".jsonl":
        return pd.read_json(target, lines=True), said
    return pd.read_csv(target, sep="\t" if target.suffix == ".tsv" else ","), said


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl"])
def test_own_classes_keep_every_column_and_are_scored_where_a_row_has_a_label(
    levels, tmp_path, ending
):
    given = pd.DataFrame(ROWS, columns=["message", "level", "value"])
    given.insert(0, "id", [f"no. {n}\nof all" for n in given.index])
    given.loc[given.index % 4 == 3, "level"] = None
    given.to_csv(tmp_path / "new.csv", index=False)
    out, said = predict(levels, tmp_path / "new.csv", tmp_path / f"out.{ending}")
    assert list(out["id"]) == list(given["id"])
    assert list(out["message"]) == list(given["message"])
    names = ["high", "low", "mid"]
    shares = out[[f"probability_{name}" for name in names]].to_numpy()
    np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-5)
    assert [names[place] for place in shares.argmax(axis=1)] == list(out["predicted_label"])
    known = given["level"].notna()
    right = (out["predicted_label"] == given["level"])[known]
    wilson = binomtest(int(right.sum()), len(right)).proportion_ci(method="wilson")
    assert said["accuracy"] == pytest.approx((right.mean(), *wilson, len(right)), abs=1e-4)
    macro = f1_score(given["level"][known], out["predicted_label"][known], average="macro")
    assert said["macro_f1"][0] == pytest.approx(macro, abs=1e-4)
    assert said.keys() == {"accuracy", "macro_f1", "matthews"}


def test_own_values_are_predicted_and_scored(values, tmp_path):
    given = pd.DataFrame(ROWS, columns=["message", "level", "value"])
    given.to_csv(tmp_path / "new.csv", index=False)
    out, said = predict(values, tmp_path / "new.csv", tmp_path / "out.csv")
    assert list(out) == [*given, "predicted_value"]
    missed = ((out["predicted_value"] - given["value"]) ** 2).mean() ** 0.5
    assert said["rmse"][0] == pytest.approx(missed, abs=1e-4)
    assert said.keys() == {"pearson", "spearman", "rmse"}
    assert all(
        low < value < high and rows == len(given) for value, low, high, rows in said.values()
    )


def test_the_best_that_perturbs_is_asked_for_and_is_best_itself_where_it_has_no_folder(
    levels, tmp_path
):
    own = shutil.copytree(levels, tmp_path / "results")
    (tmp_path / "new.csv").write_text("message\nrain and sun\nsnow\n", "utf-8")
    there = (tmp_path / "new.csv", tmp_path / "out.csv")
    first, said = predict(own, *there)
    assert said == {}
    alone, _ = predict(own, *there, "--adversarial")
    pd.testing.assert_frame_equal(alone, first)
    shutil.copytree(own / "best", own / "best_adversarial")
    weights = load_file(own / "best_adversarial" / "model.safetensors")
    weights["classifier.bias"] += weights["classifier.bias"].new_tensor([0.0, 99.0, 0.0])
    save_file(weights, own / "best_adversarial" / "model.safetensors", {"format": "pt"})
    other, _ = predict(own, *there, "--adversarial")
    assert list(other["predicted_label"]) == ["low", "low"]
    again, _ = predict(own, *there)
    pd.testing.assert_frame_equal(again, first)


def evaluate(home, source):
    """What `evaluate` prints; the error and its exit status where it refuses."""
    done = CliRunner().invoke(app, ["evaluate", str(home), "--on", str(source)])
    return str(done.exception) if done.exit_code else done.stdout


def test_both_kept_models_are_scored_on_a_file_and_compared_after_the_end(levels, tmp_path):
    own = shutil.copytree(levels, tmp_path / "results")
    shutil.copytree(own / "best", own / "best_adversarial")
    weights = load_file(own / "best_adversarial" / "model.safetensors")
    weights["classifier.bias"] += weights["classifier.bias"].new_tensor([0.0, 99.0, 0.0])
    save_file(weights, own / "best_adversarial" / "model.safetensors", {"format": "pt"})
    given = pd.DataFrame(ROWS, columns=["message", "level", "value"])
    given.to_csv(tmp_path / "new.csv", index=False)
    early = evaluate(own, tmp_path / "new.csv")
    assert "Verdict after 1 more cell." in early
    assert "against" not in early
    with Journal(own) as journal:
        cell_id = json.loads((own / "best" / "cell.json").read_text())["id"]
        journal.append("started", cell_id=cell_id, at="")
        journal.append("finished", cell_id=cell_id, state="done")
    found = open_results(own).evaluate(tmp_path / "new.csv").set_index(["model", "metric"])
    _, said = predict(own, tmp_path / "new.csv", tmp_path / "out.csv")
    row = found.loc[("best", "accuracy")]
    assert said["accuracy"] == pytest.approx((*row[["value", "low", "high"]], 36), abs=1e-4)
    # it says "low" to every row, of which every third is
    assert found.loc[("best_adversarial", "accuracy"), "value"] == 12 / 36
    gap = found.loc[("best_adversarial - best", "accuracy")]
    assert gap["value"] == pytest.approx(12 / 36 - row["value"])
    assert gap["low"] < gap["value"] < gap["high"]
    assert found.loc[("best_adversarial", "calibration_error"), "value"] == pytest.approx(24 / 36)
    text = evaluate(own, tmp_path / "new.csv")
    assert (
        f"best_adversarial against best, accuracy: {100 * gap['value']:+.2f} (95 % interval" in text
    )
    assert f"best: cell {cell_id} (clean arm, seed 3)" in text


def test_values_are_evaluated_without_a_calibration(values, tmp_path):
    given = pd.DataFrame(ROWS, columns=["message", "level", "value"])
    given.to_csv(tmp_path / "new.csv", index=False)
    assert set(open_results(values).evaluate(tmp_path / "new.csv")["metric"]) == {
        "pearson", "spearman", "rmse"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param(None, "new.csv: no such file", id="no-file"),
        pytest.param(
            "message,level\nrain,low\nsun,\n", "2 without a label, the first is row 2", id="bare"
        ),
        pytest.param("message\nrain\n", r"1 row of 1 without a label.* \(level\)", id="no-column"),
        pytest.param("message,level\nsun,odd\n", "line 2: label 'odd' is not one", id="unknown"),
        pytest.param("message,level\n", "the file holds no example", id="empty"),
    ],
)
def test_a_file_that_cannot_be_scored_says_why(levels, tmp_path, content, said):
    if content is not None:
        (tmp_path / "new.csv").write_text(content, "utf-8")
    assert re.search(said, evaluate(levels, tmp_path / "new.csv"))


def test_a_metric_of_somebodys_own_has_a_bootstraps_interval():
    def third(predictions, labels):
        return float((predictions == labels).mean() / 3)

    metrics = (Metric("accuracy", lambda p, t: float((p == t).mean())), Metric("third", third))
    task = Task("own", "own", ("text",), None, "classification", metrics)
    labels = np.arange(60) % 2
    logits = np.eye(2)[np.where(np.arange(60) < 45, labels, 1 - labels)]
    scores = score_rows(task, logits, labels)
    assert (scores["accuracy"].value, scores["third"].value) == (0.75, 0.25)
    for end in ("low", "high"):
        own, known = getattr(scores["third"], end), getattr(scores["accuracy"], end)
        assert own == pytest.approx(known / 3, abs=0.01)
    one = score_rows(task, logits[:1], labels[:1])
    said = score_line(Measure("third", "higher", "own"), one["third"], 1)
    assert said == "third: 33.33 (no interval from these rows, 1 labelled row)"


def test_long_work_says_how_far_it_is(levels, tmp_path, monkeypatch):
    monkeypatch.setattr("freelb_tune.progress._SECONDS", 0.0)
    words = ["predict", levels, "--input", levels.parent / "a.csv", "--output", tmp_path / "o.csv"]
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert re.search(r"predicted \d+ of 36 texts, about \d+ s left", done.stderr)
