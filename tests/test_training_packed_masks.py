"""Dropout of the padding-free path: one draw per mini-batch, right rates, the model's own law."""

import pytest
import torch
from test_training_packed import FAMILIES, batch_of, delta_of, model_of, packed_loss

from freelb_tune.training.passes.packed import pack
from freelb_tune.training.passes.packed.attention import split_runs
from freelb_tune.training.passes.packed.last import last_layer
from freelb_tune.training.passes.packed.layer import full_layer
from freelb_tune.training.passes.packed.layout import Run, layout_of
from freelb_tune.training.passes.packed.masks import LayerMasks, draw_mask, effective_rate


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def with_dropout(kind, hidden=0.1, attention=0.1, **changes):
    model = model_of(kind, torch.float64, **changes)
    for name, module in model.named_modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = attention if name.endswith("attention.self.dropout") else hidden
    return model


@pytest.mark.parametrize("kind", FAMILIES)
def test_the_same_masks_give_the_same_loss_and_another_seed_another(kind):
    model = with_dropout(kind)
    packed, batch = pack(model), batch_of(model)
    delta = delta_of(model, batch)
    masks, again, other = (packed.masks(batch, rng(seed)) for seed in (1, 1, 2))
    losses = [packed_loss(packed, batch, delta, m).item() for m in (masks, masks, again)]
    assert losses[0] == losses[1] == losses[2]
    assert packed_loss(packed, batch, delta, other).item() != losses[0]
    assert packed_loss(packed, batch, delta, None).item() != losses[0]


def test_masks_draw_from_their_generator_alone():
    model = with_dropout("bert")
    packed, batch, state = pack(model), batch_of(model), torch.get_rng_state()
    packed.masks(batch, rng())
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("rate", [0.05, 0.1, 0.5, 0.9])
def test_a_mask_drops_at_its_rate_in_each_of_a_words_four_lanes(rate):
    size = 400_000
    mask = draw_mask((size,), rate, rng(), torch.empty(0, dtype=torch.float64))
    dropped = (mask == 0).double().view(-1, 4).mean(0)
    # 100,000 draws per lane: five standard deviations.
    slack = 5 * (rate * (1 - rate) / (size / 4)) ** 0.5
    assert (dropped - rate).abs().max() < slack
    assert mask.max().item() == pytest.approx(1 / (1 - effective_rate(rate)))
    assert mask.mean().item() == pytest.approx(1, abs=5 * (rate / (1 - rate) / size) ** 0.5)


def test_a_rate_becomes_the_nearest_multiple_of_a_65536th():
    assert effective_rate(0.1) == 6554 / 65536
    assert effective_rate(0.5) == 0.5
    assert draw_mask((4,), 1e-6, rng(), torch.empty(0)) is None  # below half a step: none


def test_no_masks_are_drawn_in_evaluation_or_at_rate_0():
    model = with_dropout("bert")
    batch = batch_of(model)
    assert pack(model.eval()).masks(batch, rng()) is None
    assert pack(model_of("bert")).masks(batch, rng()) is None


@pytest.mark.parametrize(("hidden", "attention"), [(0.2, 0.0), (0.0, 0.2)])
@pytest.mark.parametrize("kind", FAMILIES)
def test_the_gradient_is_that_of_the_loss_under_these_masks(kind, hidden, attention):
    model = with_dropout(kind, hidden, attention)
    packed, batch = pack(model), batch_of(model)
    masks = packed.masks(batch, rng(3))
    delta = delta_of(model, batch)
    packed_loss(packed, batch, delta, masks).backward()
    step = 1e-6
    for parameter in model.parameters():  # a central difference along one random direction
        way = torch.randn(parameter.shape, generator=rng(6), dtype=torch.float64)
        with torch.no_grad():
            losses = []
            for sign in (1, -2):
                parameter += sign * step * way
                losses.append(packed_loss(packed, batch, delta, masks).item())
            parameter += step * way
        slope = (losses[0] - losses[1]) / (2 * step)
        assert float((parameter.grad * way).sum()) == pytest.approx(slope, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("kind", FAMILIES)
def test_dropout_has_the_law_of_the_padded_models(kind):
    """The mean and the spread of a logit over many draws are those of the model's own dropout."""
    model = with_dropout(kind, 0.1, 0.3, num_hidden_layers=2)
    batch = batch_of(model, lengths=(6, 3, 4))
    packed, draws = pack(model), 1500
    inputs = {k: batch[k].repeat(draws // 100, 1) for k in ("input_ids", "attention_mask")}
    torch.manual_seed(0)
    generator, mine, theirs = rng(1), [], []
    with torch.no_grad():
        for _ in range(100):  # one call holds several copies of each example
            mine.append(packed(inputs, None, packed.masks(inputs, generator)).view(-1, 3, 2))
            theirs.append(model(**inputs).logits.view(-1, 3, 2))
    mine, theirs = torch.cat(mine), torch.cat(theirs)
    spread = theirs.std(0)
    # Five standard errors of a difference of means, and of a ratio of deviations (heavier tails
    # than the normal law's are allowed for by a factor of two).
    assert ((mine.mean(0) - theirs.mean(0)).abs() < 5 * spread * (2 / draws) ** 0.5).all()
    assert ((mine.std(0) / spread - 1).abs() < 5 * 2 * (1 / draws) ** 0.5).all()


@pytest.mark.parametrize("kind", FAMILIES)
def test_the_shortened_last_layer_is_the_full_layers_first_token_under_the_same_masks(kind):
    model = with_dropout(kind, 0.2, 0.3)
    batch = batch_of(model)
    layout = layout_of(batch)
    layer = getattr(model, model.base_model_prefix).encoder.layer[0]
    full = pack(model).masks(batch, rng(9)).layers[0]
    blocks = split_runs(layout.runs, 2)
    queries = torch.ones(*layout.shape[:1], 2, layout.shape[1], dtype=torch.float64)
    for block, mask in zip(blocks, full.attention, strict=True):
        for i, own in enumerate(mask.view(block.examples, 2, block.length, block.length)):
            example = layout.first.tolist().index(block.start + i * block.length)
            queries[example, :, : block.length] = own[:, 0]
    first = LayerMasks((queries,), full.projection[layout.first], full.output[layout.first])
    x = torch.randn(layout.tokens, 16, generator=rng(2), dtype=torch.float64)
    torch.testing.assert_close(
        last_layer(layer, x, layout, first), full_layer(layer, x, blocks, full)[layout.first]
    )


def test_examples_of_equal_length_are_attended_in_blocks_that_fit_the_cache():
    # 2 heads of 100 x 100 scores are 20,000 for an example; three fit into 65,536.
    runs = (Run(0, 2, 2), Run(4, 5, 100), Run(504, 1, 512))
    assert split_runs(runs, 2) == (
        Run(0, 2, 2), Run(4, 3, 100), Run(304, 2, 100), Run(504, 1, 512)
    )  # fmt: skip
