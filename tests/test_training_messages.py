"""What is said of a model, a batch or a file that adversaries cannot work on: which, and why."""

import logging
import sys
from types import SimpleNamespace

import pytest
import torch
from batches import padded_batch
from conftest import tiny_encoder
from torch import nn

from freelb_tune.adversary.delta import init_delta
from freelb_tune.adversary.passes import PassResult
from freelb_tune.errors import DiskError, FreeLBTuneError
from freelb_tune.search.ray_tune.machines.preflight import _look
from freelb_tune.search.ray_tune.workers import reports
from freelb_tune.search.ray_tune.workers.default_work import default_work
from freelb_tune.space.settings.adversaries import FreeLBSettings
from freelb_tune.space.settings.sections import DataFields, Inputs, ModelFields
from freelb_tune.store import EpochRecord, TextLengths
from freelb_tune.training.inputs.adapter import adapt
from freelb_tune.training.inputs.model_config import short
from freelb_tune.training.inputs.source import ModelSource, model_fingerprint
from freelb_tune.training.inputs.tokens import Tokens
from freelb_tune.training.passes.lookup import input_embeddings, states_seen
from freelb_tune.training.passes.packing import packed_encoder
from freelb_tune.training.passes.plain import PlainPasses
from freelb_tune.training.predicting.texts import predict_texts
from freelb_tune.training.preparing.preparation import Prepared

CPU = torch.device("cpu")


class Bag(nn.Module):
    """A classifier with whatever it is given for input embeddings, and no encoder by itself."""

    def __init__(self, words: object) -> None:
        super().__init__()
        self.words = words

    def get_input_embeddings(self):
        return self.words


@pytest.mark.parametrize(
    "model",
    [pytest.param(nn.Linear(2, 2), id="none"), pytest.param(Bag(None), id="nothing"),
     pytest.param(Bag("a text"), id="no-module")],
)  # fmt: skip
def test_a_model_without_input_embeddings_is_named(model):
    said = f"{type(model).__name__} has no input embeddings to perturb; adversaries need a class"
    with pytest.raises(FreeLBTuneError, match=said):
        input_embeddings(model)


def test_embeddings_without_a_matrix_are_named():
    said = "Bag has Identity for its input embeddings, which has no weight"
    with pytest.raises(FreeLBTuneError, match=said):
        PlainPasses(Bag(nn.Identity()), {}, torch.zeros(1))


def test_a_method_that_reads_states_needs_an_encoder():
    with (
        pytest.raises(FreeLBTuneError, match="Bag has no encoder whose states could be read"),
        states_seen(Bag(nn.Embedding(3, 2)), wanted=True),
    ):
        pass


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda batch: batch.update(attention_mask=batch["attention_mask"][:, :2]),
         "no attention_mask with one entry per token"),
        (lambda batch: batch.update(attention_mask=batch["attention_mask"].flip(1)),
         r"examples that start with padding \(the tokenizer's padding_side is left\)"),
        (lambda batch: batch.update(extra=batch["input_ids"]),
         "extra, which the padding-free path does not read"),
    ],
)  # fmt: skip
def test_a_batch_that_the_padding_free_path_does_not_read_is_told_where_it_is_asked_for(
    change, said
):
    model, batch = tiny_encoder("bert").eval(), padded_batch()
    batch.pop("labels")
    assert packed_encoder(model, CPU, True, batch) is not None
    change(batch)
    with pytest.raises(FreeLBTuneError, match=f"run.padding_free: the batch holds {said}"):
        packed_encoder(model, CPU, True, batch)
    assert packed_encoder(model, CPU, None, batch) is None  # chosen: the general path takes it


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("package:a b/c", "'package:a b/c' names no package; write package:NAME/FOLDER"),
        ("package:freelb_tune/nowhere", "the package 'freelb_tune' has no folder 'nowhere'"),
        ("package:no_such_package/x", "'package:no_such_package/x' is not installed; pip install"),
        ("./no/such", "there is no folder './no/such'"),
    ],
)
def test_a_model_that_is_nowhere_says_how_to_write_it(name, said):
    with pytest.raises(FreeLBTuneError, match=said):
        model_fingerprint(Inputs("rte", DataFields(), ModelFields(name=name)))


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        ([], r"got 0 of \[\] parts"),
        ([("a", "b", "c")], r"got 1 of \[3\] parts"),
        (["a", ("b", "c")], r"got 2 of \[1, 2\] parts"),
    ],
)
def test_texts_that_are_no_texts_or_pairs_are_refused_before_the_model_is_read(
    tmp_path, texts, said
):
    with pytest.raises(FreeLBTuneError, match=f"expected texts, or pairs of texts, {said}"):
        predict_texts(tmp_path, SimpleNamespace(), texts)


