"""What perturbs by word, by weight, or nothing at all: TAVAT, CreAT, SAM, ASAM, R-Drop."""

from contextlib import nullcontext
from functools import partial

import adversary_reference as reference
import pytest
import torch
from batches import padded_batch
from conftest import tiny_encoder
from test_adversary_methods import SMALL, assert_is, assert_same, pair
from test_training_cell import numbers, run, toy_cell  # noqa: F401 - a fixture

from freelb_tune.adversary import make_adversary
from freelb_tune.space.settings.adversaries import (
    ASAMSettings,
    CreATSettings,
    NoneSettings,
    RDropSettings,
    SAMSettings,
    TAVATSettings,
)
from freelb_tune.store import find_checkpoint, read_epochs
from freelb_tune.training.passes.losses import example_losses, problem_of
from freelb_tune.training.passes.minibatch import Machinery, PaddedPasses
from freelb_tune.training.passes.packing import PackedPasses, packed_encoder
from freelb_tune.training.passes.plain import PlainPasses
from freelb_tune.training.probing.tryout import gradients, try_out

LENGTHS = {"adv_lr": 0.2, "init_mag": 0.3}


def opened(kind, model, batch, **more):
    """Passes of one kind, whose optimizer step does nothing."""
    problem = problem_of(model.config, batch["labels"])
    loss = partial(example_losses, problem=problem)
    tools = Machinery(nullcontext, torch.Tensor.backward, loss, lambda: None, problem)
    return kind(
        {k: v for k, v in batch.items() if k != "labels"},
        batch["labels"],
        items=len(batch["labels"]),
        generator=torch.Generator().manual_seed(5),
        tools=tools,
        **more,
    )


@pytest.mark.parametrize("kind", ["bert", "albert"])
@pytest.mark.parametrize("ball", [None, 0.4])
def test_tavat_climbs_with_each_example_and_each_token(kind, ball):
    got, want, batch = pair(kind)
    settings = TAVATSettings(adv_steps=3, max_norm=ball, **LENGTHS)
    tried = try_out(settings, got, batch, largest=2)
    words, width = got.get_input_embeddings().weight.shape
    drawn = torch.Generator().manual_seed(5)  # as the passes' own
    table = torch.empty(words, width).uniform_(-1, 1, generator=drawn).double() / width**0.5
    token = table[batch["input_ids"]] * batch["attention_mask"].unsqueeze(-1)
    token = 0.3 * token / token.flatten(1).norm(dim=1)[:, None, None]
    loss, _ = reference.tavat(
        want, batch, tried.deltas[0] - token, token, adv_steps=3, adv_lr=0.2, max_norm=ball
    )
    assert_is_close(got, want, tried, loss)


def assert_is_close(got, want, tried, loss):
    assert tried.outcome.losses.mean().item() == pytest.approx(loss, rel=1e-5)
    assert_same(gradients(got), gradients(want), rtol=1e-5)  # the table is kept in float32


def test_tavats_table_adds_up_what_each_word_ended_with():
    _, want, batch = pair("bert")
    settings = TAVATSettings(adv_steps=2, max_norm=0.4, **LENGTHS)
    adversary = make_adversary(settings)
    passes = opened(partial(PaddedPasses, want), want, batch)
    table = adversary._table(passes).clone()
    adversary(passes)
    moved = adversary.memory["vocabulary"] - table
    real = batch["input_ids"][batch["attention_mask"] == 1]
    unmet = [word for word in range(len(table)) if word not in real]
    assert unmet
    assert not moved[unmet].any()
    assert moved[real].flatten(1).any(1).all()
    # the words of all examples end no farther out than their balls
    assert moved.norm() <= 0.4 * len(batch["labels"]) ** 0.5 * 2
    second = make_adversary(settings)
    second.memory = {"vocabulary": table.clone()}
    second(opened(partial(PaddedPasses, want), want, batch))
    assert torch.equal(second.memory["vocabulary"], adversary.memory["vocabulary"])


