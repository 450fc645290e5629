"""Which cells a space spans, in which order, and under which names."""

import itertools
import random
import re
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from space_fixtures import HEAD, cells_of, column, opened, planned

from freelb_tune.errors import FreeLBTuneError
from freelb_tune.space import ADVERSARIES, list_plan, plan_cells
from freelb_tune.space.settings.adversaries import Perturbing

LR, BATCH = "trainer.learning_rate", "trainer.per_device_train_batch_size"
ADV_LR, INIT, MAX = "adversary.adv_lr", "adversary.init_mag", "adversary.max_norm"


def test_a_file_of_two_lines_is_freelb_with_its_clean_arm(tmp_path):
    clean, adversarial = cells_of(tmp_path, HEAD)
    assert (clean.arm, clean.settings["adversary.method"]) == ("clean", "none")
    assert adversarial.settings["adversary.method"] == "freelb"
    assert adversarial.settings["adversary.adv_steps"] == 3
    assert adversarial.settings["trainer.num_train_epochs"] == 3
    assert adversarial.settings["data.max_length"] == 128
    assert clean.clean_id == clean.config_id == adversarial.clean_id


def test_grids_span_the_product_and_the_first_of_the_file_changes_last(tmp_path):
    text = HEAD + (
        "trainer: {per_device_train_batch_size: {grid: [16, 32]}}\n"
        "adversary: {adv_lr: {grid: [0.05, 0.1]}}\n"
    )
    cells = cells_of(tmp_path, text)
    assert column(cells, BATCH, ADV_LR) == [(16, 0.05), (16, 0.1), (32, 0.05), (32, 0.1)]
    assert [cell.arm for cell in cells] == ["clean", *["adversarial"] * 2] * 2


def test_tied_settings_advance_together_and_never_cross(tmp_path):
    text = HEAD + (
        "adversary: {adv_lr: {grid: [0.05, 0.1]}}\n"
        "tie: [{adversary.init_mag: [0.1, 0.2], adversary.max_norm: [0.3, 0.4]}]\n"
    )
    rows = column(cells_of(tmp_path, text), ADV_LR, INIT, MAX)
    assert rows == [(0.05, 0.1, 0.3), (0.05, 0.2, 0.4), (0.1, 0.1, 0.3), (0.1, 0.2, 0.4)]


def test_a_reference_follows_a_searched_setting_cell_by_cell(tmp_path):
    text = HEAD + (
        "adversary: {init_mag: {grid: [0.1, 0.2]}, adv_lr: '${adversary.max_norm}',\n"
        "            max_norm: '${adversary.init_mag}'}\n"
    )
    rows = column(cells_of(tmp_path, text), ADV_LR, INIT, MAX)
    assert rows == [(0.1, 0.1, 0.1), (0.2, 0.2, 0.2)]


def test_a_reference_may_name_a_setting_that_the_file_leaves_at_its_default(tmp_path):
    text = HEAD + "adversary: {max_norm: '${adversary.adv_lr}'}\n"
    assert column(cells_of(tmp_path, text), MAX) == [(0.1,)]


def test_a_reference_to_a_plain_value_is_that_value(tmp_path):
    text = "name: run_on_${task}\n" + HEAD
    assert opened(tmp_path, text).name == "run_on_rte"


def test_branches_are_laid_over_the_rest_one_after_the_other(tmp_path):
    text = HEAD + (
        "adversary: {method: freelb, adv_lr: {grid: [0.05, 0.1]}, max_norm: 0.3}\n"
        "branches:\n"
        "  - {adversary.max_norm: 0.5}\n"
        "  - adversary: {method: repeat, adv_steps: 2}\n"
        "  - {}\n"
    )
    cells = [cell for cell in cells_of(tmp_path, text) if cell.arm == "adversarial"]
    told = [
        tuple(cell.settings.get(name) for name in ("adversary.method", ADV_LR, MAX))
        for cell in cells
    ]
    assert told == [
        ("freelb", 0.05, 0.5),
        ("freelb", 0.1, 0.5),
        ("repeat", None, None),  # repeat reads neither: its two configurations are one
        ("freelb", 0.05, 0.3),
        ("freelb", 0.1, 0.3),
    ]


