"""A model's own layers on packed tokens: the way there and back, and passes on static memory.

Graphs are recorded on a GPU only: what holds there is tried by `python -m bench.gpu.checks`, which
the last test here runs where there is one.
"""

import gc
import subprocess
import sys
import weakref
from contextlib import nullcontext
from functools import partial

import numpy as np
import pytest
import torch
from conftest import tiny_encoder
from hypothesis import given
from hypothesis import strategies as st
from test_training_surface import arguments
from torch import nn
from transformers import AutoConfig, AutoModelForSequenceClassification

from freelb_tune.adversary import make_adversary
from freelb_tune.errors import FreeLBTuneError
from freelb_tune.space.settings.adversaries import ADVERSARIES
from freelb_tune.training import AdversarialTrainer
from freelb_tune.training.inputs.tokens import REAL_TOKENS, PadCollator
from freelb_tune.training.passes.losses import example_losses
from freelb_tune.training.passes.minibatch import Machinery, PaddedPasses
from freelb_tune.training.passes.unpadded.layout import layout_of, pack, unpack
from freelb_tune.training.passes.unpadded.linear import CastWeights
from freelb_tune.training.passes.unpadded.passes import UnpaddedPasses
from freelb_tune.training.passes.unpadded.recording import Recorder
from freelb_tune.training.passes.unpadded.rounding import step_of, up_to
from freelb_tune.training.passes.unpadded.standing import standing_of
from freelb_tune.training.probing.paths import probe
from freelb_tune.training.probing.tryout import gradients, made_up_batch

LENGTHS = (3, 9, 5, 1, 17)


def model_of(kind="bert"):
    torch.manual_seed(0)
    return tiny_encoder(kind).double().train()


def batch_of(model):
    batch = made_up_batch(model, LENGTHS)
    return batch, batch.pop("labels")


def common(model, labels):
    loss = partial(example_losses, problem="single_label_classification")
    tools = Machinery(nullcontext, torch.Tensor.backward, loss, lambda: model.zero_grad())
    generator = torch.Generator().manual_seed(5)
    return {"items": len(labels), "generator": generator, "tools": tools}


def static_passes(model, recorder, **tools):
    batch, labels = batch_of(model)
    own = common(model, labels)
    own["tools"] = own["tools"]._replace(**tools)
    standing = standing_of(model)
    return UnpaddedPasses(model, batch, labels, recorder=recorder, standing=standing, **own)


@given(st.data())
def test_packing_is_undone_and_its_gradient_is_the_other_way_round(data):
    width, examples = data.draw(st.integers(1, 6)), data.draw(st.integers(1, 5))
    rows = st.lists(st.booleans(), min_size=width, max_size=width)
    mask = torch.tensor(data.draw(st.lists(rows, min_size=examples, max_size=examples))).long()
    tokens = int(mask.sum())
    filled = data.draw(st.integers(max(tokens, 1), mask.numel()))
    layout = layout_of(mask, filled, width)
    x = torch.randn(examples, width, 3, requires_grad=True)
    packed = pack(x, layout)
    assert packed.shape == (1, filled, 3)
    assert torch.equal(packed[0, :tokens], x[mask.bool()])
    back = unpack(packed, layout)
    assert torch.equal(back, x * mask.unsqueeze(2))
    weight = torch.randn_like(back)
    (back * weight).sum().backward()
    assert torch.equal(x.grad, weight * mask.unsqueeze(2))
    ends = mask.sum(1).cumsum(0).tolist()
    assert layout.starts.tolist() == [0, *ends, filled]


@given(st.integers(1, 100_000), st.integers(1, 64))
def test_a_rounded_size_is_enough_and_not_much_more(count, least):
    step = step_of(count, least)
    size = up_to(count, step)
    assert 0 <= size - count < step <= max(least, count / 8)


