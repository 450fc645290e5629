"""`model.config` over a model that has weights: what it changes, and what it may not."""

import pytest
from test_training_cell import run, toy_cell  # noqa: F401 - a fixture

from freelb_tune.errors import FreeLBTuneError
from freelb_tune.training import prepare, run_cell
from freelb_tune.training.inputs.model import build_model
from freelb_tune.training.inputs.source import find_model, read_config
from freelb_tune.training.inputs.tokenizer import load_tokenizer


@pytest.fixture
def folder(run, tmp_path):  # noqa: F811 - the fixture above
    """A tiny BERT with a tokenizer, saved by a cell."""
    run(toy_cell(**{"trainer.num_train_epochs": 1}), "first")
    return tmp_path / "first" / "model"


def cell_on(folder, **config):
    cell = toy_cell(**{"model.name": str(folder), "trainer.num_train_epochs": 1})
    cell.settings["model.config"] = config
    return cell


def test_fields_are_laid_over_the_folders_config_and_the_weights_stay(folder, tmp_path):
    plain, other = cell_on(folder), cell_on(folder, hidden_dropout_prob=0.45)
    models = []
    for cell in (plain, other):
        ready = prepare([cell], tmp_path / "cache")[cell.id]
        models.append(build_model(ready.model, ready.tokens, cell.seed))
    assert [m.config.hidden_dropout_prob for m in models] == [0.1, 0.45]
    layers = [m.bert.encoder.layer[0].output.dropout.p for m in models]
    assert layers == [0.1, 0.45]
    for (name, a), b in zip(models[0].state_dict().items(), models[1].state_dict().values(),
                            strict=True):  # fmt: skip
        assert a.equal(b), name
    assert read_config(find_model(other.model))["hidden_dropout_prob"] == 0.45


def test_a_cell_trains_under_the_changed_config_and_keeps_it(folder, tmp_path):
    from transformers import AutoConfig

    records = []
    for dropout in (0.0, 0.5):
        cell = cell_on(folder, hidden_dropout_prob=dropout)
        ready = prepare([cell], tmp_path / "cache")[cell.id]
        run_cell(cell, ready, tmp_path / f"at_{dropout}", records.append)
        kept = AutoConfig.from_pretrained(tmp_path / f"at_{dropout}" / "model")
        assert kept.hidden_dropout_prob == dropout
    assert records[0].train_loss != records[1].train_loss


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"hidden_dropout": 0.1}, "did you mean 'hidden_dropout_prob'"),
        ({"hidden_size": 32}, "would change the shape of weights"),
        ({"num_hidden_layers": 2}, "would change the shape of weights"),
        ({"num_labels": 5}, "num_labels: is settled by the task"),
        ({"hidden_dropout_prob": 1.5}, "model.config: .*1.5"),
    ],
)
def test_a_field_that_pretrained_weights_cannot_have_is_refused(folder, tmp_path, config, message):
    with pytest.raises(FreeLBTuneError, match=message):
        prepare([cell_on(folder, **config)], tmp_path / "cache")


def test_a_tokenizer_that_is_a_sentencepiece_file_alone_is_read(tmp_path):
    # DeBERTa-v3's layout on the Hub: spm.model, no tokenizer.json
    import sentencepiece
    from transformers import DebertaV2Config

    words = ["the", "film", "was", "nice", "bad"]
    text = [" ".join(words[i % 5] for i in range(start, start + 6)) for start in range(40)]
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(text),
        model_prefix=str(tmp_path / "spm"),
        vocab_size=40,
        hard_vocab_limit=False,
        pad_id=0,
        bos_id=1,
        eos_id=2,
        unk_id=3,
        pad_piece="[PAD]",
        bos_piece="[CLS]",
        eos_piece="[SEP]",
        unk_piece="[UNK]",
        minloglevel=2,
    )
    DebertaV2Config(vocab_size=44).save_pretrained(tmp_path)
    (tmp_path / "tokenizer_config.json").write_text('{"do_lower_case": false}')
    tokenizer = load_tokenizer(tmp_path, trust_remote_code=False)
    ids = tokenizer("the film was nice")["input_ids"]
    assert (ids[0], ids[-1]) == (tokenizer.cls_token_id, tokenizer.sep_token_id)
    assert tokenizer.decode(ids, skip_special_tokens=True) == "the film was nice"
