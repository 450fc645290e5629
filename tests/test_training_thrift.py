"""Cheap dropout drops as much as torch's, and leaves the model as it was."""

import pytest
import torch
from batches import pad_id_of, padded_batch
from conftest import ENCODERS, tiny_encoder
from torch import nn

from freelb_tune.training.thrift import thrifty_dropout


@pytest.mark.parametrize("p", [0.1, 0.3])
def test_a_share_p_is_dropped_and_the_mean_is_kept(p):
    layer, ones = nn.Sequential(nn.Dropout(p)).train(), torch.ones(400, 500)
    torch.manual_seed(0)
    with thrifty_dropout(layer):
        out = layer(ones)
    # 200,000 draws: the share's standard error is below 0.001
    assert (out == 0).float().mean().item() == pytest.approx(p, abs=0.005)
    assert out.mean().item() == pytest.approx(1.0, abs=0.01)
    assert len(out.unique()) == 2


@pytest.mark.parametrize("kind", ENCODERS)
def test_the_model_is_the_same_afterwards(kind):
    model = tiny_encoder(kind, dropout=0.3)
    batch = padded_batch(pad_id=pad_id_of(kind))
    torch.manual_seed(1)
    before = model(**batch).loss
    with thrifty_dropout(model):
        torch.manual_seed(1)
        inside = model(**batch).loss
    torch.manual_seed(1)
    assert torch.equal(model(**batch).loss, before)
    assert not torch.equal(inside, before)  # other masks


@pytest.mark.parametrize("kind", ["bert", "roberta", "albert", "distilbert", "electra"])
def test_attention_without_dropout_is_transformers_own(kind):
    # only the hidden layers drop, with a rate too small to drop anything: the switch alone is seen
    model = tiny_encoder(kind)
    for layer in model.modules():
        if type(layer) is nn.Dropout:
            layer.p = 1e-9
    batch = padded_batch(pad_id=pad_id_of(kind))
    plain = model(**batch).logits
    with thrifty_dropout(model):
        torch.testing.assert_close(model(**batch).logits, plain, rtol=1e-5, atol=1e-6)


def test_evaluation_mode_drops_nothing():
    layer = nn.Sequential(nn.Dropout(0.5)).eval()
    with thrifty_dropout(layer):
        assert torch.equal(layer(torch.ones(3)), torch.ones(3))