def test_a_branch_takes_its_settings_out_of_a_tie_for_itself_alone(tmp_path):
    text = HEAD + (
        "tie: [{adversary.init_mag: [0.1, 0.2], adversary.max_norm: [0.3, 0.4]}]\n"
        "branches: [{adversary.init_mag: 0.0}, {adversary.adv_lr: 0.2}]\n"
    )
    rows = column(cells_of(tmp_path, text), ADV_LR, INIT, MAX)
    assert rows == [(0.1, 0.0, 0.3), (0.1, 0.0, 0.4), (0.2, 0.1, 0.3), (0.2, 0.2, 0.4)]


def test_references_of_two_branches_may_lead_opposite_ways(tmp_path):
    text = HEAD + (
        "adversary: {init_mag: 0.1, max_norm: '${adversary.init_mag}'}\n"
        "branches: [{adversary.adv_lr: 0.2}, "
        "{adversary.init_mag: '${adversary.max_norm}', adversary.max_norm: 0.7}]\n"
    )
    assert column(cells_of(tmp_path, text), INIT, MAX) == [(0.1, 0.1), (0.7, 0.7)]


def test_the_same_value_at_another_setting_is_another_configuration(tmp_path):
    text = HEAD + "branches: [{adversary.adv_lr: 0.3}, {adversary.init_mag: 0.3}]\n"
    assert column(cells_of(tmp_path, text), ADV_LR, INIT) == [(0.3, 0.1), (0.1, 0.3)]


def test_a_searched_method_leaves_out_what_it_does_not_read(tmp_path):
    text = HEAD + "adversary: {method: {grid: [freelb, repeat]}, adv_lr: {grid: [0.05, 0.1]}}\n"
    plan = planned(opened(tmp_path, text))
    methods = [m for (m,) in column(plan.cells, "adversary.method")]
    assert methods == ["freelb", "freelb", "repeat"]
    assert plan.merged == 1  # repeat with adv_lr 0.05 and with 0.1


def test_where_leaves_configurations_out_and_counts_them(tmp_path):
    text = HEAD + (
        "adversary: {init_mag: {grid: [0.1, 0.2, 0.3]}, max_norm: {grid: [0.1, 0.2, null]}}\n"
        "where: [adversary.init_mag <= adversary.max_norm]\n"
    )
    plan = planned(opened(tmp_path, text))
    pairs = column(plan.cells, INIT, MAX)
    # null is no ball: the condition says nothing about it
    assert pairs == [(0.1, 0.1), (0.1, 0.2), (0.1, None), (0.2, 0.2), (0.2, None), (0.3, None)]
    assert plan.excluded == 3


@pytest.mark.parametrize(
    ("condition", "kept"),
    [
        ("adversary.max_norm != null", [0.1, 0.2]),
        ("adversary.max_norm == null", [None]),
        ("adversary.max_norm is None or adversary.max_norm > 0.1", [None, 0.2]),
        ("adversary.max_norm in [0.1, None]", [None, 0.1]),
        ("2 * adversary.max_norm < 0.3 and task == 'rte'", [None, 0.1]),
        ("max(adversary.max_norm, adversary.adv_lr) <= 0.15", [None, 0.1]),
        ("not (adversary.max_norm == 0.2)", [None, 0.1]),
    ],
)
def test_a_condition_can_ask_for_null_and_is_silent_on_it_else(tmp_path, condition, kept):
    text = HEAD + f'adversary: {{max_norm: {{grid: [null, 0.1, 0.2]}}}}\nwhere: ["{condition}"]\n'
    assert [value for (value,) in column(cells_of(tmp_path, text), MAX)] == kept


def test_a_clean_arm_stands_for_kept_configurations_only(tmp_path):
    text = HEAD + (
        f"trainer: {{per_device_train_batch_size: {{grid: [16, 32]}}}}\nwhere: {BATCH} == 32\n"
    )
    assert column(cells_of(tmp_path, text), BATCH, arm="clean") == [(32,)]


