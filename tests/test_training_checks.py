"""What the driver asks of models and trainers: told before anything trains, by `plan` too."""

import json

import pytest
from test_training_cell import TINY, run, toy_cell  # noqa: F401 - a fixture
from trainer_surface import TOGETHER

import freelb_tune as ft
from freelb_tune.errors import FreeLBTuneError
from freelb_tune.space.settings.trainer_fields import refused_field
from freelb_tune.training import prepare
from freelb_tune.training.inputs.model import build_model
from freelb_tune.training.inputs.words import word_tokenizer
from freelb_tune.training.preparing.checks import check_cells

SMALL = {
    "bert": {**TINY, "intermediate_size": 32},
    "gpt2": {"n_embd": 16, "n_layer": 1, "n_head": 2},
    "albert": {**TINY, "intermediate_size": 32, "embedding_size": 8},
    "bart": {"d_model": 16, "encoder_layers": 1, "decoder_layers": 1},
    "ctrl": {"n_embd": 16, "n_layer": 1, "n_head": 2, "dff": 32},
    "ibert": {**TINY, "intermediate_size": 32},
    "fnet": {"hidden_size": 16, "num_hidden_layers": 1, "intermediate_size": 32},
    "mpnet": {**TINY, "intermediate_size": 32},
    "camembert": {**TINY, "intermediate_size": 32},
    "xlm-roberta-xl": {**TINY, "intermediate_size": 32},
}


def cell_of(kind, config=(), **changes):
    own = {"model.name": f"config:{kind}", "model.config": {**SMALL[kind], **dict(config)}}
    return toy_cell(**own, **changes)


@pytest.mark.parametrize(
    ("kind", "config", "room"),
    [
        ("bert", {"max_position_embeddings": 20}, 20),
        ("gpt2", {"n_positions": 20}, 20),
        ("camembert", {"max_position_embeddings": 20, "pad_token_id": 0}, 19),  # one for padding
        ("camembert", {"max_position_embeddings": 20, "pad_token_id": 1}, 18),
        ("mpnet", {"max_position_embeddings": 20, "pad_token_id": 1}, 18),
        ("ibert", {"max_position_embeddings": 20, "pad_token_id": 1}, 18),
        ("ctrl", {"n_positions": 20}, 20),  # a tensor, no embedding
        ("xlm-roberta-xl", {"max_position_embeddings": 20, "pad_token_id": 1}, 18),
    ],
)
def test_more_tokens_than_a_model_has_positions_for_are_refused(kind, config, room):
    check_cells([cell_of(kind, config, **{"data.max_length": room})])
    with pytest.raises(FreeLBTuneError, match=f"has positions for {room}; write at most {room}"):
        check_cells([cell_of(kind, config, **{"data.max_length": room + 1})])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"optim": "sgd", "adam_beta1": 0.8}, "trainer.adam_beta1: optim sgd does not read it"),
        ({"optim": "adafactor", "adam_epsilon": 1e-6}, "adam_epsilon: optim adafactor does not"),
        ({"optim_args": "momentum=0.9"}, "optim_args: momentum: optim adamw_torch does not read"),
        ({"optim": "sgd", "optim_args": "momentm=0.9"}, "optim_args: momentm: optim sgd does not"),
        ({"optim": "sgd", "optim_args": "momentum"}, "expected 'name=value, name=value', got 'mom"),
    ],
)
def test_what_an_optimizer_does_not_read_is_refused_by_name(changes, message):
    with pytest.raises(FreeLBTuneError, match=message):
        check_cells([toy_cell(**{f"trainer.{name}": value for name, value in changes.items()})])


def test_what_an_optimizer_reads_in_some_cell_is_taken():
    check_cells([toy_cell(**{"trainer.adam_beta1": 0.8, "trainer.optim": name})
                 for name in ("sgd", "adamw_torch")])  # fmt: skip
    given = "momentum=0.9, nesterov=true, weight_decay=0.1"
    check_cells([toy_cell(**{"trainer.optim": "sgd", "trainer.optim_args": given})])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"trainer.lr_scheduler_type": "cosine_with_min_lr"}, "One of min_lr or min_lr_rate"),
        ({"trainer.optim": "galore_adamw"}, "trainer: ImportError: You need to install `galore"),
        ({"trainer.use_liger_kernel": True}, "liger-kernel >= 0.3.0 is not available"),
        ({"trainer.optim": "lomo"}, "cannot take optim lomo.*write adamw_torch"),
    ],
)
def test_an_optimizer_a_schedule_or_a_kernel_that_cannot_be_built_is_told(changes, message):
    with pytest.raises(FreeLBTuneError, match=message):
        check_cells([cell_of("bert"), cell_of("bert", **changes)])


