"""The probe: each model takes the fastest path that gives `Trainer`'s numbers, or is refused."""

from functools import partial

import numpy as np
import pytest
import torch
from batches import padded_batch
from conftest import tiny_encoder
from test_training_exact import step
from test_training_surface import STANDING, arguments
from transformers import AutoConfig, AutoModelForSequenceClassification, Trainer

from freelb_tune.errors import FreeLBTuneError
from freelb_tune.space.settings.adversaries import FreeLBSettings
from freelb_tune.training import AdversarialTrainer
from freelb_tune.training.probing.paths import Unseen, paths_of, probe
from freelb_tune.training.probing.small_models import SMALL, small_models

BUILD = partial(AutoModelForSequenceClassification.from_config, dtype=torch.float32)


def config_of(kind, **sizes):
    config = AutoConfig.for_model(kind, **sizes)
    if getattr(config, "pad_token_id", 0) is None:
        config.pad_token_id = 0
    return config


@pytest.mark.parametrize("kind", ["bert", "roberta", "electra"])
def test_an_encoder_of_the_padding_free_families_takes_that_path(kind):
    paths, _ = probe(BUILD, config_of(kind))
    assert (paths.padding_free, paths.trimmed, paths.why) == (True, True, "")


@pytest.mark.parametrize(
    "kind", ["albert", "distilbert", "deberta-v2", "modernbert", "gpt2", "gemma"]
)
def test_a_model_that_does_not_read_padding_has_its_batches_cut(kind):
    paths, _ = probe(BUILD, config_of(kind))
    assert (paths.padding_free, paths.trimmed) == (False, True)


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        ("fnet", "gives other numbers"),  # mixes all positions by a Fourier transform
        ("yoso", "gives other numbers"),  # hashes with numbers drawn for the whole batch
        ("convbert", "gives other numbers"),  # its convolutions read across the last real token
        ("nystromformer", "gives other numbers"),
        ("xlnet", "without looking up the batch's tokens"),  # transposes them first
        ("longformer", "fails"),  # pads them first
        ("ibert", "fails"),  # its embeddings are a tuple
        ("big_bird", "puts other layers in"),
    ],
)
def test_a_model_that_reads_padding_or_wraps_its_embeddings_gets_whole_batches(kind, why):
    paths, _ = probe(BUILD, config_of(kind))
    assert not paths.padding_free
    assert not paths.trimmed
    assert why in paths.why


class Rows(torch.utils.data.Dataset):
    """Examples of different lengths, padded with 0 to the longest of a batch by `pad`."""

    def __init__(self):
        batch = padded_batch()
        self.rows = [
            {"input_ids": ids[mask == 1], "attention_mask": mask[mask == 1], "labels": label}
            for ids, mask, label in zip(*batch.values(), strict=True)
        ]

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, i):
        return self.rows[i]


def pad(rows):
    sides = {name: [row[name] for row in rows] for name in rows[0]}
    labels = torch.stack(sides.pop("labels"))
    pad_sequence = partial(torch.nn.utils.rnn.pad_sequence, batch_first=True)
    return {name: pad_sequence(values) for name, values in sides.items()} | {"labels": labels}


def small(kind):
    sizes = {"hidden_size": 32, "num_hidden_layers": 1, "intermediate_size": 64, "vocab_size": 60}
    still = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    torch.manual_seed(0)
    return BUILD(config_of(kind, **sizes, **still, num_attention_heads=2, pad_token_id=0)).double()


@pytest.mark.parametrize("kind", ["fnet", "yoso", "convbert"])
def test_a_model_that_reads_padding_is_trained_as_trainer_trains_it(tmp_path, kind, caplog):
    runs = []
    for trainer in (Trainer, partial(AdversarialTrainer, adversary=STANDING)):
        model = small(kind)
        args = arguments(tmp_path, optim="sgd", learning_rate=0.1)
        torch.manual_seed(5)
        trainer(model=model, args=args, train_dataset=Rows(), data_collator=pad).train()
        runs.append(model.state_dict())
    for name, value in runs[0].items():
        torch.testing.assert_close(runs[1][name], value, rtol=1e-8, atol=1e-8, msg=name)
    assert "takes whole batches, which is slower: the trimmed path gives other" in caplog.text


def test_padding_is_not_perturbed_in_a_model_that_takes_no_mask():
    batch = padded_batch()
    mask = batch.pop("attention_mask")
    settings = FreeLBSettings(adv_steps=2, adv_lr=0.1, init_mag=0.3)
    _, seen = step(small("fnet").float(), batch, settings)
    assert all(torch.equal(delta.ne(0).any(-1), mask == 1) for delta in seen)


def test_a_model_with_a_decoder_is_refused():
    with pytest.raises(FreeLBTuneError, match="BartForSequenceClassification has a decoder"):
        probe(BUILD, config_of("bart"))


def test_a_model_that_learns_nothing_of_its_words_is_refused():
    class Deaf(type(tiny_encoder("bert"))):
        def forward(self, input_ids=None, attention_mask=None, labels=None):
            output = super().forward(input_ids, attention_mask)
            output.logits = output.logits.detach() * 0 + self.classifier.bias
            return output

    with pytest.raises(FreeLBTuneError, match="Deaf learns nothing of a perturbation"):
        probe(Deaf, tiny_encoder("bert").config)


def test_what_fails_on_tokens_alone_is_not_seen_and_takes_whole_batches():
    class Wants(type(tiny_encoder("bert"))):
        def forward(self, input_ids=None, attention_mask=None, labels=None, *, more):
            return super().forward(input_ids, attention_mask)

    with pytest.raises(Unseen, match="missing 1 required keyword-only argument: 'more'"):
        probe(Wants, tiny_encoder("bert").config)
    assert not paths_of(Wants(tiny_encoder("bert").config)).trimmed


def test_a_model_with_a_layer_of_the_users_own_is_looked_at_itself():
    class Mean(torch.nn.Module):
        """Subtracts each example's mean over all positions, those of padding too."""

        def forward(self, hidden):
            return hidden - hidden.mean(1, keepdim=True)

    model = tiny_encoder("bert")
    assert paths_of(model).trimmed
    model.bert.embeddings.LayerNorm = Mean()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    assert not paths_of(model).trimmed
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_looking_moves_no_generator_and_no_weight():
    model = tiny_encoder("bert", vocab_size=61)  # a config that nobody has looked at yet
    before = {name: value.clone() for name, value in model.state_dict().items()}
    drawn = []
    for look in (lambda: None, lambda: paths_of(model), lambda: probe(BUILD, model.config)):
        torch.manual_seed(3)
        np.random.seed(3)  # noqa: NPY002 - the one that a user's code may draw from
        look()
        drawn.append((torch.rand(3).tolist(), np.random.rand(3).tolist()))  # noqa: NPY002
    assert drawn[1:] == drawn[:1] * 2
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_a_large_config_is_looked_at_small():
    config = config_of("roberta", hidden_size=1024, num_hidden_layers=24, num_attention_heads=16,
                       intermediate_size=4096, vocab_size=50265)  # fmt: skip
    models = [model for model, _ in small_models(BUILD, config)]
    sizes = [sum(p.numel() for p in model.parameters()) for model in models]
    assert sizes[0] < 100_000
    assert max(sizes) <= SMALL