@pytest.mark.parametrize(
    ("kind", "can"),
    [
        ("bert", True),
        ("distilbert", True),
        ("camembert", True),
        ("gpt2", True),  # causal within each text
        ("albert", False),  # one layer, many times
        ("deberta-v2", False),  # attention of its own
        ("mpnet", False),  # a bias by distance
        ("modernbert", False),  # windows
    ],
)
def test_a_probe_tells_whose_layers_run_on_packed_tokens(kind, can):
    config = AutoConfig.for_model(kind, pad_token_id=0)
    assert probe(AutoModelForSequenceClassification.from_config, config)[0].unpadded == can


@pytest.mark.parametrize("name", list(ADVERSARIES))
def test_every_method_gets_the_padded_gradient_from_static_memory(name):
    model = model_of()
    recorder = Recorder()
    for _ in range(2):  # with memory made, and with memory used again
        passes = static_passes(model, recorder)
        ours = make_adversary(ADVERSARIES[name]())(passes)
        passes.close()
        got = gradients(model)
        wide = {
            n: nn.functional.pad(v, (0, passes.mask.shape[1] - v.shape[1]))
            for n, v in batch_of(model)[0].items()
        }
        labels = batch_of(model)[1]
        padded = PaddedPasses(model, wide, labels, whole=True, **common(model, labels))
        theirs = make_adversary(ADVERSARIES[name]())(padded)
        padded.close()
        want = gradients(model)
        assert torch.allclose(ours.losses, theirs.losses)
        top = max(float(value.abs().max()) for value in want.values())
        assert max(float((got[n] - want[n]).abs().max()) for n in want) < 1e-12 * top


@pytest.mark.parametrize("recorder", [None, Recorder()], ids=["launched", "static"])
def test_the_gradient_is_that_of_the_units_that_were_dropped(recorder):
    torch.manual_seed(0)
    model = tiny_encoder("bert", dropout=0.3).double()
    passes = static_passes(model, recorder)
    start = torch.zeros(*passes.mask.shape, passes.width, dtype=torch.double)
    slope = passes.run(start).slope
    step = 0.01 * slope / slope.norm()  # losses are told in float32
    ahead, back = (passes.run(start + way * step).losses.mean() for way in (1, -1))
    assert float((ahead - back) / 0.02) == pytest.approx(float(slope.norm()), rel=2e-3)


def test_gradients_of_several_mini_batches_add_up_in_static_memory():
    model, recorder = model_of(), Recorder()
    zero = None
    once = []
    for times in (1, 3):
        model.zero_grad()
        for _ in range(times):
            passes = static_passes(model, recorder)
            zero = torch.zeros(*passes.mask.shape, passes.width, dtype=torch.double)
            passes.run(zero)
            passes.close()
        once.append(gradients(model))
    for name, value in once[0].items():
        assert torch.allclose(3 * value, once[1][name], rtol=1e-10)


def test_a_frozen_layer_is_left_alone_by_passes_recorded_before():
    model, recorder = model_of(), Recorder()
    for frozen in (False, True):
        for weight in model.base_model.encoder.parameters():
            weight.requires_grad_(not frozen)
        passes = static_passes(model, recorder)
        passes.run(torch.zeros(*passes.mask.shape, passes.width, dtype=torch.double))
        passes.close()
        given_ = [weight.grad is not None for weight in model.base_model.encoder.parameters()]
        assert any(given_) != frozen
        model.zero_grad()


def test_what_a_recording_takes_for_granted_is_noticed():
    model = model_of()
    before = standing_of(model)
    assert standing_of(model) == before
    changes = []
    model.classifier.weight.requires_grad_(False)
    changes.append(standing_of(model))
    model.base_model.embeddings.dropout.p = 0.3
    changes.append(standing_of(model))
    model.base_model.embeddings.rate = 0.3  # a layer that keeps its rate as a number
    changes.append(standing_of(model))
    model.classifier.weight.data = model.classifier.weight.data.clone()
    changes.append(standing_of(model))
    assert len({before, *changes}) == 5
    handle = model.classifier.register_forward_hook(lambda *_: None)
    assert standing_of(model) is None
    handle.remove()
    assert standing_of(model) == changes[-1]
    model.classifier.forward = model.classifier.forward
    assert standing_of(model) is None
    del model.classifier.forward
    model.gradient_checkpointing_enable()
    assert standing_of(model) is None


