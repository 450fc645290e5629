"""One cell trained without Ray: reports, files, and going on after an interruption."""

import json
import os
import platform
import shutil

import numpy as np
import psutil
import pytest
import torch

from freelb_tune.errors import DivergedError, FreeLBTuneError
from freelb_tune.space.cells.cell import Cell
from freelb_tune.training import prepare, run_cell
from freelb_tune.training.cells.memory import process_peak_gib, start_afresh
from freelb_tune.training.inputs.positions import position_room
from freelb_tune.training.inputs.source import ModelSource

TINY = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}


def toy_cell(**changes):
    """A cell of the synthetic task that trains in about a second."""
    settings = {
        "task": "entailment_toy",
        "data.source": "synthetic",
        "data.max_length": 48,
        "data.max_train_examples": 64,
        "data.max_eval_examples": 40,
        "model.name": "config:bert",
        "model.config": {**TINY, "intermediate_size": 32, "max_position_embeddings": 48},
        "trainer.learning_rate": 1e-3,
        "trainer.num_train_epochs": 4,
        "trainer.per_device_train_batch_size": 16,
        "adversary.method": "freelb",
        "adversary.adv_steps": 2,
        "adversary.max_norm": 0.2,
        **changes,
    }
    return Cell("c1", "k1", "k0", "adversarial", 3, settings, "toy", "tiny")


@pytest.fixture
def run(tmp_path):
    """Train a cell in a folder; returns its reports."""

    def go(cell, folder="cell", stop_after=None):
        prepared = prepare([cell], tmp_path / "cache")[cell.id]
        records = []

        def report(record):
            records.append(record)
            if len(records) == stop_after:
                raise InterruptedError

        if stop_after:
            with pytest.raises(InterruptedError):
                run_cell(cell, prepared, tmp_path / folder, report)
        else:
            run_cell(cell, prepared, tmp_path / folder, report)
        return records

    return go


def numbers(records):
    """Everything but times and memory."""
    timed = ("train_seconds", "eval_seconds", "process_gib")
    return [{k: v for k, v in r.to_json().items() if k not in timed} for r in records]


@pytest.mark.parametrize("padding_free", ["auto", False])
def test_an_interrupted_cell_continues_bit_for_bit(run, tmp_path, padding_free):
    dropout = {"hidden_dropout_prob": 0.2}
    cell = toy_cell(**{"run.padding_free": padding_free})
    cell.settings["model.config"] |= dropout
    straight = run(cell, "straight")
    assert [r.epoch for r in straight] == [1, 2, 3, 4]
    run(cell, "broken", stop_after=2)
    continued = run(cell, "broken")
    assert numbers(continued) == numbers(straight)
    for epoch in range(1, 5):
        a, b = (
            np.load(tmp_path / folder / "predictions" / f"epoch_{epoch:04d}.npz")
            for folder in ("straight", "broken")
        )
        np.testing.assert_array_equal(a["dev.logits"], b["dev.logits"])


def test_a_finished_cell_is_reported_again_without_training(run, tmp_path):
    cell = toy_cell(**{"trainer.num_train_epochs": 1})
    first = run(cell)
    shutil.rmtree(tmp_path / "cell" / "model")
    assert run(cell) == first
    assert not (tmp_path / "cell" / "model").exists()  # nothing was trained, so nothing written


def test_a_kill_between_checkpoint_and_line_loses_no_epoch(run, tmp_path):
    cell = toy_cell()
    straight = run(cell, "straight")
    run(cell, "broken", stop_after=2)
    log = tmp_path / "broken" / "epochs.jsonl"
    log.write_text(log.read_text().splitlines(keepends=True)[0])  # line 2 was never written
    continued = run(cell, "broken")
    assert numbers(continued) == numbers(straight)
    assert len(log.read_text().splitlines()) == 4


def test_a_cell_whose_checkpoint_is_gone_starts_over_and_says_the_same(run, tmp_path):
    cell = toy_cell()
    straight = run(cell, "straight")
    run(cell, "broken", stop_after=2)
    shutil.rmtree(tmp_path / "broken" / "checkpoint")
    again = run(cell, "broken")
    assert numbers(again[-2:]) == numbers(straight[-2:])


