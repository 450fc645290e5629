"""The order of a grid: the file's, or a seeded other one that a search keeps when it goes on."""

import pytest
from search_drive import drive
from search_fixtures import make_plan, score_of

SHUFFLED = "{algorithm: grid, order: shuffled}"
MANY = [round(0.01 * step, 2) for step in range(1, 13)]


def order(base, search, adv_lr=MANY, **more):
    """The cells in the order in which they are trained, as (arm, adv_lr, seed)."""
    space, plan = make_plan(base, search=search, adv_lr=adv_lr, clean_arm=True, **more)
    names = {cell.id: cell for cell in plan.cells}
    trained = dict.fromkeys(name for name, _ in drive(base, space, plan, score_of))
    cells = [names[name] for name in trained]
    return [(cell.arm, cell.settings.get("adversary.adv_lr"), cell.seed) for cell in cells]


def values(found):
    return list(dict.fromkeys(value for arm, value, _ in found if arm != "clean"))


def test_a_grid_runs_as_listed_unless_it_is_shuffled_and_then_all_of_it(tmp_path):
    listed = order(tmp_path / "a", "{algorithm: grid}", seeds=[1, 2])
    shuffled = order(tmp_path / "b", SHUFFLED, seeds=[1, 2])
    assert values(listed) == MANY
    assert values(shuffled) != MANY
    assert sorted(map(repr, shuffled)) == sorted(map(repr, listed))
    first_half = values(shuffled)[:6]
    assert min(first_half) < 0.05
    assert max(first_half) > 0.08
    assert [arm for arm, _, _ in shuffled[:2]] == ["clean", "clean"]  # before what it is for
    assert [seed for _, _, seed in shuffled] == [1, 2] * 13  # a configuration's seeds together


def test_another_seed_gives_another_order_and_the_same_one_the_same(tmp_path):
    first = values(order(tmp_path / "a", SHUFFLED))
    assert values(order(tmp_path / "b", SHUFFLED)) == first
    assert values(order(tmp_path / "c", "{order: shuffled, order_seed: 1}")) != first


def test_a_killed_search_keeps_the_order_and_a_value_more_leaves_the_others_in_theirs(tmp_path):
    whole = values(order(tmp_path / "whole", SHUFFLED))
    space, plan = make_plan(tmp_path / "two", search=SHUFFLED, adv_lr=MANY, clean_arm=True)
    before = drive(tmp_path / "two", space, plan, score_of, kill_after=17)
    after = drive(tmp_path / "two", space, plan, score_of)
    names = {cell.id: cell.settings.get("adversary.adv_lr") for cell in plan.cells}
    both = dict.fromkeys(names[name] for name, _ in [*before, *after])
    assert [value for value in both if value is not None] == whole
    more = values(order(tmp_path / "more", SHUFFLED, adv_lr=[*MANY, 0.5]))
    assert [value for value in more if value != 0.5] == whole


def ended(base, search):
    """How many of nine configurations are ended early where more is better than less."""
    rising = [round(0.01 * step, 2) for step in range(1, 10)]
    space, plan = make_plan(base, search=search, adv_lr=rising, clean_arm=False)
    epochs = drive(base, space, plan, lambda cell, epoch: cell.settings["adversary.adv_lr"])
    return len(plan.cells) - sum(epoch == 3 for _, epoch in epochs)


@pytest.mark.parametrize("kind", ["asha", "hyperband", "median"])
def test_a_grid_from_worse_to_better_is_ended_early_where_it_is_shuffled(kind, tmp_path):
    assert ended(tmp_path / "a", f"{{algorithm: {kind}}}") == 0
    assert ended(tmp_path / "b", f"{{algorithm: {kind}, order: shuffled}}") >= 2
