"""Models that no classifier can be made of: told by the driver, before anything is trained."""

import json
import shutil

import pytest
from test_training_cell import TINY, run, toy_cell  # noqa: F401 - a fixture

from freelb_tune.errors import FreeLBTuneError
from freelb_tune.training import prepare
from freelb_tune.training.inputs.model import build_model


@pytest.mark.parametrize(
    ("name", "config", "message"),
    [
        ("config:bertt", TINY, r"config:bertt: unknown name 'bertt'; did you mean 'bert'\?"),
        ("config:clip", {"projection_dim": 4}, "no sequence classifier of type 'clip'; such as"),
        (
            "config:bert",
            {"hiden_size": 16},
            "unknown name 'hiden_size'; did you mean 'hidden_size'",
        ),
        (
            "config:bert",
            {**TINY, "num_labels": 7},
            "num_labels: is settled by the task; take it out",
        ),
        ("config:bert", {**TINY, "hidden_size": "big"}, "'hidden_size' expected int, got str"),
        ("config:bert", {**TINY, "hidden_size": -4}, "hidden_size: expected at least 1, got -4"),
        ("config:bert", {**TINY, "hidden_size": 17}, "hidden_size: 17 is no multiple of num_att"),
        ("config:bert", {**TINY, "num_attention_heads": 0}, "heads: expected at least 1, got 0"),
        ("config:bert", {**TINY, "vocab_size": 3}, "vocab_size: 3 is too few for the .* words"),
    ],
)
def test_a_config_that_no_classifier_has_is_refused(tmp_path, name, config, message):
    cell = toy_cell(**{"model.name": name, "model.config": config})
    with pytest.raises(FreeLBTuneError, match=message) as caught:
        prepare([cell], tmp_path / "cache")
    assert len(str(caught.value)) < 1000


def test_what_only_building_shows_is_told_in_words(tmp_path):
    cell = toy_cell()
    cell.settings["model.config"] = {**TINY, "hidden_act": "gelo"}
    with pytest.raises(FreeLBTuneError, match="model.config: KeyError: 'gelo'"):
        prepare([cell], tmp_path / "cache")


@pytest.fixture
def folder(run, tmp_path):  # noqa: F811 - the fixture above
    """A tiny BERT with a tokenizer, saved by a cell."""
    run(toy_cell(**{"trainer.num_train_epochs": 1}), "first")
    return shutil.copytree(tmp_path / "first" / "model", tmp_path / "spoilt")


def prepared(folder, cache):
    cell = toy_cell(**{"model.name": str(folder)})
    cell.settings.pop("model.config")
    return prepare([cell], cache)[cell.id]


def change(folder, **fields):
    config = json.loads((folder / "config.json").read_text()) | fields
    (folder / "config.json").write_text(json.dumps(config))


def cut(path):
    path.write_bytes(path.read_bytes()[:3000])


SPOILT = [
    (lambda f: (f / "config.json").unlink(), "has no config.json; a model folder is what"),
    (lambda f: (f / "config.json").write_text("{"), r"config\.json cannot be read: Expecting"),
    (lambda f: (f / "config.json").write_text("[]"), r"config\.json: expected one JSON mapping"),
    (lambda f: change(f, model_type="nope"), r"config\.json: unknown name 'nope'"),
    (lambda f: change(f, model_type="clip"), "no sequence classifier of type 'clip'"),
    (lambda f: change(f, model_type=None), r"config\.json: no model_type"),
    (lambda f: (f / "model.safetensors").unlink(), r"has no \.safetensors weights"),
    (
        lambda f: (f / "model.safetensors").write_bytes(b""),
        r"model\.safetensors: the weights cannot",
    ),
    (lambda f: cut(f / "model.safetensors"), r"model\.safetensors: the weights cannot be read"),
    (lambda f: (f / "tokenizer.json").unlink(), "tokenizer .*a model folder has its tokenizer's"),
    (lambda f: (f / "tokenizer.json").write_text("{"), "no tokenizer can be made from"),
    (lambda f: [p.unlink() for p in f.glob("tokenizer*")], "knows no word; a model folder has its"),
]


@pytest.mark.parametrize(("spoil", "message"), SPOILT)
def test_a_damaged_model_folder_is_told(folder, tmp_path, spoil, message):
    spoil(folder)
    with pytest.raises(FreeLBTuneError, match=message):
        prepared(folder, tmp_path / "cache")


def test_tokenised_data_that_cannot_be_kept_is_told(tmp_path):
    (tmp_path / "cache").write_text("a file in the way")
    with pytest.raises(FreeLBTuneError, match="cache: cannot keep tokenised data here: "):
        prepare([toy_cell()], tmp_path / "cache")


def test_weights_of_another_model_are_refused_and_a_missing_head_is_not(folder, tmp_path):
    from safetensors.numpy import load_file, save_file

    path = folder / "model.safetensors"
    weights = load_file(path)
    kept = {name: value for name, value in weights.items() if not name.startswith("classifier")}
    assert kept.keys() != weights.keys()
    save_file(kept, path, metadata={"format": "pt"})
    ready = prepared(folder, tmp_path / "cache")
    build_model(ready.model, ready.tokens, seed=1)
    other = shutil.copytree(folder, tmp_path / "other")
    renamed = {name.replace("bert.", "gpt."): value for name, value in kept.items()}
    save_file(renamed, other / "model.safetensors", metadata={"format": "pt"})
    ready = prepared(other, tmp_path / "cache")
    with pytest.raises(FreeLBTuneError, match="so most of the model would be random"):
        build_model(ready.model, ready.tokens, seed=1)