def test_every_seed_of_a_configuration_stands_beside_the_others(tmp_path):
    cells = cells_of(tmp_path, HEAD + "seeds: [7, 3]\nadversary: {adv_lr: {grid: [0.1, 0.2]}}\n")
    assert [cell.seed for cell in cells] == [7, 3] * 3
    assert len({cell.config_id for cell in cells}) == 3
    assert len({cell.id for cell in cells}) == 6


def test_a_number_of_seeds_is_that_many_from_one(tmp_path):
    assert opened(tmp_path, HEAD + "seeds: 3\n").seeds == (1, 2, 3)


def test_without_a_clean_arm_no_cell_is_matched(tmp_path):
    (cell,) = cells_of(tmp_path, HEAD + "clean_arm: false\n")
    assert cell.clean_id is None


def test_a_configuration_without_adversary_is_the_clean_arm(tmp_path):
    text = HEAD + "adversary: {method: {grid: [freelb, none]}}\n"
    plan = planned(opened(tmp_path, text))
    assert [cell.arm for cell in plan.cells] == ["clean", "adversarial"]
    assert plan.merged == 0  # nothing was written twice


def test_configurations_that_are_the_same_are_merged_and_counted(tmp_path):
    space = opened(tmp_path, HEAD + "adversary: {adv_lr: {grid: [0.1, 0.2, 0.1]}}\n")
    plan = planned(space)
    assert column(plan.cells, ADV_LR) == [(0.1,), (0.2,)]
    assert plan.merged == 1
    assert "1 configuration stood twice and was merged" in list_plan(space, plan, {})


def test_one_and_one_point_nought_are_the_same_setting(tmp_path):
    first = cells_of(tmp_path, HEAD + "trainer: {learning_rate: 1, max_grad_norm: 1}\n")
    second = cells_of(tmp_path, HEAD + "trainer: {learning_rate: 1.0, max_grad_norm: 1e0}\n")
    assert [cell.id for cell in first] == [cell.id for cell in second]


def test_fingerprints_are_asked_once_for_each_data_and_each_pair_with_a_model(tmp_path):
    text = HEAD.replace("some/encoder", "{grid: [a/b, c/d]}") + (
        "data: {max_train_examples: {grid: [10, 20, 30]}}\n"
        "adversary: {adv_lr: {grid: [0.1, 0.2]}}\n"
    )
    asked = {"data": 0, "model": 0}

    def count(kind):
        def ask(inputs):
            asked[kind] += 1
            assert (inputs.task, inputs.data.max_length) == ("rte", 128)
            assert inputs.model.name in ("a/b", "c/d")
            return "same"

        return ask

    space = opened(tmp_path, text)
    plan = plan_cells(space, data_fingerprint=count("data"), model_fingerprint=count("model"))
    assert asked == {"data": 3, "model": 6}  # a head of a model goes by the data's labels
    assert len(plan.cells) == 9  # the two models have the same weights, so they are one
    assert plan.merged == 6


def test_where_the_files_are_does_not_change_a_cell(tmp_path):
    def ids(text, **changes):
        space = opened(tmp_path, text)
        prints = {"data_fingerprint": lambda s: "d", "model_fingerprint": lambda s: "w"}
        return [cell.id for cell in plan_cells(space, **{**prints, **changes}).cells]

    here = HEAD + "data: {source: glue, path: /a}\n"
    there = HEAD + "data: {source: glue, path: /b}\n"
    assert ids(here) == ids(there)
    assert set(ids(here)).isdisjoint(ids(here, data_fingerprint=lambda s: "other"))
    assert set(ids(here)).isdisjoint(ids(here, model_fingerprint=lambda s: "other"))


def test_a_setting_that_was_mended_names_anew_only_the_cells_that_switch_it_on(tmp_path):
    def ids(trainer):
        return [cell.id for cell in cells_of(tmp_path, HEAD + f"trainer: {{{trainer}}}\n")]

    off, on = ids("dataloader_drop_last: false"), ids("dataloader_drop_last: true")
    assert off == ["7a8d3d8caf31", "7acfeb786204"]  # as 0.1.0 named them
    assert not {"2d90ae106e99", "a1d802f26131"} & {*on}  # the same of those that had it on
    assert not {*on} & {*off}