def test_a_cell_goes_on_under_another_learning_rate_and_adversary(run, tmp_path):
    before = run(toy_cell(**{"adversary.init_mag": 0.3}), stop_after=2)
    changed = {"trainer.learning_rate": 0.0, "adversary.max_norm": 0.05}
    after = run(toy_cell(**{"adversary.init_mag": 0.3, **changed}))
    assert numbers(after[:2]) == numbers(before)
    assert [r.step for r in after] == [4, 8, 12, 16]
    assert after[2].dev_loss == before[1].dev_loss  # its weights, which move no more
    assert after[2].learning_rate == 0
    assert before[1].delta_norm > 0.06 > after[2].delta_norm


def test_a_new_learning_rate_is_the_schedules_peak_from_where_it_stands(run, tmp_path):
    run(toy_cell(), stop_after=2)
    after = run(toy_cell(**{"trainer.learning_rate": 2e-3}))
    straight = run(toy_cell(), "straight")
    assert [r.learning_rate for r in after[2:]] == [2 * r.learning_rate for r in straight[2:]]


def test_what_holds_for_a_whole_training_cannot_change_in_the_middle(run):
    run(toy_cell(), stop_after=2)
    with pytest.raises(FreeLBTuneError, match="train_batch_size was 16 .* is 8 now: .* alone may"):
        run(toy_cell(**{"trainer.per_device_train_batch_size": 8}))


def test_a_part_of_an_epoch_counts_as_one(run):
    records = run(toy_cell(**{"trainer.max_steps": 6}))  # 64 examples in batches of 16: 4 + 2
    assert [(r.epoch, r.step) for r in records] == [(1, 4), (2, 6)]


def test_dropping_the_last_batch_drops_no_example_that_is_evaluated(run, tmp_path):
    more = {"trainer.dataloader_drop_last": True, "trainer.per_device_train_batch_size": 20}
    records = run(toy_cell(**more, **{"trainer.num_train_epochs": 1}))
    assert [(r.epoch, r.step) for r in records] == [(1, 3)]  # 64 examples: 3 batches and 4 left
    found = np.load(tmp_path / "cell" / "predictions" / "epoch_0001.npz")
    assert found["dev.logits"].shape == (40, 2)  # in batches of 32, the last of 8
    assert records[0].micro_batch <= 20
    more["trainer.per_device_train_batch_size"] = 65
    with pytest.raises(FreeLBTuneError, match="64 training examples make no whole batch of 65"):
        run(toy_cell(**more), "none")


def test_a_noise_on_the_embeddings_is_not_lost_on_the_padding_free_path(run):
    losses = {}
    for alpha in (None, 50.0):
        cell = toy_cell(**{"trainer.num_train_epochs": 1, "trainer.neftune_noise_alpha": alpha})
        losses[alpha] = run(cell, f"alpha_{alpha}")[0].train_loss
    assert losses[None] != losses[50.0]


def test_the_best_epochs_model_loads_with_from_pretrained(run, tmp_path):
    from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline

    run(toy_cell())
    folder = tmp_path / "cell" / "model"
    assert not list(folder.glob("*.bin"))
    model = AutoModelForSequenceClassification.from_pretrained(folder)
    words = AutoTokenizer.from_pretrained(folder)("A dog sleeps", "A dog runs", return_tensors="pt")
    assert model(**words).logits.shape == (1, 2)
    assert model.config.id2label == {0: "entailment", 1: "not_entailment"}
    # a text of any length: the tokenizer knows how many tokens the model has positions for
    assert AutoTokenizer.from_pretrained(folder).model_max_length == 48
    classify = pipeline("text-classification", str(folder), truncation=True)
    assert classify("a dog sees " * 700)[0]["label"] in model.config.label2id


def test_the_clean_arm_reports_no_perturbation(run):
    cell = toy_cell(**{"trainer.num_train_epochs": 1})
    for name in [name for name in cell.settings if name.startswith("adversary.")]:
        del cell.settings[name]
    cell.settings["adversary.method"] = "none"
    (record,) = run(cell)
    assert (record.delta_norm, record.delta_ratio, record.bound_share) == (None, None, None)
    assert record.passes == 4


def test_a_learning_rate_that_explodes_is_recorded_as_diverged(run):
    with pytest.raises(DivergedError, match=r"loss is nan|score|loss is inf"):
        run(toy_cell(**{"trainer.learning_rate": 1e30, "trainer.max_grad_norm": 0.0}))


def test_the_seed_alone_decides_the_numbers(run):
    import torch

    cell = toy_cell(**{"trainer.num_train_epochs": 1})
    torch.manual_seed(1)
    first = run(cell, "a")
    torch.manual_seed(2)
    torch.rand(5)
    assert numbers(run(cell, "b")) == numbers(first)