def test_a_gradient_that_was_not_asked_for_is_not_taken_for_none():
    result = PassResult(torch.zeros(2), (torch.zeros(2, 2),), (None,))
    with pytest.raises(ValueError, match="had no perturbation, or was run with ascend=False"):
        _ = result.slope
    with pytest.raises(ValueError, match=r"mask must be \(B, T\), got \(3,\)"):
        init_delta(torch.ones(3), 4, FreeLBSettings(), torch.Generator())


def test_an_adapter_of_a_model_that_peft_does_not_know_says_what_it_may_name(monkeypatch):
    pytest.importorskip("peft")
    model = tiny_encoder("bert")
    monkeypatch.setattr(type(model.config), "model_type", "own")
    said = "peft knows no layers of BertForSequenceClassification by itself; there are dense, key"
    with pytest.raises(FreeLBTuneError, match=f"adapter.target_modules: {said}"):
        adapt(model, {"type": "lora", "r": 2})


def test_what_a_library_says_at_length_is_cut():
    assert short(ValueError("a  word\nor two")) == "a word or two"
    assert short(OSError()) == "OSError: nothing said"
    long = short(KeyError("x" * 1000))
    assert long.startswith("KeyError: 'xxx")
    assert long.endswith("x ...")
    assert len(long) == 244


def test_each_epoch_leaves_a_line_in_the_workers_log(monkeypatch, capsys):
    log = logging.getLogger("freelb_tune.trial.test")
    monkeypatch.setattr(reports, "_log", log)
    monkeypatch.setattr(sys, "stderr", sys.stderr)
    known = {name: 0.0 for name in ("train_loss", "train_seconds", "eval_seconds")}
    record = SimpleNamespace(
        epoch=2, metrics={"accuracy": 0.75, "mcc": 0.5}, dev_loss=0.51234, **known
    )
    for _ in range(2):  # a worker trains one cell after another, and has one handler
        reports.log_epoch("adv_lr=0.05,seed=1_ab12", record, epochs=3)
    first, second = capsys.readouterr().err.splitlines()
    said = "adv_lr=0.05,seed=1_ab12: epoch 2 of 3: accuracy 0.7500, mcc 0.5000, dev loss 0.5123"
    assert said in first
    assert said in second
    assert first[:4].isdigit()  # its time stands before it
    assert {"dev_loss", "train_loss", "metrics"} <= set(EpochRecord.__dataclass_fields__)


def test_a_machine_that_reads_another_results_folder_says_so(tmp_path):
    marker = tmp_path / "marker"
    marker.write_text("ours")
    version = _look(str(marker), "ours")
    assert (tmp_path / "marker.back").read_text() == "ours"
    assert " " not in version
    marker.write_text("theirs")
    assert _look(str(marker), "ours").startswith(f"{version} it reads another file there on ")
    marker.unlink()
    assert _look(str(marker), "ours") == f"{version} No such file or directory: {marker}"


def test_a_model_that_another_machine_lacks_is_named_with_the_machine(tmp_path):
    source = ModelSource("mine", tmp_path / "gone", None, "files:0")
    tokens = Tokens(tmp_path, None, "regression", {}, 0, 0, TextLengths(8, {}))
    ready = Prepared(tokens, source, 1)
    with pytest.raises(DiskError, match=f"machine .* has no folder {tmp_path}/gone; have it on"):
        default_work().carry(ready, lambda folder: folder)
    (tmp_path / "gone").mkdir()
    moved = default_work().carry(ready, lambda folder: folder / "here")
    assert (moved.tokens.folder, moved.model) == (tmp_path / "here", source)