def test_a_draw_comes_from_no_state_but_its_own(tmp_path):
    text = HEAD + (
        "adversary: {adv_lr: {loguniform: [0.01, 0.2]}, adv_steps: {int: [1, 4]}}\n"
        "search: {algorithm: random, samples: 6}\n"
    )
    random.seed(1)
    first = column(cells_of(tmp_path, text), ADV_LR, "adversary.adv_steps")
    random.seed(2)
    assert column(cells_of(tmp_path, text), ADV_LR, "adversary.adv_steps") == first
    assert column(cells_of(tmp_path, text, "search.draw_seed=1"), ADV_LR) != [r[:1] for r in first]
    assert column(cells_of(tmp_path, text, "search.samples=9"), ADV_LR)[:6] == [
        row[:1] for row in first
    ]
    more = text.replace("adversary: {", "adversary: {max_norm: {uniform: [0.1, 0.4]}, ")
    assert column(cells_of(tmp_path, more), ADV_LR, "adversary.adv_steps") == first


def test_settings_of_one_draw_are_drawn_apart(tmp_path):
    text = HEAD + (
        "adversary: {adv_lr: {uniform: [0.1, 0.9]}, init_mag: {uniform: [0.1, 0.9]}}\n"
        "search: {algorithm: random, samples: 4}\n"
    )
    assert all(a != b for a, b in column(cells_of(tmp_path, text), ADV_LR, INIT))


def drawn(folder, domain, setting="adv_lr"):
    """Two hundred draws of one adversary setting, without what was drawn before."""
    text = HEAD + f"adversary: {{{setting}: {domain}}}\nclean_arm: false\n"
    cells = cells_of(folder, text + "search: {algorithm: random, samples: 200}\n")
    return [cell.settings[f"adversary.{setting}"] for cell in cells]


def test_a_drawn_fraction_has_four_digits_and_does_not_leave_its_range(tmp_path):
    values = drawn(tmp_path, "{uniform: [0.1, 0.2]}")
    assert all(value == float(f"{value:.4g}") for value in values)
    assert 0.1 <= min(values) < 0.105
    assert 0.195 < max(values) <= 0.2
    # to four digits every number of this range is 0.1235, which lies above it
    assert drawn(tmp_path, "{uniform: [0.12346, 0.12349]}") == [0.12349]


def test_a_logarithmic_range_is_even_over_orders_of_magnitude(tmp_path):
    values = drawn(tmp_path, "{loguniform: [0.0001, 1.0]}")
    assert 0.4 < sum(value < 0.01 for value in values) / len(values) < 0.6
    steps = drawn(tmp_path, "{logint: [1, 10000]}", "adv_begin_step")
    assert sum(step < 100 for step in steps) > sum(step >= 5000 for step in steps) * 2


def test_both_ends_of_a_range_of_whole_numbers_are_drawn(tmp_path):
    assert sorted(drawn(tmp_path, "{int: [1, 3]}", "adv_steps")) == [1, 2, 3]
    assert sorted(drawn(tmp_path, "{logint: [1, 3]}", "adv_steps")) == [1, 2, 3]


def test_every_value_of_a_choice_is_drawn(tmp_path):
    assert sorted(drawn(tmp_path, "{choice: [l2, linf]}", "norm")) == ["l2", "linf"]


def test_draws_are_crossed_with_the_grid(tmp_path):
    text = HEAD + (
        "trainer: {per_device_train_batch_size: {grid: [16, 32]}}\n"
        "adversary: {adv_lr: {uniform: [0.1, 0.2]}}\n"
        "search: {algorithm: asha, samples: 3}\n"
    )
    rows = column(cells_of(tmp_path, text), ADV_LR, BATCH)
    assert [batch for _, batch in rows] == [16, 32] * 3
    assert len({value for value, _ in rows}) == 3


