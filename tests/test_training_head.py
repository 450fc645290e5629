"""A checkpoint that comes with a head: whose classes its rows are."""

import json
import re
import shutil

import pytest
from safetensors.torch import load_file
from tasks_fixtures import files
from test_training_cell import toy_cell

from freelb_tune.errors import FreeLBTuneError
from freelb_tune.training import model_fingerprint, prepare, run_cell
from freelb_tune.training.inputs.model import build_model
from freelb_tune.training.preparing.checks import check_cells

NAMES = ("entailment", "not_entailment")  # the toy task's, in its order


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A tiny BERT with its head and tokenizer, saved by a cell."""
    folder, cell = tmp_path_factory.mktemp("trained"), toy_cell(**{"trainer.num_train_epochs": 1})
    run_cell(cell, prepare([cell], folder / "cache")[cell.id], folder / "cell", lambda _: None)
    return folder / "cell" / "model"


def start_of(folder, cache, names, **changes):
    """What a cell starts from on a checkpoint whose head has these classes, and what is said."""
    config = json.loads((folder / "config.json").read_text())
    config["id2label"] = dict(enumerate(names or ("LABEL_0", "LABEL_1")))
    (folder / "config.json").write_text(json.dumps(config | changes))
    cell, told = toy_cell(**{"model.name": str(folder)}), []
    cell.settings.pop("model.config")
    ready = prepare([cell], cache, told.append)[cell.id]
    model = build_model(ready.model, ready.tokens, cell.seed)
    assert [model.config.id2label[i] for i in range(2)] == list(NAMES)
    return model.state_dict(), " ".join(told), model_fingerprint(cell.inputs)


@pytest.fixture
def copied(trained, tmp_path):
    shutil.copytree(trained, tmp_path / "model")
    return tmp_path / "model"


@pytest.mark.parametrize(
    ("names", "rows", "said"),
    [
        (NAMES, [0, 1], "the head of .* is kept$"),
        (NAMES[::-1], [1, 0], "its rows put from the order not_entailment, entailment into the da"),
        (("NOT_ENTAILMENT", "ENTAILMENT"), [1, 0], "its rows put from the order NOT_ENTAILMENT, E"),
        ((), None, r"\(LABEL_0, LABEL_1\) are not the data's \(entail.*: a new head is drawn"),
        (("yes", "no"), None, r"\(yes, no\) are not the data's .*: a new head is drawn"),
        (("entailment", "Entailment"), None, r"are not the data's .*: a new head is drawn"),
    ],
)
def test_rows_of_a_head_go_by_the_names_of_its_classes(copied, tmp_path, names, rows, said):
    before = load_file(copied / "model.safetensors")
    state, told, _ = start_of(copied, tmp_path / "cache", names)
    for name in ("classifier.weight", "classifier.bias"):
        if rows is not None:
            assert state[name].equal(before[name][rows]), name
        else:  # neither as it was nor in another order; a bias begins at zero
            assert not any(state[name].equal(before[name][order]) for order in ([0, 1], [1, 0]))
    key = "bert.encoder.layer.0.output.dense.weight"
    assert state[key].equal(before[key])
    assert re.search(said, told), told


def test_only_a_head_that_is_not_as_loaded_gives_a_cell_another_name(copied, tmp_path):
    def weights(names, **changes):
        return start_of(copied, tmp_path / "cache", names, **changes)[2].partition("+")[2]

    assert weights(NAMES) == ""
    assert weights(NAMES[::-1]) == "named-head"
    assert weights(()) == "named-head"
    assert weights((), architectures=["BertModel"]) == ""


def test_a_head_of_another_size_is_drawn_anew_and_said(copied, tmp_path):
    rows = [(f"text {i}", f"class {i % 3}") for i in range(12)]
    (tmp_path / "a.csv").write_text("\n".join(["text,label", *map(",".join, rows)]), "utf-8")
    own = files("classification", tmp_path, "a.csv", "a.csv", text="text", max_length=8)
    cell = toy_cell(**{"model.name": str(copied), **own})
    cell.settings.pop("model.config")
    told = []
    ready = prepare([cell], tmp_path / "cache", told.append)[cell.id]
    assert build_model(ready.model, ready.tokens, 1).classifier.weight.shape == (3, 16)
    assert told[-1].endswith("has a head for 2 classes, and the data has 3: a new head is drawn")
    assert "+" not in model_fingerprint(cell.inputs)


@pytest.mark.parametrize(
    ("own", "task", "refused"),
    [
        ({"problem_type": "regression", "id2label": {"0": "x"}}, "entailment_toy", None),
        ({"problem_type": "multi_label_classification"}, "entailment_toy", None),
        ({"problem_type": "multi-label"}, "entailment_toy", None),  # transformers has no such type
        ({"problem_type": "single_label_classification"}, "regression", "this is a regression"),
    ],
)
def test_the_task_and_not_the_checkpoint_says_whether_labels_are_smoothed(
    copied, own, task, refused
):
    config = json.loads((copied / "config.json").read_text())
    (copied / "config.json").write_text(json.dumps(config | own))
    smoothed = {"trainer.label_smoothing_factor": 0.1, "model.name": str(copied), "task": task}
    cell = toy_cell(**smoothed)
    cell.settings.pop("model.config")
    if refused is None:
        assert check_cells([cell]) == []
        return
    with pytest.raises(FreeLBTuneError, match=f"label_smoothing_factor .* {refused}: take it out"):
        check_cells([cell])
