"""Each method's step is its paper's formula, whatever the encoder, the norm and the cut."""

import itertools

import adversary_reference as reference
import pytest
import torch
from batches import padded_batch
from conftest import tiny_encoder

from freelb_tune.adversary.delta import direction
from freelb_tune.adversary.divergence import kl, symmetric
from freelb_tune.space.settings.adversaries import (
    FGMSettings,
    FreeATSettings,
    FreeLBSettings,
    NoiseSettings,
    NoneSettings,
    PGDSettings,
    R3FSettings,
    RepeatSettings,
    SMARTSettings,
    VATSettings,
)
from freelb_tune.training.probing.tryout import gradients, try_out

ENCODERS = ["bert", "albert", "deberta-v2"]
SMALL = (3, 8, 5, 8)
STEPS = {"adv_lr": 0.2, "init_mag": 0.3}
BALLS = list(itertools.product(("l2", "linf"), (None, 0.25)))


def pair(kind, labels=2):
    """Two equal models in double precision, and a batch."""
    models = [tiny_encoder(kind, num_labels=labels).double() for _ in range(2)]
    return *models, padded_batch(SMALL, labels=labels)


def assert_same(got, want, rtol=1e-9):
    largest = max(value.abs().max() for value in want.values())
    for name, value in want.items():
        assert (got[name] - value).abs().max() <= rtol * largest, name


def assert_is(got_model, want_model, tried, loss):
    ours = gradients(got_model)
    assert tried.outcome.losses.mean().item() == pytest.approx(loss, rel=1e-6)  # kept in float32
    assert_same(ours, gradients(want_model))


@pytest.mark.parametrize("kind", ENCODERS)
@pytest.mark.parametrize("largest", [None, 2])
def test_pgd_trains_on_the_end_of_the_climb_alone(kind, largest):
    for (norm, ball), k in itertools.product(BALLS, (1, 3)):
        settings = PGDSettings(adv_steps=k, max_norm=ball, norm=norm, **STEPS)
        got, want, batch = pair(kind)
        tried = try_out(settings, got, batch, largest=largest)
        loss = reference.pgd(
            want, batch, tried.deltas[0], adv_steps=k, adv_lr=0.2, max_norm=ball, norm=norm
        )
        assert len(tried.deltas) == tried.outcome.passes == k
        assert_is(got, want, tried, loss)


@pytest.mark.parametrize("kind", ENCODERS)
def test_fgm_averages_the_clean_pass_and_one_step_up(kind):
    got, want, batch = pair(kind)
    tried = try_out(FGMSettings(adv_lr=0.7), got, batch)
    width = tried.deltas[0].shape[-1]
    loss = reference.fgm(want, batch, adv_lr=0.7, width=width)
    lengths = tried.outcome.delta.flatten(1).norm(dim=1)
    torch.testing.assert_close(lengths, torch.full_like(lengths, 0.7))
    assert_is(got, want, tried, loss)


def test_fgm_is_freelb_of_two_passes_from_a_clean_start():
    got, want, batch = pair("bert")
    try_out(FGMSettings(adv_lr=0.2), got, batch)
    try_out(FreeLBSettings(adv_steps=2, adv_lr=0.2, init_mag=0.0), want, batch)
    assert_same(gradients(got), gradients(want))


@pytest.mark.parametrize("kind", ENCODERS)
def test_noise_walks_a_random_way_in_freelbs_steps(kind):
    for norm, ball in BALLS:
        settings = NoiseSettings(adv_steps=3, max_norm=ball, norm=norm, **STEPS)
        got, want, batch = pair(kind)
        tried = try_out(settings, got, batch, largest=2)
        free = try_out(settings.model_copy(update={"max_norm": None}), want, batch)
        want.zero_grad()
        way = free.deltas[1] - free.deltas[0]  # both draw the same numbers
        assert way.abs().max() > 2 * way[batch["attention_mask"] == 1].std()  # 1.7 were it uniform
        loss = reference.noise(
            want, batch, tried.deltas[0], way, adv_steps=3, adv_lr=0.2, max_norm=ball, norm=norm
        )
        assert_is(got, want, tried, loss)


@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_noise_is_as_long_as_freelb_on_the_ball_and_not_along_the_gradient(norm):
    # steps of 0.2 from within 0.1 meet a ball of 0.15 in the first step
    steps = {"adv_steps": 3, "adv_lr": 0.2, "init_mag": 0.1, "max_norm": 0.15, "norm": norm}
    model, _, batch = pair("bert")
    order = 2 if norm == "l2" else float("inf")
    ours, theirs = (
        try_out(settings(**steps), model, batch).outcome
        for settings in (NoiseSettings, FreeLBSettings)
    )
    for outcome in (ours, theirs):
        lengths = torch.linalg.vector_norm(outcome.delta.flatten(1), ord=order, dim=1)
        torch.testing.assert_close(lengths, torch.full_like(lengths, 0.15))
    cosines = torch.cosine_similarity(ours.delta.flatten(1), theirs.delta.flatten(1))
    assert cosines.abs().max() < 0.5
    assert theirs.adversarial.mean() > ours.adversarial.mean()