def test_tokens_are_made_once_per_data_and_tokenizer(tmp_path):
    cells = [toy_cell(), toy_cell(**{"trainer.learning_rate": 1e-4})]
    said = []
    made = prepare(cells, tmp_path, said.append)
    assert len(said) == 1
    meta = made["c1"].tokens.folder / "tokens.json"
    before = meta.stat().st_mtime_ns
    prepare(cells, tmp_path)
    assert meta.stat().st_mtime_ns == before
    assert json.loads(meta.read_text())["sizes"] == {"train": 64, "dev": 40}


@pytest.mark.parametrize(
    ("kind", "sizes", "room"),
    [
        ("bert", {"max_position_embeddings": 48}, 48),
        ("roberta", {"max_position_embeddings": 50}, 48),  # positions begin after padding's
        ("camembert", {"max_position_embeddings": 50}, 48),
        ("mpnet", {"max_position_embeddings": 50}, 48),
        ("gpt2", {"n_positions": 48}, 48),
        ("nystromformer", {"max_position_embeddings": 48}, 48),
        ("deberta-v2", {"position_biased_input": False, "relative_attention": True}, None),
        ("xlnet", {}, None),
        ("bert", {"num_attention_heads": 3}, None),  # cannot be built, which is told elsewhere
    ],
)
def test_a_model_says_itself_how_many_tokens_it_takes(kind, sizes, room):
    config = {"model_type": kind, "vocab_size": 40, **TINY, "intermediate_size": 32, **sizes}
    assert position_room(ModelSource(kind, None, config, "")) == room


def test_more_tokens_than_positions_is_an_error(tmp_path):
    with pytest.raises(FreeLBTuneError, match=r"data\.max_length: 64 .* positions for 48"):
        prepare([toy_cell(**{"data.max_length": 64})], tmp_path)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        pytest.param("package:no_such_package/model", "is not installed", id="package"),
        pytest.param("./nowhere", "no folder './nowhere'", id="folder"),
        pytest.param("EMPTY", "no config.json", id="no-config"),
    ],
)
def test_a_model_that_is_not_there_is_told(tmp_path, name, words):
    (tmp_path / "empty").mkdir()
    name = str(tmp_path / "empty") if name == "EMPTY" else name
    with pytest.raises(FreeLBTuneError, match=words):
        prepare([toy_cell(**{"model.name": name})], tmp_path / "cache")


def test_pickled_weights_are_refused(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "pytorch_model.bin").write_bytes(b"")
    with pytest.raises(FreeLBTuneError, match=r"no \.safetensors weights"):
        prepare([toy_cell(**{"model.name": str(tmp_path)})], tmp_path / "cache")


def test_a_trainer_setting_that_transformers_refuses_is_told(run):
    with pytest.raises(FreeLBTuneError, match=r"trainer: .*dataloader_prefetch_factor.*cell c1"):
        run(toy_cell(**{"trainer.dataloader_prefetch_factor": 2}))  # it wants workers too


def test_the_umask_decides_the_mode_of_every_file(run, tmp_path):
    run(toy_cell(**{"trainer.num_train_epochs": 1}))
    (tmp_path / "own").touch()
    wanted = (tmp_path / "own").stat().st_mode
    files = [path for path in (tmp_path / "cell").rglob("*") if path.is_file()]
    assert {path.name: path.stat().st_mode for path in files if path.stat().st_mode != wanted} == {}


@pytest.mark.skipif(not os.access("/proc/self/clear_refs", os.W_OK), reason="not Linux's /proc")
def test_a_cells_peak_of_memory_is_its_own_and_not_the_workers_last_one():
    held = np.ones(50_000_000)  # 0.37 GiB
    before = process_peak_gib()
    del held
    start_afresh()
    assert 0.05 < process_peak_gib() < before - 0.3


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="of glibc's memory")
def test_a_cell_does_not_hold_what_the_one_before_had_freed():
    pieces, kept = [], []
    for _ in range(6000):
        pieces.append(torch.ones(2**13 + len(pieces) % 64))  # 32 KiB: the C library's own
        kept.append(torch.ones(16))  # lies between the pieces, so that none joins the free end
    full = psutil.Process().memory_info().rss
    pieces.clear()
    start_afresh()
    assert psutil.Process().memory_info().rss < full - 100 * 2**20
    assert len(kept) == 6000
