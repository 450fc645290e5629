"""A model's layers by cheaper means compute the same, and nothing stays behind."""

import contextlib

import pytest
import torch
from batches import pad_id_of, padded_batch
from conftest import ENCODERS, tiny_encoder
from torch import nn
from torch.nn.functional import cross_entropy, dropout, linear

from freelb_tune.training.passes.dropout import KeptMasks
from freelb_tune.training.passes.linear import linear_on_live_rows
from freelb_tune.training.passes.minibatch import Machinery, PaddedPasses
from freelb_tune.training.passes.thrift import Thrift


def masks(seed=0):
    return KeptMasks(torch.Generator().manual_seed(seed))


def open_passes(model, batch, context=contextlib.nullcontext, whole=False):
    inputs = {name: value for name, value in batch.items() if name != "labels"}
    return PaddedPasses(
        model,
        inputs,
        batch["labels"],
        items=len(batch["labels"]),
        generator=torch.Generator(),
        tools=Machinery(
            context,
            lambda loss: loss.backward(),
            lambda logits, labels: cross_entropy(logits.double(), labels, reduction="none"),
            lambda: None,
        ),
        largest=None if whole else 2,
        whole=whole,
    )


# --- dropout


@pytest.mark.parametrize("p", [0.1, 0.3])
def test_a_share_p_is_dropped_and_the_mean_is_kept(p):
    layer, ones = nn.Sequential(nn.Dropout(p)).train(), torch.ones(400, 500)
    with Thrift(layer).lent(masks(), True):
        out = layer(ones)
    # 200,000 draws: the share's standard error is below 0.001
    assert (out == 0).float().mean().item() == pytest.approx(p, abs=0.005)
    assert out.mean().item() == pytest.approx(1.0, abs=0.01)
    assert len(out.unique()) == 2


def test_masks_are_drawn_once_for_all_passes():
    layer = nn.Sequential(nn.Dropout(0.5), nn.Dropout(0.5)).train()
    thrift, own, ones = Thrift(layer), masks(), torch.ones(50, 8)
    outs = []
    for _ in range(3):
        with thrift.lent(own, True):
            outs.append(layer(ones))
    assert torch.equal(outs[0], outs[1])
    assert torch.equal(outs[0], outs[2])
    assert not torch.equal(outs[0] == 0, layer[0](ones) == 0)
    drawn_twice = torch.Generator().manual_seed(0)
    for _ in range(2):
        KeptMasks(drawn_twice).next((50, 8), 0.5, ones)
    assert torch.equal(own._generator.get_state(), drawn_twice.get_state())


def test_evaluation_mode_drops_nothing():
    layer = nn.Sequential(nn.Dropout(0.5)).eval()
    with Thrift(layer).lent(masks(), True):
        assert torch.equal(layer(torch.ones(3)), torch.ones(3))


def test_what_a_model_drops_itself_is_the_same_in_every_pass_too():
    model = tiny_encoder("bert", dropout=0.3)
    model.bert.embeddings.register_forward_hook(lambda module, args, out: dropout(out, 0.3))
    passes = open_passes(model, padded_batch())
    first, second = (passes.run(None).losses for _ in range(2))
    assert torch.equal(first, second)
    passes.redraw()
    assert not torch.equal(first, passes.run(None).losses)


@pytest.mark.parametrize("kind", ENCODERS)
def test_the_model_is_the_same_afterwards(kind):
    model = tiny_encoder(kind, dropout=0.3)
    batch = padded_batch(pad_id=pad_id_of(kind))
    torch.manual_seed(1)
    before = model(**batch).loss
    with Thrift(model).lent(masks(), True):
        inside = model(**batch).loss
    torch.manual_seed(1)
    assert torch.equal(model(**batch).loss, before)
    assert not torch.equal(inside, before)  # other masks
    assert not any("forward" in vars(module) for module in model.modules())


# --- attention


@pytest.mark.parametrize("kind", ENCODERS)
def test_without_dropout_logits_and_gradients_are_the_models_own(kind):
    own, lent = (tiny_encoder(kind).double() for _ in range(2))
    batch = padded_batch(pad_id=pad_id_of(kind))
    own(**batch).loss.backward()
    with Thrift(lent).lent(masks(), True):
        loss = lent(**batch).loss
    loss.backward()
    assert_same(own, lent)


def assert_same(one, other):
    for (name, a), b in zip(one.named_parameters(), other.parameters(), strict=True):
        if a.grad is None:
            assert b.grad is None or not b.grad.any(), name
        else:
            torch.testing.assert_close(b.grad, a.grad, rtol=1e-9, atol=1e-14)