def test_search_epochs_are_the_trainers(tmp_path):
    (cell,) = cells_of(tmp_path, HEAD + "clean_arm: false\nsearch: {epochs: 7}\n")
    assert cell.settings["trainer.num_train_epochs"] == 7


def test_updates_take_the_place_of_epochs(tmp_path):
    (cell,) = cells_of(tmp_path, HEAD + "clean_arm: false\ntrainer: {max_steps: 9}\n")
    assert "trainer.num_train_epochs" not in cell.settings


def test_a_margin_is_no_part_of_a_cell(tmp_path):
    assert cells_of(tmp_path, HEAD) == cells_of(tmp_path, HEAD + "verdict: {margin: 1}\n")


def test_a_metric_that_is_asked_for_is_part_of_the_cell(tmp_path):
    text = HEAD.replace("rte", "mrpc")
    plain, chosen = cells_of(tmp_path, text), cells_of(tmp_path, text, "search.metric=f1")
    assert chosen[0].settings["search.metric"] == "f1"
    assert plain[0].id != chosen[0].id  # its best epoch may be another


def test_a_plugins_method_is_read_like_our_own(tmp_path, monkeypatch):
    class TwiceSettings(Perturbing):
        method: Literal["twice"] = "twice"
        adv_lr: float = 0.7

    monkeypatch.setitem(ADVERSARIES, "twice", TwiceSettings)
    assert column(cells_of(tmp_path, HEAD + "adversary: {method: twice}\n"), ADV_LR) == [(0.7,)]


def test_a_space_over_the_limit_is_refused_before_it_is_built(tmp_path):
    grid = "{grid: [" + ", ".join(f"0.{n:03}" for n in range(100, 300)) + "]}"
    text = HEAD + f"adversary: {{adv_lr: {grid}, init_mag: {grid}, max_norm: {grid}}}\n"
    space = opened(tmp_path, text)
    with pytest.raises(FreeLBTuneError, match=r"spans 8,000,000 cells, more than 100,000; .*--yes"):
        planned(space)


def test_conditions_that_leave_nothing_are_said(tmp_path):
    space = opened(tmp_path, HEAD + "where: adversary.adv_lr > 1\n")
    with pytest.raises(FreeLBTuneError, match="where leaves none of 1 configuration; relax it"):
        planned(space)


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ("adversary.norm < 3", "cannot be evaluated at adversary.norm 'l2'"),
        ("adversary.adv_lr / 0 > 1", "cannot be evaluated at adversary.adv_lr 0.1: float division"),
        ("adversary.adv_lr", "is 0.1 at adversary.adv_lr 0.1, neither true nor false"),
        ("(lambda: 1)() == 1", "cannot be evaluated at all: Lambda Functions not implemented"),
        ("9**9**9**9 > 1", "cannot be evaluated at all"),
    ],
)
def test_a_condition_that_cannot_be_evaluated_is_said(tmp_path, condition, said):
    space = opened(tmp_path, HEAD + f'where: ["{condition}"]\n')
    with pytest.raises(FreeLBTuneError, match=rf"space\.yaml: where: .*{re.escape(said)}"):
        planned(space)


def test_a_reference_that_brings_a_wrong_value_is_said(tmp_path):
    text = HEAD + "adversary: {init_mag: {grid: [0.1, 0.0]}, max_norm: '${adversary.init_mag}'}\n"
    said = r"adversary.max_norm: expected above 0.0, got 0.0, by way of \$"
    with pytest.raises(FreeLBTuneError, match=said):
        planned(opened(tmp_path, text))


def test_the_listing_shows_what_varies_and_what_is_known(tmp_path):
    space = opened(tmp_path, HEAD + "adversary: {adv_lr: {grid: [0.1, 0.2]}}\n")
    plan = planned(space)
    text = list_plan(space, plan, {plan.cells[0].id: "done"})
    header, *rows = text.splitlines()
    assert header.split() == ["cell", "arm", "adv_lr", "seed", "state"]
    assert rows[0].split() == [plan.cells[0].id, "clean", "-", "1", "done"]
    assert rows[2].split() == [plan.cells[2].id, "adversarial", "0.2", "1", "new"]
    assert "3 cells: 3 configurations x 1 seed (2 adversarial, 1 clean)" in text
    assert "already known: 1 done" in text


