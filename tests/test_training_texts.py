"""The selected model's answers to a file of any texts."""

import csv
import json

import numpy as np
import pandas as pd
import pytest
from test_training_prediction import LABELS, PAIRS, glue, id_of, own_rte, rte  # noqa: F401 - fixtures

from freelb_tune.api.best import Best
from freelb_tune.errors import FreeLBTuneError
from freelb_tune.results.statistics.comparing.scores import score_rows
from freelb_tune.store import read_epochs
from freelb_tune.tasks import get_task
from freelb_tune.training.predicting.selected import best_cell
from freelb_tune.training.predicting.texts import predict_file


def write(path, labels=True):
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "sentence1", "sentence2", *(["label"] if labels else [])])
        for n, (a, b, label) in enumerate(PAIRS):
            writer.writerow([f'no. "{n}",\nnew line', a, b, *([LABELS[label]] if labels else [])])
    return path


def test_every_column_is_kept_and_a_labelled_file_is_scored(rte, tmp_path):  # noqa: F811
    out = tmp_path / "out.csv"
    cell, logits, labels = predict_file(rte, write(tmp_path / "new.csv"), out)
    scores = score_rows(get_task(cell.task), logits, labels)
    before, after = pd.read_csv(tmp_path / "new.csv"), pd.read_csv(out)
    pd.testing.assert_frame_equal(after[list(before)], before)
    shares = after[[f"probability_{label}" for label in LABELS]]
    np.testing.assert_allclose(shares.sum(axis=1), 1.0, atol=1e-5)
    assert [LABELS[i] for i in shares.to_numpy().argmax(axis=1)] == list(after["predicted_label"])
    best = max(read_epochs(rte / "cells" / id_of("rte") / "epochs.jsonl"), key=lambda r: r.score)
    assert (cell.id, len(labels)) == (id_of("rte"), len(PAIRS))
    assert scores["accuracy"].value == best.score  # the dev set's own rows
    assert scores["accuracy"].low <= best.score <= scores["accuracy"].high
    pairs = [(a, b) for a, b, _ in PAIRS]
    answers = Best(rte / "best", best_cell(rte)).predict(pairs)
    assert list(answers["predicted_label"]) == list(after["predicted_label"])


def test_a_file_without_labels_is_predicted_and_not_scored(rte, tmp_path):  # noqa: F811
    out = tmp_path / "out.jsonl"
    _, _, labels = predict_file(rte, write(tmp_path / "new.csv", labels=False), out)
    assert len(labels) == 0
    rows = [json.loads(line) for line in out.read_text("utf-8").splitlines()]
    assert len(rows) == len(PAIRS)
    assert rows[3]["sentence1"] == PAIRS[3][0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\nx,y\n", r"no column 'sentence1', 'sentence2'; the columns are 'a', 'b'"),
        ("sentence1,sentence2\nx,\n", "line 2: sentence2 is empty"),
        ("sentence1,sentence2,label\nx,y,maybe\n", "line 2: label 'maybe' is not one of"),
        ("sentence1,sentence2,predicted_label\nx,y,z\n", "a column 'predicted_label' already"),
    ],
)
def test_a_file_that_cannot_be_predicted_is_told(rte, tmp_path, text, message):  # noqa: F811
    (tmp_path / "new.csv").write_text(text, "utf-8")
    with pytest.raises(FreeLBTuneError, match=message):
        predict_file(rte, tmp_path / "new.csv", tmp_path / "out.csv")


def test_a_file_that_cannot_be_written_is_told_first(rte, tmp_path):  # noqa: F811
    with pytest.raises(FreeLBTuneError, match=r"out.xlsx: unknown ending; write to one of .csv"):
        predict_file(rte, tmp_path / "no.csv", tmp_path / "out.xlsx")