def test_a_schedule_hands_tavats_table_on_while_it_grows():
    model, _, batch = pair("bert")
    late = make_adversary(TAVATSettings(adv_warmup_steps=3, max_norm=0.4, **LENGTHS))
    tables = []
    for step in range(5):
        late(opened(partial(PaddedPasses, model), model, batch, step=step))
        tables.append(late.memory["vocabulary"].clone())
    for before, after in zip(tables, tables[1:], strict=False):
        assert not torch.equal(before, after)
    words = tables[0].norm(dim=1)
    assert (tables[4].norm(dim=1) >= words * 0.5).all()  # one table, not drawn anew


@pytest.mark.parametrize("padding_free", ["auto", False])
def test_a_table_goes_on_from_the_checkpoint_bit_for_bit(run, tmp_path, padding_free):  # noqa: F811
    settings = {"adversary.method": "tavat", "run.padding_free": padding_free}
    cell = toy_cell(**settings, **{"trainer.num_train_epochs": 3})
    straight = run(cell, "straight")
    run(cell, "broken", stop_after=2)
    folder = tmp_path / "broken"
    checkpoint, _ = find_checkpoint(folder, read_epochs(folder / "epochs.jsonl"))
    assert (checkpoint / "adversary.safetensors").is_file()
    assert numbers(run(cell, "broken")) == numbers(straight)
    assert straight[0].delta_norm > 0


def test_a_checkpoint_without_its_table_is_not_gone_on_from(run, tmp_path):  # noqa: F811
    cell = toy_cell(**{"adversary.method": "tavat", "trainer.num_train_epochs": 2})
    run(cell, "broken", stop_after=1)
    folder = tmp_path / "broken"
    (folder / "checkpoint" / "adversary.safetensors").unlink()
    assert find_checkpoint(folder, read_epochs(folder / "epochs.jsonl")) is None


@pytest.mark.parametrize(
    ("kind", "padding_free"), [("bert", False), ("bert", True), ("deberta-v2", False)]
)
def test_sam_and_asam_train_from_where_the_step_leads(kind, padding_free):
    for settings, own in ((SAMSettings(rho=0.3), {}), (ASAMSettings(rho=0.4), {"eta": 0.01})):
        got, want, batch = pair(kind)
        before = {name: value.clone() for name, value in got.state_dict().items()}
        tried = try_out(settings, got, batch, padding_free=padding_free)
        loss = reference.sam(want, batch, rho=settings.rho, **own)
        assert tried.outcome.adversarial.mean().item() == pytest.approx(loss, rel=1e-6)
        assert tried.outcome.adversarial.mean() > tried.outcome.losses.mean()
        assert_same(gradients(got), gradients(want), rtol=1e-7)
        for name, value in got.state_dict().items():
            assert torch.equal(value, before[name])  # put back to the last bit


def test_sam_climbs_by_its_own_batch_alone_under_accumulation():
    got, want, batch = pair("bert")
    other = padded_batch((6, 2, 4))
    try_out(NoneSettings(), got, other)
    earlier = {n: p.grad.clone() for n, p in got.named_parameters() if p.grad is not None}
    try_out(SAMSettings(rho=0.3), got, batch)
    both = gradients(got)
    reference.sam(want, batch, rho=0.3)
    alone = gradients(want)
    assert_same(both, {n: alone[n] + earlier.get(n, 0) for n in alone}, rtol=1e-7)


@pytest.mark.parametrize("labels", [1, 3])
def test_rdrop_adds_the_divergence_of_two_draws_of_dropout(labels):
    got, want = (tiny_encoder("bert", dropout=0.3, num_labels=labels).double() for _ in range(2))
    batch = padded_batch(SMALL, labels=labels)
    adversary = make_adversary(RDropSettings(adv_weight=1.5))
    torch.manual_seed(4)
    passes = opened(partial(PlainPasses, got), got, batch)
    outcome = adversary(passes)
    passes.close()
    torch.manual_seed(4)
    loss = reference.rdrop(want, batch, adv_weight=1.5)
    assert outcome.losses.mean().item() == pytest.approx(loss, rel=1e-6)
    assert_same(gradients(got), gradients(want))