def test_repeat_without_dropout_is_normal_training():
    got, want, batch = pair("bert")
    tried = try_out(RepeatSettings(adv_steps=3), got, batch)
    plain = try_out(NoneSettings(), want, batch)
    assert tried.outcome.passes == 3
    torch.testing.assert_close(tried.outcome.losses, plain.outcome.losses)
    assert_same(gradients(got), gradients(want))


@pytest.mark.parametrize("padding_free", [False, True])
def test_repeat_averages_over_dropout_masks_of_its_own(padding_free):
    batch = padded_batch(SMALL)
    model = tiny_encoder("bert", dropout=0.3).double()
    torch.manual_seed(0)
    tried = try_out(RepeatSettings(adv_steps=4), model, batch, padding_free=padding_free)
    found = gradients(model)
    torch.manual_seed(0)
    one = try_out(NoneSettings(), model, batch, padding_free=padding_free)
    alone = gradients(model)
    assert not torch.allclose(tried.outcome.losses, one.outcome.losses, rtol=1e-3)
    assert any(not torch.allclose(found[name], alone[name], rtol=1e-3) for name in alone)


@pytest.mark.parametrize("kind", ENCODERS)
@pytest.mark.parametrize("labels", [1, 3])
def test_smart_adds_the_divergence_that_a_small_push_can_reach(kind, labels):
    for (norm, ball), m in itertools.product(BALLS, (1, 2)):
        numbers = {"adv_lr": 0.2, "max_norm": ball, "norm": norm, "adv_weight": 1.5}
        settings = SMARTSettings(ascent_steps=m, init_mag=0.05, **numbers)
        got, want, batch = pair(kind, labels)
        tried = try_out(settings, got, batch, largest=2)
        loss = reference.smart(want, batch, tried.deltas[0], ascent_steps=m, **numbers)
        assert tried.outcome.passes == m + 3
        assert_is(got, want, tried, loss)


@pytest.mark.parametrize("labels", [1, 3])
@pytest.mark.parametrize("start", [0.05, 1e-6])
def test_smart_in_mt_dnns_form_has_that_codes_gradient_and_steps(labels, start):
    for (norm, ball), m in itertools.product(BALLS, (1, 2)):
        numbers = {"adv_lr": 0.2, "max_norm": ball, "norm": norm, "adv_weight": 1.5}
        settings = SMARTSettings(ascent_steps=m, init_mag=start, form="mt-dnn", **numbers)
        got, want, batch = pair("bert", labels)
        tried = try_out(settings, got, batch, largest=2)
        loss = reference.smart_as_coded(want, batch, tried.deltas[0], ascent_steps=m, **numbers)
        assert_is(got, want, tried, loss)


def test_mt_dnns_form_is_left_out_of_what_names_a_cell_of_the_papers():
    assert "form" not in SMARTSettings().model_dump()
    assert SMARTSettings(form="mt-dnn").model_dump()["form"] == "mt-dnn"


def test_smarts_step_has_its_length_however_flat_the_divergence_is():
    # mt-dnn's numbers: noise of 1e-5 gives gradients far under the 1e-8 of FreeLB's code
    model, _, batch = pair("bert")
    delta = try_out(SMARTSettings(), model, batch, items=10**6).outcome.delta
    largest = delta.abs().flatten(1).amax(dim=1)
    torch.testing.assert_close(largest, torch.full_like(largest, 1e-3), rtol=0.05, atol=0)


def test_a_direction_has_length_one_and_nothing_has_none():
    grad = torch.tensor([[[3e-20, 4e-20]], [[0.0, 0.0]]])
    want = torch.tensor([[[0.6, 0.8]], [[0.0, 0.0]]])
    torch.testing.assert_close(direction(grad.double(), "l2"), want.double())
    torch.testing.assert_close(direction(grad, "linf"), want / 0.8)


@pytest.mark.parametrize("kind", ENCODERS)
@pytest.mark.parametrize("labels", [1, 3])
def test_r3f_adds_the_divergence_that_noise_makes(kind, labels):
    for shape in ("uniform", "normal"):
        settings = R3FSettings(init_mag=0.1, noise=shape, adv_weight=0.7)
        got, want, batch = pair(kind, labels)
        tried = try_out(settings, got, batch, largest=2)
        loss = reference.r3f(want, batch, tried.deltas[0], adv_weight=0.7)
        assert_is(got, want, tried, loss)