@pytest.mark.parametrize("given", TOGETHER, ids=lambda given: next(iter(given)))
def test_what_trains_is_not_refused(given):
    absent = {"bf16", "lr_scheduler_type"} if "reduce_lr_on_plateau" in given.values() else {"bf16"}
    fields = {n: v for n, v in given.items() if refused_field(n) is None and n not in absent}
    assert check_cells([cell_of("bert", **{f"trainer.{n}": v for n, v in fields.items()})]) == []


def test_a_demand_for_the_padding_free_path_is_refused_where_a_model_has_none():
    assert check_cells([cell_of("bert", **{"run.padding_free": True})]) == []
    with pytest.raises(FreeLBTuneError, match="run.padding_free: Albert.* has no padding-free"):
        check_cells([cell_of("albert", **{"run.padding_free": True})])


def test_a_model_with_a_decoder_is_refused_before_its_data_is_read():
    with pytest.raises(FreeLBTuneError, match="model.config: Bart.* has a decoder"):
        check_cells([cell_of("bart")])


def test_the_slow_path_is_said_once_for_a_model():
    cells = [cell_of("fnet", **{"trainer.learning_rate": rate}) for rate in (1e-5, 2e-5)]
    (said,) = check_cells(cells)
    assert said.startswith("config:fnet takes whole batches, which is slower: the trimmed path")


def test_a_plan_looks_at_models_as_a_search_does():
    content = {
        "task": "entailment_toy",
        "model": {"name": "config:gpt2", "config": {**SMALL["gpt2"], "n_positions": 20}},
        "data": {"source": "synthetic", "max_length": 21},
    }
    with pytest.raises(FreeLBTuneError, match="has positions for 20"):
        ft.plan(ft.Space.of(content))
    content["model"] = {"name": "config:fnet", "config": SMALL["fnet"]}
    assert "takes whole batches" in " ".join(ft.plan(ft.Space.of(content)).notes)


@pytest.fixture
def folder(tmp_path):
    """A tiny GPT-2 whose config names no padding, with a tokenizer of the toy task's kind."""
    from transformers import GPT2Config, GPT2ForSequenceClassification, PreTrainedTokenizerFast

    words = ["the", "a", "small", "old", "bird", "dog", "sat", "on", "near", "it", "is", "not"]
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=word_tokenizer(words), unk_token="[UNK]", eos_token="[SEP]"
    )
    tokenizer.save_pretrained(tmp_path / "model")
    config = GPT2Config(vocab_size=len(tokenizer), **SMALL["gpt2"], n_positions=48)
    GPT2ForSequenceClassification(config).save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def on(folder, **changes):
    cell = toy_cell(**{"model.name": str(folder), "trainer.num_train_epochs": 1, **changes})
    cell.settings.pop("model.config")
    return cell


def pads_with(folder, word):
    content = json.loads((folder / "tokenizer_config.json").read_text()) | {"pad_token": word}
    (folder / "tokenizer_config.json").write_text(json.dumps(content))


def test_a_decoder_without_a_padding_id_takes_its_tokenizers(folder, run):  # noqa: F811
    pads_with(folder, "[PAD]")
    cell = on(folder)
    assert run(cell)[-1].epoch == 1
    ready = prepare([cell], folder.parent / "cache")[cell.id]
    assert build_model(ready.model, ready.tokens, 1).config.pad_token_id == ready.tokens.pad_id == 0
    with pytest.raises(FreeLBTuneError, match=r"pads with '\[PAD\]'; take it out"):
        check_cells([on(folder, **{"model.pad_token": "eos"})])


def test_a_tokenizer_without_a_padding_token_is_given_one_by_a_setting(folder, run):  # noqa: F811
    with pytest.raises(FreeLBTuneError, match=r"no padding token; write model: .*pad_token: eos"):
        check_cells([on(folder)])
    with pytest.raises(FreeLBTuneError, match=r"model\.pad_token: .* has no word '<pad>'"):
        check_cells([on(folder, **{"model.pad_token": "<pad>"})])
    cell = on(folder, **{"model.pad_token": "eos"})
    assert run(cell)[-1].epoch == 1
    ready = prepare([cell], folder.parent / "cache")[cell.id]
    model = build_model(ready.model, ready.tokens, 1)
    assert model.config.pad_token_id == ready.tokens.pad_id == 3  # [SEP]


def test_words_that_a_model_has_no_row_for_are_refused(folder):
    from transformers import AutoTokenizer

    pads_with(folder, "[PAD]")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    rows = len(tokenizer)
    tokenizer.add_tokens(["[URL]", "[USER]"])
    tokenizer.save_pretrained(folder)
    with pytest.raises(FreeLBTuneError, match=rf"knows {rows + 2} words, .* for {rows}; load the"):
        check_cells([on(folder)])


def test_quantised_weights_are_refused(folder):
    content = json.loads((folder / "config.json").read_text())
    content["quantization_config"] = {"quant_method": "gptq", "bits": 4}
    (folder / "config.json").write_text(json.dumps(content))
    with pytest.raises(FreeLBTuneError, match=r"are quantised \(gptq\).*name the checkpoint that"):
        check_cells([on(folder)])
