"""Without its padding an encoder gives the same numbers: logits and every gradient."""

import pytest
import torch
from batches import pad_id_of, padded_batch
from conftest import tiny_encoder
from reference import losses_of
from transformers import XLMRobertaConfig, XLMRobertaForSequenceClassification

from freelb_tune.errors import FreeLBTuneError
from freelb_tune.training.passes.packed import pack

FAMILIES = ["bert", "roberta", "xlm-roberta", "electra"]
LENGTHS = (1, 7, 12, 7, 2, 5, 7)  # one, equal ones, and the longest in the middle
CLOSE = {torch.float32: 1e-5, torch.float64: 1e-12}


def model_of(kind, dtype=torch.float32, **changes):
    like = "roberta" if kind == "xlm-roberta" else kind
    model = tiny_encoder(like, **{"num_hidden_layers": 3} | changes).to(dtype)
    if kind == "xlm-roberta":
        settings = {k: v for k, v in model.config.to_dict().items() if k != "model_type"}
        config = XLMRobertaConfig(**settings, attn_implementation=model.config._attn_implementation)
        model = XLMRobertaForSequenceClassification(config).to(dtype).train()
    rng = torch.Generator().manual_seed(4)
    with torch.no_grad():  # biases and norms start at 0 and 1, where faults would not show
        for parameter in model.parameters():
            noise = torch.randn(parameter.shape, generator=rng, dtype=torch.float64)
            parameter += (0.1 * noise).to(dtype)
    return model


def batch_of(model, lengths=LENGTHS, types=False):
    batch = padded_batch(lengths, pad_id=model.config.pad_token_id, labels=model.config.num_labels)
    if types:
        rng = torch.Generator().manual_seed(8)
        size = (1, 2)[model.config.type_vocab_size > 1]
        shape = batch["input_ids"].shape
        batch["token_type_ids"] = torch.randint(0, size, shape, generator=rng)
    return batch


def delta_of(model, batch, seed=5):
    """A perturbation of unit size, zero at padding."""
    weight = model.get_input_embeddings().weight
    rng = torch.Generator().manual_seed(seed)
    shape = (*batch["input_ids"].shape, weight.shape[1])
    noise = torch.randn(shape, generator=rng, dtype=torch.float64).to(weight.dtype)
    return (noise * batch["attention_mask"][..., None]).requires_grad_()


def packed_loss(packed, batch, delta, masks=None):
    weights = torch.linspace(0.5, 1.5, len(batch["labels"]))
    logits = packed(batch, delta, masks)
    if logits.shape[1] == 1:
        losses = (logits[:, 0] - batch["labels"]) ** 2
    else:
        losses = torch.nn.functional.cross_entropy(logits, batch["labels"], reduction="none")
    return (losses * weights.to(losses.dtype)).sum()


def padded_loss(model, batch, delta):
    weights = torch.linspace(0.5, 1.5, len(batch["labels"]))
    zero = 0.0 if delta is None else delta
    losses = losses_of(model, batch, zero)
    return (losses * weights.to(losses.dtype)).sum()


def gradients(model):
    return {name: p.grad for name, p in model.named_parameters()}


