"""The selected model's predictions on test sets, in the GLUE server's files."""

import json
import os
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from glue_fixtures import write_search
from tasks_fixtures import write_layout
from test_training_cell import TINY

from freelb_tune.errors import FreeLBTuneError
from freelb_tune.space.cells.cell import Cell, digest
from freelb_tune.store import read_epochs
from freelb_tune.training import prepare, run_cell
from freelb_tune.training.predicting.prediction import predict_test
from freelb_tune.training.predicting.selected import best_cell
from freelb_tune.training.predicting.submission import (
    check_folders,
    write_predictions,
    write_submission,
)

WORDS = ("rain", "sun", "wet", "dry", "a long day", "snow", "night and day", "wind")
PAIRS = [(f"{a} .", f"{b} !", int(a != b)) for a in WORDS for b in WORDS]
LABELS = ("entailment", "not_entailment")


@pytest.fixture(scope="module")
def glue(tmp_path_factory):
    """All tasks in GLUE's layout; RTE with 64 pairs, its test set being its dev set."""
    lines = [f"{n}\t{a}\t{b}" for n, (a, b, _) in enumerate(PAIRS)]
    header = "index\tsentence1\tsentence2"
    labelled = [f"{line}\t{LABELS[label]}" for line, (*_, label) in zip(lines, PAIRS, strict=True)]
    rows = "\n".join([f"{header}\tlabel", *labelled]) + "\n"
    test = "\n".join([header, *lines]) + "\n"
    changes = {"RTE/train.tsv": rows, "RTE/dev.tsv": rows, "RTE/test.tsv": test}
    return write_layout(tmp_path_factory.mktemp("glue"), **changes)


def id_of(task):
    return digest({"task": task})


def trained(folder, glue, task="rte", **changes):
    """A results folder with a real, tiny trained cell in best/."""
    settings = {
        "task": task,
        "data.source": "glue",
        "data.path": str(glue),
        "data.max_length": 24,
        "model.name": "config:bert",
        "model.config": {**TINY, "intermediate_size": 32, "max_position_embeddings": 24},
        "trainer.learning_rate": 5e-3,
        "trainer.num_train_epochs": 2,
        "trainer.per_device_train_batch_size": 8,
        "adversary.method": "none",
        **changes,
    }
    cell = Cell(id_of(task), id_of(f"{task}s"), id_of(f"{task}s"), "clean", 3, settings, "d", "w")
    write_search(folder, task, [(cell, [], None)])
    home = folder / "cells" / cell.id
    run_cell(cell, prepare([cell], folder / "cache")[cell.id], home, lambda _: None)
    shutil.copytree(home / "model", folder / "best")
    (folder / "best" / "cell.json").write_text(json.dumps(cell.to_json()))
    return folder


@pytest.fixture(scope="module")
def rte(tmp_path_factory, glue):
    return trained(tmp_path_factory.mktemp("results") / "rte", glue)


@pytest.fixture
def own_rte(tmp_path, rte):
    """A copy of the trained search, to be spoilt."""
    return shutil.copytree(rte, tmp_path / "rte")


def test_the_dev_set_as_a_test_set_gets_the_logits_that_the_search_stored(rte):
    predictions = predict_test(rte)
    best = max(read_epochs(rte / "cells" / id_of("rte") / "epochs.jsonl"), key=lambda r: r.score)
    stored = np.load(rte / "cells" / id_of("rte") / "predictions" / f"epoch_{best.epoch:04d}.npz")
    np.testing.assert_array_equal(predictions.logits["RTE"], stored["dev.logits"])
    assert len(np.unique(stored["dev.logits"], axis=0)) > 32  # rows differ: their order is proven


def test_a_file_is_as_the_server_reads_it(rte, tmp_path):
    predictions = predict_test(rte)
    (path,) = write_predictions(predictions, tmp_path / "out")
    assert path == tmp_path / "out" / "RTE.tsv"
    header, *lines = path.read_text().splitlines()
    assert header == "index\tprediction"
    expected = [LABELS[place] for place in predictions.logits["RTE"].argmax(axis=1)]
    assert lines == [f"{n}\t{label}" for n, label in enumerate(expected)]


def test_another_folder_of_test_files_replaces_the_cells_own(rte, tmp_path):
    other = write_layout(
        tmp_path / "other", **{"RTE/test.tsv": "index\tsentence1\tsentence2\n7\train\twet\n"}
    )
    predictions = predict_test(rte, other)
    assert predictions.index["RTE"] == [7]
    assert predictions.logits["RTE"].shape == (1, 2)