VALUES = st.lists(st.integers(1, 9), min_size=1, max_size=4)


@st.composite
def spaces(draw):
    """Grids of distinct values, a tie, seeds; and how many cells they must span."""
    grids = {
        "trainer.per_device_train_batch_size": sorted(set(draw(VALUES))),
        "adversary.adv_lr": [v / 100 for v in sorted(set(draw(VALUES)))],
        "adversary.adv_steps": sorted(set(draw(VALUES))),
    }
    tied = [v / 10 for v in sorted(set(draw(VALUES)))]
    seeds = sorted(set(draw(VALUES)))
    order = draw(st.permutations(sorted(grids)))
    return {key: grids[key] for key in order}, tied, seeds


def written(grids, tied, seeds):
    """A space as text, with its sections in the order of the grids."""
    sections = {}
    for key, values in grids.items():
        section, _, name = key.partition(".")
        sections.setdefault(section, {})[name] = {"grid": values}
    tie = [{"adversary.init_mag": tied, "adversary.max_norm": tied}]
    body = {**sections, "tie": tie, "seeds": seeds}
    return HEAD + "".join(f"{key}: {value}\n" for key, value in body.items())


@settings(max_examples=25)
@given(spaces())
def test_a_plan_is_as_large_as_the_product_of_its_parts(tmp_path_factory, space):
    grids, tied, seeds = space
    folder = tmp_path_factory.mktemp("product")
    opened_, plan = opened(folder, written(*space)), None
    plan = planned(opened_)
    product = len(tied)
    for values in grids.values():
        product *= len(values)
    batches = len(grids["trainer.per_device_train_batch_size"])
    assert opened_.size == product * len(seeds)
    assert len(plan.cells) == (product + batches) * len(seeds)
    assert (plan.merged, plan.excluded) == (0, 0)
    assert all(a == b for a, b in column(plan.cells, INIT, MAX))
    wanted = set(itertools.product(*grids.values(), tied))
    assert set(column(plan.cells, *grids, INIT)) == wanted


@settings(max_examples=25)
@given(spaces(), st.randoms(use_true_random=False))
def test_the_order_of_keys_decides_the_order_of_cells_alone(tmp_path_factory, space, rng):
    grids, tied, seeds = space
    folder = tmp_path_factory.mktemp("order")
    keys = list(grids)
    rng.shuffle(keys)
    first = cells_of(folder, written(*space))
    second = cells_of(folder, written({key: grids[key] for key in keys}, tied, seeds))
    assert {cell.id: cell.clean_id for cell in first} == {c.id: c.clean_id for c in second}


@settings(max_examples=25)
@given(spaces())
def test_the_file_as_resolved_gives_the_same_plan_again(tmp_path_factory, space):
    folder = tmp_path_factory.mktemp("again")
    first = opened(folder, written(*space), "adversary.norm=linf")
    second = opened(folder, first.to_yaml())
    assert planned(second) == planned(first)
    assert second.to_yaml() == first.to_yaml()


@settings(max_examples=25)
@given(spaces(), st.data())
def test_editing_one_value_changes_the_cells_that_have_it_alone(tmp_path_factory, space, data):
    grids, tied, seeds = space
    folder = tmp_path_factory.mktemp("edit")
    key = data.draw(st.sampled_from(sorted(grids)))
    place = data.draw(st.integers(0, len(grids[key]) - 1))
    old = grids[key][place]
    edited = {**grids, key: [v if i != place else v + 50 for i, v in enumerate(grids[key])]}
    before = {c.id: c for c in cells_of(folder, written(grids, tied, seeds))}
    after = {c.id for c in cells_of(folder, written(edited, tied, seeds))}
    gone = [before[cell_id] for cell_id in before.keys() - after]
    assert gone
    assert all(cell.settings[key] == old for cell in gone)
    assert all(c.settings.get(key) != old for c in before.values() if c.id in after)