def test_each_path_drops_other_units_in_the_second_copy_and_the_same_in_the_next_pass():
    model = tiny_encoder("bert", dropout=0.3).double()
    batch = padded_batch(SMALL)
    packed = partial(
        PackedPasses,
        packed_encoder(model, torch.device("cpu"), True),
        dropout=torch.Generator().manual_seed(6),
    )
    for kind in (partial(PlainPasses, model), partial(PaddedPasses, model), packed):
        passes = opened(kind, model, batch)
        shared = passes.run(None, None, ascend=False).logits
        first, second = passes.run(None, None, ascend=False, apart=True).logits
        torch.testing.assert_close(shared[0], shared[1])
        torch.testing.assert_close(first, shared[0])
        assert not torch.allclose(first, second, rtol=1e-3)


def test_rdrop_without_dropout_is_normal_training():
    got, want, batch = pair("bert")
    tried = try_out(RDropSettings(), got, batch)
    plain = try_out(NoneSettings(), want, batch)
    assert_is(got, want, tried, plain.outcome.losses.mean().item())


@pytest.mark.parametrize("kind", ["bert", "distilbert", "deberta-v2"])
@pytest.mark.parametrize("ball", [None, 0.25])
def test_creat_climbs_the_loss_and_away_from_the_encoders_states(kind, ball):
    numbers_ = {"adv_lr": 0.2, "max_norm": ball, "adv_weight": 0.7}
    for steps in (2, 4):
        got, want, batch = pair(kind)
        settings = CreATSettings(adv_steps=steps, init_mag=0.05, **numbers_)
        tried = try_out(settings, got, batch, largest=2)
        loss = reference.creat(want, batch, tried.deltas[0], adv_steps=steps, **numbers_)
        assert tried.outcome.passes == steps
        assert_is(got, want, tried, loss)


def test_the_plain_path_gives_creat_the_same_states():
    got, want, batch = pair("bert")
    settings = CreATSettings(adv_steps=4, init_mag=0.05)
    plain = opened(partial(PlainPasses, got), got, batch)
    make_adversary(settings)(plain)
    try_out(settings, want, batch, largest=2)
    assert_same(gradients(got), gradients(want), rtol=1e-7)


@pytest.mark.parametrize("kind", ["bert", "roberta", "electra"])
def test_the_path_without_padding_gives_creat_the_same_states(kind):
    got, want, batch = pair(kind)
    settings = CreATSettings(adv_steps=4, adv_lr=0.2, init_mag=0.05)
    try_out(settings, got, batch, padding_free=True)
    try_out(settings, want, batch)
    assert_same(gradients(got), gradients(want), rtol=1e-7)


def test_without_padding_a_pass_drops_the_same_units_with_states_and_without():
    model = tiny_encoder("bert", dropout=0.3).double()
    packed = packed_encoder(model, torch.device("cpu"), True)
    dropout = torch.Generator().manual_seed(6)
    passes = opened(partial(PackedPasses, packed, dropout=dropout), model, padded_batch(SMALL))
    before = passes.run(None, parameters=False, ascend=False)
    seen = passes.run(None, None, parameters=False, ascend=False, states=True)
    after = passes.run(None, parameters=False, ascend=False)
    for logits in (*seen.logits, *after.logits):
        torch.testing.assert_close(logits, before.logits[0])
    torch.testing.assert_close(*seen.states)
    assert (seen.states[0].abs().sum(-1) > 0).equal(passes.mask > 0)
    first, other = passes.run(
        None, None, parameters=False, ascend=False, apart=True, states=True
    ).states
    torch.testing.assert_close(first, seen.states[0])
    assert not torch.allclose(first, other, rtol=1e-3)