def test_a_cell_trained_with_mixed_precision_predicts_on_a_cpu(own_rte):
    import torch

    if torch.cuda.is_available():
        pytest.skip("needs a machine without a GPU")
    before = predict_test(own_rte).logits["RTE"]
    path = own_rte / "best" / "cell.json"
    cell = json.loads(path.read_text())
    cell["settings"] |= {"trainer.bf16": True, "trainer.optim": "adamw_torch_fused"}
    path.write_text(json.dumps(cell))
    np.testing.assert_array_equal(predict_test(own_rte).logits["RTE"], before)


def test_mnli_gives_two_files_and_stsb_real_values_within_its_range(glue, tmp_path):
    mnli = predict_test(trained(tmp_path / "mnli", glue, "mnli"))
    paths = write_predictions(mnli, tmp_path / "out")
    assert [path.name for path in paths] == ["MNLI-m.tsv", "MNLI-mm.tsv"]
    number, label = paths[1].read_text().splitlines()[1].split("\t")
    assert number == "7"  # as the test file numbers it
    assert label in ("entailment", "neutral", "contradiction")
    files = {"STS-B/test.tsv": "index\tsentence1\tsentence2\n0\tA man.\tA boy.\n"}
    stsb = predict_test(
        trained(tmp_path / "stsb", write_layout(tmp_path / "glue", **files), "stsb")
    )
    (path,) = write_predictions(stsb, tmp_path / "out")
    assert 0 <= float(path.read_text().splitlines()[1].split("\t")[1]) <= 5


def test_mnlis_model_predicts_the_diagnostic_set_into_the_zip(tmp_path):
    text = "index\tsentence1\tsentence2\n0\tA dog.\tA pup.\n1\tNo cat.\tA cat.\n"
    glue = write_layout(tmp_path / "glue", **{"diagnostic/diagnostic.tsv": text})
    predictions = predict_test(trained(tmp_path / "mnli", glue, "mnli"))
    paths = write_predictions(predictions, tmp_path / "out")
    assert [path.name for path in paths] == ["MNLI-m.tsv", "MNLI-mm.tsv", "AX.tsv"]
    header, *lines = paths[2].read_text().splitlines()
    names = ("entailment", "neutral", "contradiction")
    expected = [names[place] for place in predictions.logits["AX"].argmax(axis=1)]
    assert header == "index\tprediction"
    assert lines == [f"{n}\t{label}" for n, label in enumerate(expected)]
    path, absent = write_submission([predictions], tmp_path / "out")
    with zipfile.ZipFile(path) as archive:
        assert archive.namelist() == ["MNLI-m.tsv", "MNLI-mm.tsv", "AX.tsv"]
    assert "AX.tsv" not in absent


def test_own_labels_are_written_as_their_text(tmp_path):
    rows = "".join(f"{a}\t{('dull', 'fine')[label]}\n" for a, _, label in PAIRS)
    for name in ("train", "dev", "test"):
        (tmp_path / f"{name}.tsv").write_text(f"said\tlabel\n{rows}")
    own = {f"data.{name}": str(tmp_path / f"{name}.tsv") for name in ("train", "dev", "test")}
    folder = trained(
        tmp_path / "own", tmp_path, "classification",
        **{**own, "data.source": "files", "data.path": None, "data.text": "said"},
    )  # fmt: skip
    (path,) = write_predictions(predict_test(folder), tmp_path / "out")
    assert path.name == "classification.tsv"
    assert {line.split("\t")[1] for line in path.read_text().splitlines()[1:]} <= {"dull", "fine"}


def test_the_zip_holds_every_searchs_files_and_says_which_the_server_would_miss(rte, tmp_path):
    predictions = predict_test(rte)
    path, absent = write_submission([predictions], tmp_path / "out")
    with zipfile.ZipFile(path) as archive:
        assert archive.namelist() == ["RTE.tsv"]
        assert archive.read("RTE.tsv").startswith(b"index\tprediction\n0\t")
    assert {"MNLI-mm.tsv", "AX.tsv"} <= {*absent}
    assert "RTE.tsv" not in absent
    before = path.read_bytes()
    write_submission([predictions], tmp_path / "out")
    assert path.read_bytes() == before