def test_attention_takes_its_mask_off_and_gives_every_gradient():
    # kept and thrown weights, a bias for each example that is trained, and fewer queries than keys
    from freelb_tune.training.passes import attention

    rng = torch.Generator().manual_seed(2)
    sizes = ((2, 3, 4, 5), (2, 3, 6, 5), (2, 3, 6, 7), (2, 1, 1, 6))
    parts = [torch.randn(s, generator=rng, dtype=torch.double) for s in sizes]
    q, k, v, bias = ours = [part.clone().requires_grad_() for part in parts]
    own = masks()
    attention._lent.append(own)
    out, _ = attention._attend(nn.Module(), q, k, v, bias, scaling=0.3, dropout=0.4)
    attention._lent.pop()
    weight = torch.randn(out.shape, generator=rng, dtype=torch.double)
    (out * weight).sum().backward()
    q, k, v, bias = theirs = [part.clone().requires_grad_() for part in parts]
    own.rewind()
    kept = own.next((6, 4, 6), 0.4, q).view(2, 3, 4, 6)
    assert (kept == 0).any()
    scores = torch.softmax(0.3 * q @ k.transpose(2, 3) + bias, -1)
    want = ((scores * kept) @ v).transpose(1, 2)
    torch.testing.assert_close(out, want)
    (want * weight).sum().backward()
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a.grad, b.grad)


# --- linear layers


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("rows", ["all", "first tokens", "none"])
def test_a_linear_layers_gradients_are_torchs_however_many_rows_are_zero(rows, bias):
    ours, theirs = (nn.Linear(7, 11, bias=bias).double() for _ in range(2))
    theirs.load_state_dict(ours.state_dict())
    grads = torch.randn(2, 3, 8, 11, dtype=torch.double)  # two micro-batches of 3 x 8 tokens
    if rows == "first tokens":
        grads[:, :, 1:] = 0
        grads[0, 0, 2, 10] = 1.0  # a row that is zero where one looks first
    if rows == "none":
        grads.zero_()
    for grad in grads:
        x = torch.randn(3, 8, 7, dtype=torch.double)
        a, b = x.clone().requires_grad_(), x.clone().requires_grad_()
        linear_on_live_rows(a, ours).backward(grad)
        theirs(b).backward(grad)
        torch.testing.assert_close(a.grad, b.grad)
    for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad)


def test_rows_without_a_gradient_are_left_out_of_the_products():
    from torch.utils.flop_counter import FlopCounterMode

    layer, x = nn.Linear(16, 32), torch.randn(4, 10, 16, requires_grad=True)
    out = linear_on_live_rows(x, layer)
    with FlopCounterMode(display=False) as counter:
        out[:, 0].sum().backward()
    assert counter.get_total_flops() == 2 * (2 * 4 * 16 * 32)  # 4 rows of 40, for x and the weight


def test_what_is_frozen_or_watched_stays_so():
    class Scaled(nn.Linear):
        def forward(self, x):
            return 2 * linear(x, self.weight, self.bias)

    frozen, watched, scaled = nn.Linear(3, 3), nn.Linear(3, 3), Scaled(3, 3)
    frozen.weight.requires_grad_(False)
    watched.weight.register_hook(lambda grad: 0 * grad + 7)
    model, x = nn.Sequential(frozen, watched, scaled).train(), torch.randn(2, 3)
    want = model(x)
    with Thrift(model).lent(masks(), True):
        out = model(x)
    torch.testing.assert_close(out, want)
    out.sum().backward()
    assert frozen.weight.grad is None
    assert frozen.bias.grad is not None
    assert (watched.weight.grad == 7).all()


# --- where it would be wrong


def test_gradient_checkpointing_meets_the_masks_of_its_forward_pass():
    # layers run again in backward, after the pass: what they drop must be what they dropped
    losses, models = [], [tiny_encoder("bert", dropout=0.3).double() for _ in range(2)]
    models[0].gradient_checkpointing_enable({"use_reentrant": False})
    batch = padded_batch()
    for model in models:
        torch.manual_seed(4)
        if model is models[0]:
            passes = open_passes(model, batch, whole=True)
            losses.append(passes.run(None).losses.mean())
            passes.close()
        else:
            losses.append(model(**batch).loss)
            losses[-1].backward()
    torch.testing.assert_close(losses[0].item(), losses[1].item(), rtol=1e-6, atol=0)
    assert_same(*models[::-1])


def test_autocast_keeps_torchs_own_products_and_the_same_masks():
    model = tiny_encoder("bert", dropout=0.3)
    context = lambda: torch.autocast("cpu", torch.bfloat16)  # noqa: E731
    passes = open_passes(model, padded_batch(), context)
    first, second = (passes.run(None).losses for _ in range(2))
    assert torch.equal(first, second)
    still, plain = tiny_encoder("bert"), tiny_encoder("bert")
    batch = padded_batch()
    losses = open_passes(still, batch, context).run(None).losses
    with context():
        want = plain(**batch).loss
    want.backward()
    assert losses.mean().item() == pytest.approx(want.item(), rel=2e-2)
    for a, b in zip(still.parameters(), plain.parameters(), strict=True):
        if b.grad is not None and a is not still.get_input_embeddings().weight:
            torch.testing.assert_close(a.grad, b.grad, rtol=0.1, atol=2e-2)


def test_a_layer_whose_forward_is_another_ones_keeps_it():
    layer = nn.Sequential(nn.Linear(3, 3), nn.Dropout(0.5)).train()
    for part in layer:
        part.forward = lambda x: x + 1
    with Thrift(layer).lent(masks(), True):
        assert torch.equal(layer(torch.zeros(2, 3)), torch.full((2, 3), 2.0))
    assert all("forward" in vars(part) for part in layer)
