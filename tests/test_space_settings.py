"""Settings of adversaries and algorithms: what they cost, what they allow, and by which names."""

import importlib

import pytest
from pydantic import ValidationError

from freelb_tune.adversary.methods import METHODS
from freelb_tune.errors import FreeLBTuneError
from freelb_tune.search.algorithms.registry import BEHAVIOURS
from freelb_tune.space.settings import adversaries, algorithms, attacks, controls
from freelb_tune.space.settings.adversaries import (
    ADVERSARIES,
    ASAMSettings,
    CreATSettings,
    FGMSettings,
    FreeLBPlusPlusSettings,
    FreeLBSettings,
    NoneSettings,
    PGDSettings,
    R3FSettings,
    RDropSettings,
    RepeatSettings,
    SAMSettings,
    Scheduled,
    SMARTSettings,
    TAVATSettings,
    VATSettings,
)
from freelb_tune.space.settings.algorithms import (
    ALGORITHMS,
    AlgorithmSettings,
    ASHASettings,
    GridSettings,
    MedianSettings,
    RaceSettings,
    RandomSettings,
    VerdictSettings,
)

OURS = dict(attacks.ATTACKS) | dict(controls.CONTROLS)


def test_every_method_has_one_class_of_settings_one_behaviour_and_one_name():
    assert set(OURS) == set(METHODS)
    for name, kind in OURS.items():
        assert ADVERSARIES[name] is kind
        assert kind().method == name
        assert kind.__name__ in adversaries.__all__  # and so in the door
        assert getattr(adversaries, kind.__name__) is kind
    assert not set(attacks.ATTACKS) & set(controls.CONTROLS)


def test_every_algorithm_has_one_class_of_settings_one_behaviour_and_one_name():
    assert set(ALGORITHMS) == set(BEHAVIOURS)
    for name, kind in ALGORITHMS.items():
        assert kind().algorithm == name
        assert kind.__name__ in algorithms.__all__
        assert getattr(algorithms, kind.__name__) is kind


@pytest.mark.parametrize(
    "name", ["AdversarySettings", "Ascent", "Perturbing", "Scheduled", "FreeLBSettings", "Norm",
             "Positive", "NonNegative", "Count"],
)  # fmt: skip
def test_what_plugins_of_the_last_version_import_is_where_it_was(name):
    with pytest.warns(DeprecationWarning, match=r"freelb_tune.space.adversary goes in 0\.3\.0"):
        old = importlib.reload(importlib.import_module("freelb_tune.space.adversary"))
    assert getattr(old, name) is getattr(adversaries, name)


# --- what a batch costs


@pytest.mark.parametrize(
    ("settings", "passes"),
    [
        (NoneSettings(), 1),
        (RepeatSettings(adv_steps=4), 4),
        (FreeLBSettings(adv_steps=3), 3),
        (PGDSettings(adv_steps=2), 2),
        (FGMSettings(), 2),
        (SMARTSettings(ascent_steps=2), 5),  # three more than its steps
        (R3FSettings(), 2),
        (VATSettings(ascent_steps=3), 5),  # two more than its steps
        (TAVATSettings(adv_steps=2), 2),
        (CreATSettings(adv_steps=3), 3),
        (RDropSettings(), 2),
        (SAMSettings(), 2),
        (ASAMSettings(), 2),
    ],
)
def test_a_method_says_its_passes_beforehand(settings, passes):
    assert settings.passes_per_batch == passes


def test_lengths_are_multiplied_and_no_ball_stays_none():
    one = FreeLBSettings(adv_lr=0.1, init_mag=0.2, max_norm=0.4).times(0.5)
    assert (one.adv_lr, one.init_mag, one.max_norm, one.adv_steps) == (0.05, 0.1, 0.2, 3)
    assert FreeLBSettings().times(2.0).max_norm is None
    assert SAMSettings(rho=0.05).times(2.0).rho == 0.1
    assert ASAMSettings(rho=0.5, eta=0.01).times(2.0).eta == 0.01  # no length
    lengths = {n for k in OURS.values() if issubclass(k, Scheduled) for n in k.LENGTHS}
    assert lengths == {"adv_lr", "init_mag", "max_norm", "rho"}


@pytest.mark.parametrize(
    ("settings", "plainest"),
    [
        # one pass never climbs: the step and the ball do nothing
        (FreeLBSettings(adv_steps=1, adv_lr=0.3, max_norm=0.2),
         FreeLBSettings(adv_steps=1, adv_lr=0.0)),
        # two steps of 0.1 from 0.1 reach 0.3, and 5 % more is out of reach in half precision too
        (FreeLBSettings(adv_steps=3, max_norm=0.32), FreeLBSettings(adv_steps=3)),
        (FreeLBSettings(adv_steps=3, max_norm=0.31), FreeLBSettings(adv_steps=3, max_norm=0.31)),
        (FreeLBPlusPlusSettings(),
         FreeLBSettings(adv_steps=10, adv_lr=0.03, init_mag=0.05, max_norm=None)),
        (FreeLBPlusPlusSettings(adv_steps=1, norm="linf"),
         FreeLBSettings(adv_steps=1, adv_lr=0.0, init_mag=0.05, norm="linf")),
        (RepeatSettings(adv_steps=1), NoneSettings()),
        (RepeatSettings(adv_steps=2), RepeatSettings(adv_steps=2)),
        (FGMSettings(adv_lr=0.0), FGMSettings(adv_lr=0.0)),  # claims nothing
    ],
)  # fmt: skip
def test_settings_that_train_the_same_have_the_same_plainest(settings, plainest):
    assert settings.plainest() == plainest