def test_r3fs_noise_is_as_it_is_called():
    model, _, batch = pair("bert")
    batch = {name: value.repeat(8, *[1] * (value.ndim - 1)) for name, value in batch.items()}
    real = batch["attention_mask"] == 1
    uniform, normal = (
        try_out(R3FSettings(init_mag=0.1, noise=shape), model, batch).deltas[0][real]
        for shape in ("uniform", "normal")
    )
    # U(-a, a) has deviation a / sqrt(3) and ends at a; 3,072 numbers of each
    assert uniform.abs().max().item() == pytest.approx(0.1, rel=0.01)
    assert uniform.std().item() == pytest.approx(0.1 / 3**0.5, rel=0.05)
    assert normal.std().item() == pytest.approx(0.1, rel=0.05)
    assert normal.abs().max() > 0.25


@pytest.mark.parametrize("kind", ENCODERS)
@pytest.mark.parametrize("labels", [1, 3])
def test_vat_pushes_along_the_most_sensitive_direction(kind, labels):
    for m in (1, 2):
        numbers = {"ascent_steps": m, "adv_lr": 0.5, "init_mag": 0.05, "adv_weight": 1.5}
        got, want, batch = pair(kind, labels)
        tried = try_out(VATSettings(**numbers), got, batch, largest=2)
        loss = reference.vat(want, batch, tried.deltas[0], **numbers)
        probe = tried.deltas[0].flatten(1).norm(dim=1)
        torch.testing.assert_close(probe, torch.full_like(probe, 0.05))
        assert tried.outcome.passes == m + 2
        assert_is(got, want, tried, loss)


@pytest.mark.parametrize("settings", [FreeATSettings(adv_lr=0.0), RepeatSettings()])
@pytest.mark.parametrize("padding_free", [False, True])
def test_passes_that_stand_for_themselves_drop_other_units(settings, padding_free):
    # the weights stay, and so does delta: only the masks can make one pass unlike the mean
    model = tiny_encoder("bert", dropout=0.3).double()
    outcome = try_out(settings, model, padded_batch(SMALL), padding_free=padding_free).outcome
    assert not torch.allclose(outcome.losses, outcome.adversarial, rtol=1e-3)


@pytest.mark.parametrize("settings", [FreeLBSettings(adv_lr=0.0), NoiseSettings(adv_lr=0.0)])
@pytest.mark.parametrize("padding_free", [False, True])
def test_passes_that_are_averaged_drop_the_same_units(settings, padding_free):
    model = tiny_encoder("bert", dropout=0.3).double()
    outcome = try_out(settings, model, padded_batch(SMALL), padding_free=padding_free).outcome
    torch.testing.assert_close(outcome.losses, outcome.adversarial)


def test_freeat_without_room_to_move_is_normal_training():
    got, want, batch = pair("bert")
    tried = try_out(FreeATSettings(adv_steps=3, adv_lr=0.0, init_mag=0.0), got, batch)
    try_out(NoneSettings(), want, batch)
    assert (tried.updates, tried.outcome.passes) == (2, 3)
    assert_same(gradients(got), gradients(want))


CLASSES = "single_label_classification"


def test_a_divergence_is_zero_between_equals_and_has_a_side():
    p, q = torch.tensor([[0.0, 0.0]]), torch.tensor([[0.0, 3.0]]).log1p()  # 1/2 1/2, 1/5 4/5
    # KL(p || q) = 1/2 log(5/2) + 1/2 log(5/8); KL(q || p) = 1/5 log(2/5) + 4/5 log(8/5)
    there = 0.5 * torch.tensor(2.5).log() + 0.5 * torch.tensor(0.625).log()
    back = 0.2 * torch.tensor(0.4).log() + 0.8 * torch.tensor(1.6).log()
    torch.testing.assert_close(kl(p, q, CLASSES), there[None])
    torch.testing.assert_close(kl(q, p, CLASSES), back[None])
    torch.testing.assert_close(symmetric(p, q, CLASSES), (there + back)[None])
    assert symmetric(q, q, CLASSES).item() == kl(q, q, CLASSES).item() == 0
    assert symmetric(torch.tensor([[1.0]]), torch.tensor([[3.0]]), "regression").item() == 4.0


def test_several_labels_or_values_are_apart_by_the_mean_over_them():
    # labels of probability 1/2 and 1/2 against 4/5 and 1/2: the first is the case above, read as
    # yes and no, and the second is no different
    p, q = torch.tensor([[0.0, 0.0]]), torch.tensor([[4.0, 1.0]]).log()
    there = 0.5 * torch.tensor(0.625).log() + 0.5 * torch.tensor(2.5).log()
    back = 0.8 * torch.tensor(1.6).log() + 0.2 * torch.tensor(0.4).log()
    torch.testing.assert_close(kl(p, q, "multi_label_classification"), there[None] / 2)
    both = symmetric(p, q, "multi_label_classification")
    torch.testing.assert_close(both, (there + back)[None] / 2)
    values = torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0, 2.0]])
    assert kl(*values, "regression").item() == symmetric(*values, "regression").item() == 2.0