def assert_same_gradients(got, want, close):
    """Relative to the gradient's own largest entry, or to a tenth of the model's.

    The tenth is for sums that cancel, as that of a bias over examples of both classes. A key's
    bias moves all scores of a query alike: its gradient is zero but for rounding, and is held
    against the largest of the model.
    """
    largest = max(float(grad.abs().max()) for grad in want.values())
    for name, grad in want.items():
        floor = largest if name.endswith("key.bias") else largest / 10
        scale = max(floor, float(grad.abs().max()))
        assert got[name] is not None, name
        assert float((got[name] - grad).abs().max()) <= close * scale, name


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["single", "double"])
@pytest.mark.parametrize("types", [False, True], ids=["no-types", "types"])
@pytest.mark.parametrize("kind", FAMILIES)
def test_packing_changes_neither_logits_nor_gradients_over_several_passes(kind, types, dtype):
    model = model_of(kind, dtype)
    batch, close = batch_of(model, types=types), CLOSE[dtype]
    wanted, got = [], []
    for seed in (1, 2):  # the second pass adds to the first one's gradients
        delta = delta_of(model, batch, seed)
        padded_loss(model, batch, delta).backward()
        wanted.append(delta.grad)
    want = {name: grad.clone() for name, grad in gradients(model).items()}
    model.zero_grad()
    packed = pack(model)
    for seed in (1, 2):
        delta = delta_of(model, batch, seed)
        packed_loss(packed, batch, delta).backward()
        got.append(delta.grad)
    assert_same_gradients(gradients(model), want, close)
    for mine, theirs in zip(got, wanted, strict=True):
        assert float((mine - theirs).abs().max()) <= close * float(theirs.abs().max())
        assert not mine[batch["attention_mask"] == 0].any()
    with torch.inference_mode():
        inputs = {k: v for k, v in batch.items() if k != "labels"}
        torch.testing.assert_close(
            packed(batch, None, None), model(**inputs).logits, rtol=close, atol=close
        )


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"num_hidden_layers": 1}, id="one-layer"),
        pytest.param({"hidden_act": "relu"}, id="relu"),
        pytest.param({"num_labels": 1}, id="regression"),
        pytest.param({"attn_implementation": "eager"}, id="eager"),
    ],
)
@pytest.mark.parametrize("kind", FAMILIES)
def test_a_clean_pass_is_exact_in_every_supported_form(kind, changes):
    model = model_of(kind, torch.float64, **changes)
    batch = batch_of(model)
    padded_loss(model, batch, None).backward()
    want = {name: grad.clone() for name, grad in gradients(model).items()}
    model.zero_grad(set_to_none=False)
    packed_loss(pack(model), batch, None).backward()
    assert_same_gradients(gradients(model), want, 1e-12)


def test_a_padding_token_among_the_real_ones_moves_no_table():
    model = model_of("roberta", torch.float64)
    batch = batch_of(model)
    batch["input_ids"][2, 4] = model.config.pad_token_id  # real by the mask
    padded_loss(model, batch, None).backward()
    want = {name: grad.clone() for name, grad in gradients(model).items()}
    model.zero_grad()
    packed_loss(pack(model), batch, None).backward()
    assert_same_gradients(gradients(model), want, 1e-12)
    words = model.get_input_embeddings().weight.grad
    assert not words[model.config.pad_token_id].any()


def test_a_frozen_parameter_gets_no_gradient_and_the_others_keep_theirs():
    model = model_of("bert", torch.float64)
    batch = batch_of(model)
    frozen = [model.get_input_embeddings().weight, *model.bert.encoder.layer[1].parameters()]
    for parameter in frozen:
        parameter.requires_grad_(False)
    padded_loss(model, batch, None).backward()
    want = {name: p.grad.clone() for name, p in model.named_parameters() if p.requires_grad}
    model.zero_grad()
    packed_loss(pack(model), batch, None).backward()
    assert_same_gradients(gradients(model), want, 1e-12)
    assert all(parameter.grad is None for parameter in frozen)


def test_only_delta_moves_where_every_parameter_is_frozen():
    model = model_of("electra", torch.float64).requires_grad_(False)
    batch = batch_of(model)
    theirs, mine = delta_of(model, batch), delta_of(model, batch)
    padded_loss(model, batch, theirs).backward()
    packed_loss(pack(model), batch, mine).backward()
    torch.testing.assert_close(mine.grad, theirs.grad, rtol=1e-11, atol=1e-13)
    assert all(p.grad is None for p in model.parameters())


