"""`search.points`: configurations that are known to be good and run first."""

import pytest
from space_fixtures import HEAD, cells_of, column, opened, planned

from freelb_tune.errors import FreeLBTuneError

ADV_LR, BATCH = "adversary.adv_lr", "trainer.per_device_train_batch_size"
DRAWN = HEAD + (
    "trainer: {per_device_train_batch_size: {grid: [16, 32]}, learning_rate: 2e-5}\n"
    "adversary: {adv_lr: {loguniform: [0.01, 0.2]}, adv_steps: {choice: [2, 3]}}\n"
    "search: {algorithm: random, samples: 3"
)
SPANNED = HEAD + (
    "adversary: {adv_lr: {grid: [0.1, 0.2, 0.3]}}\n"
    "tie: [{adversary.init_mag: [0.1, 0.2], adversary.max_norm: [0.3, 0.4]}]\n"
    "search: {"
)


def points(*texts):
    return f"points: [{', '.join(texts)}]}}\n"


def test_a_point_runs_first_beside_every_grid_value_and_the_draws_stay(tmp_path):
    point = points("{adversary.adv_lr: 0.05, adversary.adv_steps: 3}")
    found = column(cells_of(tmp_path, f"{DRAWN}, {point}"), ADV_LR, BATCH)
    assert found[:2] == [(0.05, 16), (0.05, 32)]
    assert found[2:] == column(cells_of(tmp_path, DRAWN + "}"), ADV_LR, BATCH)


def test_a_point_may_name_a_grids_value(tmp_path):
    text = f"{DRAWN}, {points(f'{{{ADV_LR}: 0.05, adversary.adv_steps: 2, {BATCH}: 32}}')}"
    found = column(cells_of(tmp_path, text), ADV_LR, BATCH)
    assert found[0] == (0.05, 32)
    assert len(found) == 1 + 3 * 2


def test_a_point_of_a_grid_moves_its_configurations_to_the_front_and_changes_no_id(tmp_path):
    before = opened(tmp_path, SPANNED + "algorithm: grid}\n")
    after = opened(tmp_path, SPANNED + points("{adversary.adv_lr: 0.3}"))
    assert column(planned(after).cells, ADV_LR)[:3] == [(0.3,), (0.3,), (0.1,)]
    assert {c.id for c in planned(after).cells} == {c.id for c in planned(before).cells}
    assert planned(after).merged == 0


def test_a_point_goes_to_the_branch_that_searches_it(tmp_path):
    text = HEAD + (
        "branches:\n"
        "  - {adversary: {method: pgd, adv_lr: {grid: [0.1, 0.2]}}}\n"
        "  - {adversary: {method: smart, adv_weight: {grid: [1.0, 2.0]}}}\n"
        "search: {points: [{adversary.adv_weight: 2}]}\n"
    )
    first = [c for c in cells_of(tmp_path, text) if c.arm == "adversarial"][0]
    assert first.settings["adversary.adv_weight"] == 2.0


def test_points_stay_in_the_file_as_resolved(tmp_path):
    text = f"{DRAWN}, {points('{adversary.adv_lr: 0.05, adversary.adv_steps: 3}')}"
    space = opened(tmp_path, text)
    again = opened(tmp_path, space.to_yaml())
    assert [c.id for c in planned(again).cells] == [c.id for c in planned(space).cells]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            f"{DRAWN}, {points('{adversary.adv_rl: 0.1}')}",
            "points.0.adversary.adv_rl: unknown name 'adversary.adv_rl'; did you mean",
        ),
        (
            f"{DRAWN}, {points('{trainer.learning_rate: 1e-5}')}",
            "points.0.trainer.learning_rate: is not searched; give it a range or a grid",
        ),
        (
            f"{DRAWN}, {points('{adversary.adv_lr: 0.5, adversary.adv_steps: 3}')}",
            "points.0.adversary.adv_lr: expected from 0.01 to 0.2 as the file has it, got 0.5",
        ),
        (
            f"{DRAWN}, {points('{adversary.adv_lr: 0.1, adversary.adv_steps: 4}')}",
            "expected one of 2, 3 as the file has it, got 4",
        ),
        (
            f"{DRAWN}, {points('{adversary.adv_lr: fast}')}",
            "expected a number, got the text 'fast'",
        ),
        (
            f"{DRAWN}, {points('{adversary.adv_lr: 0.1}')}",
            "points.0: names no value of adversary.adv_steps, which is drawn",
        ),
        (
            SPANNED + points("{adversary.init_mag: 0.1, adversary.max_norm: 0.4}"),
            "points.0: these values do not stand together in one line of tie",
        ),
        (f"{DRAWN}, points: 3}}", "search.points: expected a list, got 3"),
        (f"{DRAWN}, points: [3]}}", "search.points: expected a mapping, got [3]"),
    ],
)
def test_a_point_that_cannot_be_is_said_with_its_place(tmp_path, text, message):
    with pytest.raises(FreeLBTuneError) as err:
        opened(tmp_path, text)
    assert message in str(err.value)
    assert "1 problem\n" in str(err.value)


def test_a_point_that_where_leaves_out_is_an_error(tmp_path):
    text = SPANNED + points("{adversary.adv_lr: 0.3}") + "where: adversary.adv_lr < 0.3\n"
    with pytest.raises(FreeLBTuneError, match=r"search.points.0: where leaves it out"):
        cells_of(tmp_path, text)