def test_folders_that_cannot_be_predicted_are_told_before_anything_is(rte, tmp_path):
    with pytest.raises(FreeLBTuneError, match="so this is no results folder"):
        check_folders([rte, tmp_path], zipped=True)
    with pytest.raises(FreeLBTuneError, match=r"task 'rte' stands twice, in .*; name one of them"):
        check_folders([rte, rte], zipped=False)


def test_own_tasks_do_not_go_into_the_servers_zip(own_rte):
    path = own_rte / "best" / "cell.json"
    path.write_text(path.read_text().replace('"task": "rte"', '"task": "classification"'))
    check_folders([own_rte], zipped=False)
    with pytest.raises(FreeLBTuneError, match=r"'classification' is not one of GLUE's.*--zip"):
        check_folders([own_rte], zipped=True)


def test_a_record_without_its_models_says_so():
    folder = Path(__file__).parent / "folders" / "format_1"
    with pytest.raises(FreeLBTuneError, match="the models are not in this folder, whose search is"):
        best_cell(folder)


def test_a_missing_best_says_how_far_the_search_is(own_rte):
    shutil.rmtree(own_rte / "best")
    with pytest.raises(FreeLBTuneError, match="there is no model, as 0 of 1 cells are done"):
        predict_test(own_rte)


def test_a_best_without_its_tokenizer_is_told(own_rte):
    (own_rte / "best" / "tokenizer.json").unlink()
    with pytest.raises(FreeLBTuneError, match="no tokenizer can be made|knows no word"):
        predict_test(own_rte)


def test_a_cell_is_trained_again_beside_a_folder_that_may_only_be_read(own_rte):
    from typer.testing import CliRunner

    from freelb_tune.cli import app

    own_rte.parent.chmod(0o555)
    try:
        if os.access(own_rte.parent, os.W_OK):
            pytest.skip("root may write everywhere")
        done = CliRunner().invoke(app, ["rerun", str(own_rte), id_of("rte")])
    finally:
        own_rte.parent.chmod(0o755)
    assert done.exit_code == 0, done.output
    assert done.stdout.count("epoch ") == 2


def test_a_best_without_its_weights_is_told(own_rte):
    (own_rte / "best" / "model.safetensors").unlink()
    with pytest.raises(FreeLBTuneError, match=r"no \*\.safetensors, so there is no model"):
        predict_test(own_rte)


def test_a_model_that_lacks_its_head_is_refused(own_rte):
    from safetensors.numpy import load_file, save_file

    path = own_rte / "best" / "model.safetensors"
    weights = {k: v for k, v in load_file(path).items() if not k.startswith("classifier")}
    save_file(weights, path, metadata={"format": "pt"})
    with pytest.raises(FreeLBTuneError, match=r"the weights lack classifier\.bias"):
        predict_test(own_rte)


def test_a_model_with_other_labels_is_refused(own_rte):
    path = own_rte / "best" / "config.json"
    path.write_text(path.read_text().replace('"not_entailment"', '"neutral"'))
    with pytest.raises(FreeLBTuneError, match="labels are entailment, neutral, and task 'rte' has"):
        predict_test(own_rte)


def test_a_damaged_cell_is_told(own_rte):
    (own_rte / "best" / "cell.json").write_text("{")
    with pytest.raises(FreeLBTuneError, match=r"best/cell\.json: cannot be read"):
        predict_test(own_rte)


def test_a_cell_that_trusts_remote_code_runs_none_unasked(own_rte):
    path = own_rte / "best" / "cell.json"
    cell = json.loads(path.read_text())
    cell["settings"]["model.trust_remote_code"] = True
    path.write_text(json.dumps(cell))
    config = json.loads((own_rte / "best" / "config.json").read_text())
    name = "AutoModelForSequenceClassification"
    config |= {"model_type": "odd", "auto_map": {"AutoConfig": "odd.C", name: "odd.M"}}
    (own_rte / "best" / "config.json").write_text(json.dumps(config))
    (own_rte / "best" / "odd.py").write_text(f"open({str(own_rte / 'ran')!r}, 'w')")
    with pytest.raises(FreeLBTuneError, match="the model cannot be loaded"):
        predict_test(own_rte)
    assert not (own_rte / "ran").exists()


def test_the_command_prints_the_files(rte, tmp_path):
    from typer.testing import CliRunner

    from freelb_tune.cli import app

    out = tmp_path / "out"
    done = CliRunner().invoke(app, ["predict", str(rte), "--out", str(out), "--zip"])
    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines() == [str(out / "RTE.tsv"), str(out / "submission.zip")]
    assert "lacks CoLA.tsv" in done.stderr