def test_a_weight_update_is_seen_by_the_next_call():
    model = model_of("bert", torch.float64)
    packed, batch = pack(model), batch_of(model)
    before = packed(batch, None, None)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(1.1)
    inputs = {k: v for k, v in batch.items() if k != "labels"}
    after = packed(batch, None, None)
    torch.testing.assert_close(after, model(**inputs).logits, rtol=1e-11, atol=1e-12)
    assert not torch.allclose(before, after)


def test_what_lies_at_padding_is_never_read():
    model = model_of("bert")
    batch = batch_of(model)
    packed, delta = pack(model), delta_of(model, batch).detach()
    want = packed(batch, delta, None)
    padding = batch["attention_mask"] == 0
    batch["input_ids"][padding] = 59
    delta[padding] = torch.nan
    torch.testing.assert_close(packed(batch, delta, None), want, rtol=0, atol=0)


def test_an_example_has_the_same_logits_alone_and_in_company():
    model = model_of("roberta", torch.float64)
    batch, packed = batch_of(model), pack(model)
    together = packed(batch, None, None)
    for row, length in enumerate(LENGTHS):
        own = {k: batch[k][row : row + 1, :length] for k in ("input_ids", "attention_mask")}
        torch.testing.assert_close(packed(own, None, None), together[row : row + 1])


def test_packing_leaves_the_model_as_it_was():
    model = model_of("electra")
    state = {name: value.clone() for name, value in model.state_dict().items()}
    hooks = sum(len(m._forward_hooks) for m in model.modules())
    batch = batch_of(model)
    packed_loss(pack(model), batch, delta_of(model, batch)).backward()
    assert list(model.state_dict()) == list(state)
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
    assert sum(len(m._forward_hooks) for m in model.modules()) == hooks


@pytest.mark.parametrize("kind", ["albert", "distilbert", "deberta-v2", "modernbert"])
def test_an_encoder_of_another_family_is_left_to_the_general_path(kind):
    assert pack(tiny_encoder(kind)) is None


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"hidden_act": "gelu_new"}, id="activation"),
        pytest.param({"is_decoder": True}, id="decoder"),
    ],
)
def test_an_unusual_config_is_left_to_the_general_path(changes):
    assert pack(tiny_encoder("bert", **changes)) is None


def test_a_changed_model_is_left_to_the_general_path():
    class Adapter(torch.nn.Linear):
        pass

    adapted, hooked, noisy, saving, own, patched = (tiny_encoder("bert") for _ in range(6))
    adapted.bert.encoder.layer[0].output.dense = Adapter(32, 16)
    hooked.bert.encoder.layer[0].register_forward_hook(lambda *_: None)
    saving.gradient_checkpointing_enable()
    own.__class__ = type("BertForSequenceClassification", (type(own),), {})
    noisy.get_input_embeddings().register_forward_hook(lambda *_: None)
    patched.bert.pooler.forward = lambda states: states[:, 0]
    for model in (adapted, hooked, noisy, saving, own, patched):
        assert pack(model) is None
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert pack(tiny_encoder("bert")) is None


def test_padding_on_the_left_is_refused_with_what_to_do():
    model = model_of("bert")
    batch = {k: v.flip(1) for k, v in batch_of(model).items() if k != "labels"}
    with pytest.raises(FreeLBTuneError, match="padding_side to 'right'"):
        pack(model)(batch, None, None)


def test_a_mask_of_another_shape_is_refused_with_both_shapes():
    model = model_of("bert")
    batch = batch_of(model)
    batch["attention_mask"] = batch["attention_mask"][:, :-1]
    with pytest.raises(FreeLBTuneError, match=r"\(7, 11\), input_ids \(7, 12\)"):
        pack(model)(batch, None, None)


def test_without_a_mask_every_token_is_real():
    model = model_of("bert", torch.float64)
    ids = padded_batch((6, 6), pad_id=pad_id_of("bert"))["input_ids"]
    torch.testing.assert_close(pack(model)({"input_ids": ids}, None, None), model(ids).logits)