def test_no_model_is_given_the_count_of_its_tokens(tmp_path):
    rows = [
        {"input_ids": [5] * n, "attention_mask": [1] * n, "labels": n % 2} for n in (3, 5, 4, 6)
    ]
    collate = PadCollator({"input_ids": 0, "attention_mask": 0}, counted=True)
    assert collate(rows)[REAL_TOKENS] == 18
    trainer = AdversarialTrainer(
        model=tiny_encoder("bert"),
        args=arguments(tmp_path, max_steps=2),
        train_dataset=rows,
        eval_dataset=rows,
        data_collator=collate,
    )
    assert trainer.train().global_step == 2
    assert np.isfinite(trainer.evaluate()["eval_loss"])
    assert trainer.predict(rows).predictions.shape == (4, 2)


@pytest.mark.parametrize("first", [False, True])
def test_a_model_prepared_for_another_precision_is_refused(tmp_path, first):
    rows = [{"input_ids": [5, 6], "attention_mask": [1, 1], "labels": n % 2} for n in range(4)]
    model = tiny_encoder("bert")

    def train(bf16):
        AdversarialTrainer(
            model=model, args=arguments(tmp_path, max_steps=1, bf16=bf16), train_dataset=rows
        ).train()

    train(first)
    train(first)
    with pytest.raises(FreeLBTuneError, match="give each trainer a model of its own"):
        train(not first)


def test_linear_layers_on_cast_weights_make_the_gradient_of_autocast():
    torch.manual_seed(0)
    model = tiny_encoder("bert", dropout=0.0).train()
    start = torch.randn(3, 7, model.config.hidden_size)
    lent = CastWeights(model)
    lent.refresh()
    found = []
    for context in (lent.lent, nullcontext):
        for _ in range(2):  # gradients add up
            words = start.clone().requires_grad_()
            with torch.autocast("cpu", torch.bfloat16), context():
                loss = model(inputs_embeds=words).logits.float().square().sum()
            loss.backward()
        found.append([float(loss.detach()), {**gradients(model), "words": words.grad}])
        model.zero_grad()
    (ours, got), (theirs, want) = found
    assert ours == theirs
    assert got.keys() == want.keys()
    for name, value in want.items():
        assert got[name].dtype == torch.float32
        assert float((got[name] - value).norm()) <= 0.02 * float(value.norm()), name


@pytest.mark.parametrize("kind", ["bert", "electra", "distilbert"])
def test_a_recorder_in_bf16_makes_the_gradient_of_double_precision(kind):
    torch.manual_seed(0)
    model = tiny_encoder(kind, dropout=0.0).train()
    recorder = Recorder(bf16=True)
    adversary = make_adversary(ADVERSARIES["freelb"](adv_lr=0.05, max_norm=0.2))
    for _ in range(2):
        passes = static_passes(
            model, recorder, context=partial(torch.autocast, "cpu", torch.bfloat16)
        )
        ours = adversary(passes)
        passes.close()
        got = gradients(model)
        model.zero_grad()
    exact = model.double()
    passes = static_passes(exact, Recorder())
    theirs = adversary(passes)
    passes.close()
    want = gradients(exact)
    assert torch.allclose(ours.losses.double(), theirs.losses.double(), atol=1e-2)
    both = [torch.cat([found[n].double().flatten() for n in want]) for found in (got, want)]
    assert float(torch.cosine_similarity(*both, dim=0)) > 0.999


def test_a_pass_on_cast_weights_is_forgotten_when_it_is_over():
    model = tiny_encoder("bert").train()
    lent = CastWeights(model)
    lent.refresh()
    words = torch.randn(1, 3, model.config.hidden_size, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16), lent.lent():
        loss = model(inputs_embeds=words).logits.sum()
    loss.backward()
    kept = weakref.ref(words)
    del loss, words
    gc.collect()
    assert kept() is None


@pytest.mark.slow
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_what_must_hold_on_a_gpu():
    done = subprocess.run(
        [sys.executable, "-m", "bench.gpu.checks"], capture_output=True, text=True, timeout=280
    )
    assert done.returncode == 0, done.stdout
