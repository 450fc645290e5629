"""What is said to train the same does, to the last bit: both are trained."""

from dataclasses import replace

import numpy as np
import pytest
from test_training_cell import toy_cell

from freelb_tune.space.cells.twins import find_twins
from freelb_tune.training import prepare, run_cell

FREELB = {"method": "freelb", "adv_steps": 3, "adv_lr": 0.05, "init_mag": 0.1, "norm": "l2"}
ONE_PASS = {**FREELB, "adv_steps": 1}
LATE = {"adv_begin_step": 2}  # of 2 updates


def method(name, settings):
    return {**settings, "method": name}


SAME = {
    "adv_lr with one pass": (ONE_PASS, {**ONE_PASS, "adv_lr": 0.9}),
    "a ball with one pass": (ONE_PASS, {**ONE_PASS, "max_norm": 0.01}),
    "one pass of pgd": (method("pgd", ONE_PASS), method("pgd", {**ONE_PASS, "adv_lr": 0.9})),
    "a far ball": (FREELB, {**FREELB, "max_norm": 0.211}),  # 0.1 + 2 x 0.05, and 5 % more
    "a far cube": ({**FREELB, "norm": "linf"}, {**FREELB, "norm": "linf", "max_norm": 0.211}),
    "two far balls": ({**FREELB, "max_norm": 0.3}, {**FREELB, "max_norm": 0.9}),
    "a far ball of pgd": (method("pgd", FREELB), method("pgd", {**FREELB, "max_norm": 0.3})),
    "of freeat": (method("freeat", FREELB), method("freeat", {**FREELB, "max_norm": 0.3})),
    "of noise": (method("noise", FREELB), method("noise", {**FREELB, "max_norm": 0.3})),
    "while it grows": (
        {**FREELB, "adv_warmup_steps": 3},
        {**FREELB, "adv_warmup_steps": 3, "max_norm": 0.3},
    ),
    "relative lengths": (
        {**FREELB, "relative": True},
        {**FREELB, "relative": True, "max_norm": 0.3},
    ),
    "one clean pass": ({"method": "none"}, {"method": "repeat", "adv_steps": 1}),
    "sam without a step": ({"method": "none"}, {"method": "sam", "rho": 0.0}),
    "asam without a step": ({"method": "none"}, {"method": "asam", "rho": 0.0}),
    "freelb after the end": ({"method": "none"}, {**FREELB, **LATE}),
    "freeat after the end": ({"method": "none"}, method("freeat", {**FREELB, **LATE})),
}


def cell_of(name, adversary, encoder="config:bert"):
    """A cell of 2 weight updates."""
    cell = toy_cell(**{"trainer.num_train_epochs": 1, "data.max_train_examples": 32})
    settings = {k: v for k, v in cell.settings.items() if not k.startswith("adversary.")}
    settings |= {f"adversary.{key}": value for key, value in adversary.items()}
    settings["model.config"] = dict(settings["model.config"])
    if encoder == "config:distilbert":
        settings["model.config"] = {
            "dim": 16, "n_layers": 1, "n_heads": 2, "hidden_dim": 32, "max_position_embeddings": 48,
        }  # fmt: skip
    settings["model.name"] = encoder
    arm = "clean" if adversary["method"] == "none" else "adversarial"
    return replace(cell, id=name, config_id=name, arm=arm, settings=settings)


def trained(cell, folder):
    """The dev set's logits, and the losses."""
    records = []
    home = folder / cell.id
    run_cell(cell, prepare([cell], folder / "cache")[cell.id], home, records.append)
    with np.load(home / "predictions" / "epoch_0001.npz") as kept:
        return kept["dev.logits"], records[-1].train_loss, records[-1].dev_loss


@pytest.mark.parametrize(
    "encoder",  # both kinds of passes
    ["config:bert", pytest.param("config:distilbert", marks=pytest.mark.slow)],
)
@pytest.mark.parametrize("pair", SAME.values(), ids=SAME)
def test_what_is_said_to_train_the_same_does(tmp_path, pair, encoder):
    cells = [cell_of(f"c{at}", adversary, encoder) for at, adversary in enumerate(pair)]
    assert find_twins(cells, lambda cell: 32)["c1"].of == "c0"
    first, second = (trained(cell, tmp_path) for cell in cells)
    assert np.array_equal(first[0], second[0])
    assert first[1:] == second[1:]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param(FREELB, {**FREELB, "max_norm": 0.2}, id="a ball just as far"),
        pytest.param(FREELB, {**FREELB, "adv_begin_step": 1}, id="begins at the last update"),
        pytest.param(ONE_PASS, {**ONE_PASS, "init_mag": 0.2}, id="another start"),
        pytest.param(ONE_PASS, {**ONE_PASS, "norm": "linf"}, id="another norm of the start"),
        pytest.param(FREELB, method("noise", FREELB), id="another method"),
    ],
)
def test_what_may_matter_is_not_said_to_be_the_same(first, second):
    cells = [cell_of("c0", first), cell_of("c1", second)]
    assert not find_twins(cells, lambda cell: 32)
    assert not find_twins(
        [cell_of("c0", {"method": "none"}), cell_of("c1", {**FREELB, **LATE})], lambda cell: None
    )  # how many updates there are is not known


def test_a_twin_of_the_clean_arm_is_named_by_what_varies():
    clean, late = cell_of("c0", {"method": "none"}), cell_of("c1", {**FREELB, **LATE})
    assert find_twins([clean, late], lambda cell: 32)["c1"].name == "method freelb"
    later = cell_of("c2", {**FREELB, "adv_begin_step": 3})
    named = find_twins([clean, late, later], lambda cell: 32)
    assert [named[each].name for each in ("c1", "c2")] == ["adv_begin_step 2", "adv_begin_step 3"]


def test_a_ball_that_is_reached_does_matter(tmp_path):
    near = cell_of("c1", {**FREELB, "max_norm": 0.05})
    first, second = trained(cell_of("c0", FREELB), tmp_path), trained(near, tmp_path)
    assert not np.array_equal(first[0], second[0])
