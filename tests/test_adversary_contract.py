"""The shipped contract: every adversary keeps it with every encoder, and a faulty one is caught."""

from typing import Literal

import pytest
import torch
from conftest import ENCODERS, tiny_encoder

from freelb_tune.adversary import Outcome, register
from freelb_tune.adversary.delta import ascend, init_delta
from freelb_tune.errors import FreeLBTuneError
from freelb_tune.space.settings.adversaries import (
    ADVERSARIES,
    FreeLBSettings,
    NoneSettings,
    Perturbing,
    PGDSettings,
    SMARTSettings,
)
from freelb_tune.training.contract import CHECKS, check

OURS = tuple(ADVERSARIES)


@pytest.mark.parametrize("kind", ENCODERS)
def test_every_adversary_keeps_the_contract_with_every_encoder(kind):
    layers = {"bert": 2, "modernbert": 2}.get(kind, 1)
    model = tiny_encoder(kind, dropout=0.1, num_hidden_layers=layers)
    for method in OURS:
        check(method, model)


def test_the_contract_holds_for_regression_relative_lengths_and_other_norms():
    model = tiny_encoder("bert", num_labels=1)
    check(FreeLBSettings(adv_lr=0.05, relative=True), model)
    check(PGDSettings(adv_lr=0.3, init_mag=0.0, norm="linf"), model)
    check(SMARTSettings(ascent_steps=2, norm="l2"), model)


def test_the_contract_holds_for_several_labels():
    model = tiny_encoder("bert", num_labels=3, problem_type="multi_label_classification")
    for method in ("freelb", "smart", "r3f", "vat"):
        check(method, model, ["returns what it did", "is the same in micro-batches",
                              "is the same without padding"])  # fmt: skip


def test_the_default_model_serves_and_randomness_is_left_alone():
    before = torch.get_rng_state()
    check("freelb")
    assert torch.equal(before, torch.get_rng_state())


# --- a user's own


class SidewaysSettings(Perturbing):
    method: Literal["sideways"] = "sideways"
    adv_lr: float = 0.1
    init_mag: float = 0.1
    max_norm: float | None = None
    norm: Literal["l2", "linf"] = "l2"


class Sideways:
    """A user's adversary: one step up from noise, trained on with the clean pass."""

    def __init__(self, settings):
        self.settings = settings

    def __call__(self, passes):
        delta = init_delta(passes.mask, passes.width, self.settings, passes.generator)
        clean = passes.run(delta, scale=0.5)
        delta = ascend(delta, clean.slope, self.settings)
        result = passes.run(delta, scale=0.5, ascend=False)
        losses = (clean.losses + result.losses) / 2
        return Outcome(losses, result.losses, delta=delta, passes=2)


@pytest.fixture
def registered(forgetful):
    """Registers for one test only."""

    def one(settings, factory):
        register(settings, factory)
        return settings()

    return one


@pytest.mark.parametrize("name", CHECKS)
def test_an_adversary_of_twenty_lines_keeps_the_contract(registered, name):
    check(registered(SidewaysSettings, Sideways), checks=[name])


class Faulty(Sideways):
    """An adversary with one fault."""

    def __init__(self, settings, fault):
        super().__init__(settings)
        self.fault = fault

    def __call__(self, passes):
        fault, s = self.fault, self.settings
        if fault == "global noise":
            delta = torch.rand(*passes.mask.shape, passes.width).to(passes.mask) * s.init_mag
            delta = delta * passes.mask[..., None]
        else:
            delta = init_delta(passes.mask, passes.width, s, passes.generator)
        if fault == "noise on padding":
            delta = delta + 1e-3 * s.init_mag
        first = passes.run(delta, scale=1.0 if fault == "sum" else 0.5)
        grad = first.slope
        if fault == "norm over the batch":
            delta = delta + s.adv_lr * grad / grad.norm().clamp_min(1e-8)
        elif fault == "raw gradient":
            delta = delta + 100 * s.adv_lr * grad
        else:
            delta = ascend(delta, grad, s)
        if fault == "no ball":
            delta = delta + s.adv_lr * passes.mask[..., None]
        if fault == "undeclared update":
            passes.update()
        result = passes.run(delta, scale=1.0 if fault == "sum" else 0.5, ascend=False)
        shown = delta * 2 if fault == "shows another delta" else delta
        losses = (first.losses + result.losses) / 2
        losses = losses.mean() if fault == "one loss" else losses
        passed = 1 if fault == "counts one" else 2
        return Outcome(losses, result.losses, delta=shown, passes=passed)


FAULTS = {
    "global noise": ("keeps to its generator", "with the same generator it perturbs otherwise"),
    "noise on padding": ("leaves padding alone", "has an entry of .* on padding"),
    "sum": ("does nothing when off", "beside the clean arm, the gradient of .* differs by"),
    "norm over the batch": ("is the same in any company", "an example's perturbation 1 differs"),
    "raw gradient": ("adds up under accumulation", "beside their mean, the gradient of"),
    "no ball": ("stays in the ball", r"l2 norm .* in a ball of"),
    "undeclared update": ("adds up under accumulation", "its settings do not say so"),
    "shows another delta": ("returns what it did", "beside the last perturbation that was run"),
    "one loss": ("returns what it did", r"losses has shape \(\), not \(4,\)"),
    "counts one": ("counts its passes", "it says 1 passes, and 2 went through"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_faulty_adversary_is_told_which_promise_it_breaks(registered, fault):
    name, sentence = FAULTS[fault]
    settings = registered(SidewaysSettings, lambda given: Faulty(given, fault))
    with pytest.raises(AssertionError, match=f"sideways: {name}: .*{sentence}"):
        check(settings, checks=[name])


def test_an_adversary_that_does_nothing_is_told():
    with pytest.raises(AssertionError, match="perturbs every example: largest entries"):
        check(FreeLBSettings(adv_lr=0.0, init_mag=0.0))


def test_an_unknown_adversary_or_check_is_told_the_nearest_name():
    with pytest.raises(FreeLBTuneError, match="did you mean 'freelb'"):
        check("frelb")
    with pytest.raises(FreeLBTuneError, match="did you mean 'counts its passes'"):
        check(NoneSettings(), checks=["counts passes"])


class ForgetfulSettings(SidewaysSettings):
    """Says that a setting cannot matter which does."""

    method: Literal["forgetful_one"] = "forgetful_one"

    def plainest(self):
        return self.model_copy(update={"adv_lr": 0.0})


def test_a_setting_that_is_said_not_to_matter_and_does_is_caught(registered):
    settings = registered(ForgetfulSettings, Sideways)
    with pytest.raises(AssertionError, match=r"plainest\(\) of .* trains otherwise"):
        check(settings, checks=["is as its plainest"])


def test_a_subclass_of_ours_says_anew_what_cannot_matter(registered):
    # its base ignores adv_lr with one pass; this one need not
    class OwnSettings(FreeLBSettings):
        method: Literal["own_freelb"] = "own_freelb"

    assert "plainest" not in vars(OwnSettings)
    check(registered(OwnSettings, Sideways), checks=["is as its plainest"])