@pytest.mark.parametrize(
    ("kind", "wrong"),
    [
        (FreeLBSettings, {"adv_steps": 0}),
        (FreeLBSettings, {"max_norm": 0.0}),  # none is null
        (FreeLBSettings, {"adv_lr": float("inf")}),
        (FreeLBSettings, {"adv_lr": "0.1"}),
        (FreeLBSettings, {"rho": 0.1}),
        (SMARTSettings, {"init_mag": 0.0}),  # at the clean words the divergence is flat
        (VATSettings, {"init_mag": 0.0}),
        (CreATSettings, {"adv_steps": 1}),
        (R3FSettings, {"noise": "cauchy"}),
        (SAMSettings, {"relative": True}),  # no words are moved
    ],
)
def test_a_value_that_may_not_stand_is_refused_by_its_class_too(kind, wrong):
    with pytest.raises(ValidationError):
        kind(**wrong)
    with pytest.raises(ValidationError, match="frozen"):
        kind().method = "other"


# --- how a search runs


@pytest.mark.parametrize(
    ("settings", "runs_all"),
    [
        (GridSettings(), True),
        (RandomSettings(), True),
        (RandomSettings(sampler="tpe"), False),  # its cells are not known beforehand
        (ASHASettings(), False),
        (MedianSettings(), False),
        (RaceSettings(), False),
        (VerdictSettings(), False),
        (GridSettings(wall_hours=1.0), False),
        (GridSettings(device_hours=1.0), False),
    ],
)
def test_a_search_that_may_run_in_parts_runs_every_cell(settings, runs_all):
    assert settings.runs_all is runs_all


@pytest.mark.parametrize(
    ("settings", "configurations", "seeds", "said"),
    [
        (RaceSettings(), 3, 1, "a race needs 2 seeds or more, got 1"),
        (RaceSettings(budget=5), 3, 2, "a race of 3 configurations needs 6 cells, 2 seeds each"),
        (VerdictSettings(), 3, 1, "verdict needs 2 seeds or more, got 1; seeds are the most that"),
        (VerdictSettings(budget=7), 3, 2, "4 arms, clean ones among them, need 8 cells, 2 seeds"),
    ],
)
def test_a_plan_that_seeds_in_rounds_cannot_serve_is_refused(settings, configurations, seeds, said):
    with pytest.raises(FreeLBTuneError, match=said):
        settings.check_arms(configurations, 1, seeds)
    settings.model_copy(update={"budget": 8}).check_arms(configurations, 1, 2)


def test_a_verdict_needs_a_clean_arm_and_others_do_not():
    with pytest.raises(FreeLBTuneError, match="compares settings with their clean arm, and there"):
        VerdictSettings().check_arms(3, 0, 2)
    for kind in (RaceSettings, GridSettings, ASHASettings):
        kind().check_arms(3, 0, 2)


def test_a_first_decision_after_the_last_epoch_is_a_problem():
    (problem,) = ASHASettings(epochs=2, grace_epochs=3).problems()
    assert problem == ("grace_epochs", "expected search.epochs (2) or less, got 3")
    assert list(MedianSettings(epochs=3, grace_epochs=3).problems()) == []
    assert list(ASHASettings(grace_epochs=99).problems()) == []  # the trainer's epochs say


def test_the_rules_say_seeds_budget_and_error_rate():
    race = RaceSettings(budget=40).rule(8)
    assert "every configuration gets 2 seeds, and one more each round, up to 8." in race
    assert "Where the budget of 40 cells does not reach for all, the last in rank go." in race
    assert "budget" not in RaceSettings().rule(8)
    said = VerdictSettings(margin=0.5).rule(12)
    assert "while it may still gain 0.5 or more" in said
    assert "either" not in said
    assert "Either answer is wrong with at most 5 % chance." in said
    assert [kind().rule(3) for kind in (GridSettings, RandomSettings, ASHASettings)] == [""] * 3


def test_traits_are_asked_of_the_class():
    stops = {name for name, kind in ALGORITHMS.items() if kind.STOPS_EARLY}
    leaves = {name for name, kind in ALGORITHMS.items() if kind.LEAVES_OUT}
    rounds = {name for name, kind in ALGORITHMS.items() if kind.BY_ROUNDS}
    assert {"asha", "hyperband", "median"} <= stops
    assert {"race", "verdict"} <= leaves
    assert rounds == {"verdict"}
    assert not stops & leaves
    base = AlgorithmSettings
    assert (base.STOPS_EARLY, base.LEAVES_OUT, base.BY_ROUNDS) == (False, False, False)
