"""Searches under a loss of their own, from a file to table, verdict and prediction, on real Ray."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from api_fixtures import TOY
from search_fixtures import ensure_ray
from sklearn.metrics import f1_score
from sklearn.utils.class_weight import compute_class_weight
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy
from typer.testing import CliRunner

import freelb_tune as ft
from freelb_tune.cli import app
from freelb_tune.store import load_store

pytestmark = pytest.mark.slow

TEXTS = [f"{a} and {b}" for a in ("rain", "sun", "snow", "fog") for b in ("rain", "sun", "hail")]


def searched(folder, frame, **more):
    """A search of two seeds on a file's rows: its results and its store."""
    ensure_ray()
    frame.to_csv(folder / "rows.csv", index=False)
    data = {"file": str(folder / "rows.csv"), "dev_share": 0.25, "text": "text", "max_length": 16}
    labels = [name for name in frame if name != "text"]
    data["label"] = labels if len(labels) > 1 else labels[0]
    space = ft.Space.of({**TOY, "task": "classification", "seeds": [1, 2], **more, "data": data})
    results = ft.search(space, results=folder / "results")
    return results, load_store(folder / "results" / "toy")


def asked(folder, texts):
    """The columns that `predict` adds to a file of texts."""
    pd.DataFrame({"text": texts}).to_csv(folder / "new.csv", index=False)
    words = ["predict", folder / "results" / "toy", "--input", folder / "new.csv"]
    words += ["--output", folder / "out.csv"]
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert done.exit_code == 0, done.output
    return pd.read_csv(folder / "out.csv")


def test_a_class_weighted_search_has_scikit_learns_weights_in_every_arm(tmp_path):
    level = ["wet" if "rain" in text else "dry" for text in TEXTS] * 4
    frame = pd.DataFrame({"text": TEXTS * 4, "level": level})
    results, store = searched(tmp_path, frame, loss={"class_weights": {"grid": [None, "balanced"]}})
    assert len(store.cells) == 2 * 2 * 2  # weights or none, clean or not, two seeds
    for each in store.cells:
        logits, labels = each.predictions(1)
        wanted = each.cell.settings["loss.class_weights"]
        assert wanted in (None, "balanced")
        rows = np.repeat([0, 1], [round(0.75 * level.count(name)) for name in ("dry", "wet")])
        weights = compute_class_weight("balanced", classes=np.arange(2), y=rows)
        weight = None if wanted is None else torch.tensor(weights, dtype=torch.float32)
        loss = cross_entropy(torch.tensor(logits), torch.tensor(labels).long(), weight)
        assert each.last.dev_loss == pytest.approx(loss.item(), abs=1e-5)
    assert "balanced" in results.table["class_weights"].astype(str).tolist()
    assert results.verdict.sentence
    out = asked(tmp_path, TEXTS)
    assert set(out["predicted_label"]) <= {"dry", "wet"}
    np.testing.assert_allclose(out["probability_dry"] + out["probability_wet"], 1, atol=1e-5)


def test_a_search_of_several_labels_goes_from_columns_to_table_verdict_and_answers(tmp_path):
    frame = pd.DataFrame({"text": TEXTS * 4})
    for name in ("rain", "sun"):
        frame[name] = frame["text"].str.contains(name).astype(int)
    results, store = searched(tmp_path, frame)
    assert len(store.cells) == 4
    for each in store.cells:
        logits, labels = (np.asarray(part, dtype=np.float64) for part in each.predictions(1))
        loss = binary_cross_entropy_with_logits(torch.tensor(logits), torch.tensor(labels))
        assert each.last.dev_loss == pytest.approx(loss.item(), abs=1e-5)
        micro = f1_score(labels, logits > 0, average="micro", zero_division=0)
        assert each.last.metrics["micro_f1"] == pytest.approx(micro)
    assert results.verdict.sentence
    assert results.table["n"].tolist() == [2]  # beside its clean arm, which has a column
    out = asked(tmp_path, TEXTS)
    names = ("rain", "sun")
    over = [[n for n in names if row[f"probability_{n}"] > 0.5] for _, row in out.iterrows()]
    assert [json.loads(said) for said in out["predicted_labels"]] == over
