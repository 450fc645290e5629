"""What holds for every search space, tried on made-up ones: ids, order, files, ranks, tables."""

import csv
import io
import json
import math
import re
from itertools import permutations

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from space_fixtures import TASKS, opened, planned

from freelb_tune.results.tables.contents.ranking import places, standing
from freelb_tune.results.tables.formats.csv_text import to_csv
from freelb_tune.space import Space, load_space
from freelb_tune.space.reading.document import document_of
from freelb_tune.space.values import digest
from freelb_tune.store import CellState, EpochLog, EpochRecord, read_epochs
from freelb_tune.tasks.reading.labels import fold_label, label_number, label_text

few = settings(max_examples=25, deadline=None)

POSITIVE = st.floats(1e-4, 1.0).map(lambda value: float(f"{value:.4g}"))
LENGTHS = {
    "adversary.adv_lr": POSITIVE,
    "adversary.init_mag": POSITIVE,
    "adversary.max_norm": st.none() | POSITIVE,
    "adversary.adv_steps": st.integers(2, 5),
    "trainer.learning_rate": POSITIVE,
    "trainer.per_device_train_batch_size": st.sampled_from([8, 16, 32]),
    "data.max_length": st.integers(16, 128),
}


@st.composite
def contents(draw):
    """A space over grids of some settings, fixed values of others, and a few seeds."""
    content = {"name": "made", "task": "rte", "model": {"name": "some/encoder"}}
    for key in draw(
        st.lists(st.sampled_from(sorted(LENGTHS)), min_size=1, max_size=4, unique=True)
    ):
        section, _, name = key.partition(".")
        values = draw(st.lists(LENGTHS[key], min_size=1, max_size=3, unique=True))
        whole = {"grid": values} if len(values) > 1 else values[0]
        content.setdefault(section, {})[name] = whole
    content["seeds"] = draw(st.lists(st.integers(0, 9), min_size=1, max_size=3, unique=True))
    content["clean_arm"] = draw(st.booleans())
    return content


def plan_of(content):
    return planned(Space.read(document_of(json.loads(json.dumps(content))), tasks=TASKS)).cells


def ids(cells):
    return [cell.id for cell in cells]


@few
@given(content=contents())
def test_the_space_that_a_search_stores_plans_to_the_same_cells(content, tmp_path_factory):
    folder = tmp_path_factory.mktemp("resolved")
    space = Space.read(document_of(content), tasks=TASKS)
    stored = opened(folder, space.to_yaml())
    assert planned(stored).cells == planned(space).cells
    assert stored.to_yaml() == space.to_yaml()  # and once it is resolved it stays as it is


@few
@given(content=contents(), seed=st.integers(10, 20))
def test_another_seed_or_value_keeps_every_cell_that_was_there(content, seed):
    before = set(ids(plan_of(content)))
    assert before < set(ids(plan_of({**content, "seeds": [*content["seeds"], seed]})))
    grown = json.loads(json.dumps(content))
    for section in ("adversary", "trainer", "data"):
        for name, value in grown.get(section, {}).items():
            if isinstance(value, dict) and name != "adv_steps":
                value["grid"].append(512 if section == "data" or "size" in name else 0.98765)
    assert before <= set(ids(plan_of(grown)))


@few
@given(content=contents(), chance=st.randoms(use_true_random=False))
def test_the_order_of_a_files_keys_and_values_changes_no_cell(content, chance):
    def shuffled(value):
        if isinstance(value, dict):
            items = [(key, shuffled(each)) for key, each in value.items()]
            chance.shuffle(items)
            return dict(items)
        if isinstance(value, list):
            return chance.sample(value, len(value))
        return value

    assert sorted(ids(plan_of(shuffled(content)))) == sorted(ids(plan_of(content)))


@few
@given(content=contents())
def test_every_cell_is_one_configuration_and_seed_and_has_its_clean_arm(content):
    cells = plan_of(content)
    assert len(set(ids(cells))) == len(cells)
    pairs = {(cell.config_id, cell.seed) for cell in cells}
    configs = {cell.config_id for cell in cells}
    assert pairs == {(config, seed) for config in configs for seed in content["seeds"]}
    clean = {cell.config_id for cell in cells if cell.arm == "clean"}
    assert bool(clean) is content["clean_arm"]
    for cell in cells:
        own = {k: v for k, v in cell.settings.items() if not k.startswith("adversary.")}
        if cell.clean_id in clean:
            arm = next(each for each in cells if each.config_id == cell.clean_id)
            rest = {k: v for k, v in arm.settings.items() if not k.startswith("adversary.")}
            assert rest == own  # the same settings, but for the perturbation


@few
@given(content=contents())
def test_overrides_mean_what_the_same_lines_in_the_file_mean(content, tmp_path_factory):
    folder = tmp_path_factory.mktemp("overrides")
    bare = {"name": "made", "task": "rte", "model": {"name": "some/encoder"}}
    words = [f"seeds={content['seeds']}", f"clean_arm={str(content['clean_arm']).lower()}"]
    for section in ("adversary", "trainer", "data"):
        for name, value in content.get(section, {}).items():
            words.append(f"{section}.{name}={json.dumps(value)}".replace('"grid"', "grid"))
    path = folder / "space.yaml"
    path.write_text(json.dumps(bare), "utf-8")
    space = load_space(path, words, tasks=TASKS)
    assert sorted(ids(planned(space).cells)) == sorted(ids(plan_of(content)))


# --- names by content

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**6), 10**6) | POSITIVE | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)


@few
@given(st.dictionaries(st.text(min_size=1, max_size=4), VALUES, max_size=4))
def test_a_mappings_name_is_of_its_content_alone(content):
    name = digest(content)
    assert re.fullmatch("[0-9a-f]{12}", name)
    assert digest(dict(reversed(content.items()))) == name
    assert digest(json.loads(json.dumps(content))) == name
    assert digest({**content, "another": 1}) != name


def test_what_is_not_finite_has_no_name():
    for value in (math.nan, math.inf):
        with pytest.raises(ValueError, match="not JSON compliant"):
            digest({"a": value})


# --- ranks


@given(st.lists(st.lists(st.sampled_from([0.1, 0.2, 0.5, None]), min_size=1, max_size=3),
                min_size=1, max_size=6))  # fmt: skip
def test_places_are_those_of_the_complete_means_and_ties_share_one(rows):
    found = [
        standing([(CellState.DONE if s is not None else CellState.FAILED, s) for s in row], 1)
        for row in rows
    ]
    ordered = sorted(found, key=lambda each: each.order)
    given = places(ordered)
    complete = sorted((sum(row) / len(row) for row in rows if None not in row), reverse=True)
    wanted = [1 + sum(other > mean + 1e-12 for other in complete) for mean in complete]
    assert [place for place in given if place is not None] == wanted
    assert given[len(complete) :] == [None] * (len(rows) - len(complete))


def test_equal_means_share_a_place_whatever_the_order_of_their_sums():
    for scores in permutations([0.1, 0.2, 0.3, 0.7]):
        first = standing([(CellState.DONE, score) for score in scores], 1)
        second = standing([(CellState.DONE, score) for score in reversed(scores)], 1)
        assert places(sorted([first, second], key=lambda each: each.order)) == [1, 1]


# --- files

TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), max_size=12)
FORMULA = ("=", "+", "-", "@", "\t", "\n", "＝", "＋", "－", "＠")


@few
@given(st.lists(st.tuples(TEXTS, st.integers(-99, 99), POSITIVE), min_size=1, max_size=4))
def test_what_is_written_as_csv_is_read_back_and_no_text_is_a_formula(rows):
    text = to_csv(("text", "count", "size"), rows)
    back = list(csv.reader(io.StringIO(text)))[1:]
    for (word, count, size), (said, number, real) in zip(rows, back, strict=True):
        assert said == (f"'{word}" if word.startswith(FORMULA) else word)
        assert (int(number), float(real)) == (count, size)
    frame = pd.read_csv(io.StringIO(text), keep_default_na=False)
    assert frame["count"].tolist() == [count for _, count, _ in rows]


def test_lists_and_nothing_stand_in_csv_as_json_and_as_an_empty_field():
    text = to_csv(("=a", "b"), [([1, {"c": None}], None), ("x\r\ny\rz", True)])
    assert list(csv.reader(io.StringIO(text))) == [
        ["'=a", "b"], ['[1, {"c": null}]', ""], ["x\ny\nz", "True"],
    ]  # fmt: skip


RECORDS = st.fixed_dictionaries(
    {
        "score": st.floats(0, 1),
        "dev_loss": st.floats(0, 1e6),
        "train_loss": st.floats(0, 1e6),
        "learning_rate": st.floats(0, 1),
        "train_seconds": st.floats(0, 1e6),
        "eval_seconds": st.floats(0, 1e6),
        "delta_norm": st.none() | st.floats(0, 1e3),
        "peak_gib": st.none() | st.floats(0, 1e3),
    }
)


@few
@given(facts=RECORDS, metric=st.floats(0, 1))
def test_an_epochs_numbers_come_back_to_the_last_bit(facts, metric, tmp_path_factory):
    rest = dict.fromkeys(("delta_ratio", "bound_share", "adv_loss_gain"))
    counts = {"epoch": 1, "step": 7, "passes": 21, "micro_batch": 8}
    record = EpochRecord(cell_id="a" * 12, metrics={"accuracy": metric}, **facts, **rest, **counts)
    path = tmp_path_factory.mktemp("log") / "epochs.jsonl"
    EpochLog(path).append(record)
    (back,) = read_epochs(path)
    assert back == record


# --- labels


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Yes", "yes"),
        ("  yes", "yes "),
        ("caf\u00e9", "cafe\u0301"),  # composed, and with a combining accent
        ("a\u200bb", "ab"),  # a space of no width
        ("1.0", "1"),
        ("true", "1"),
        ("1e2", "100"),
        ("new  york", "New York"),
    ],
)
def test_two_spellings_of_one_class_have_the_same_fold(one, other):
    assert fold_label(one) == fold_label(other)
    assert fold_label(fold_label(one)) == fold_label(one)


@pytest.mark.parametrize(
    ("one", "other"), [("01", "1"), ("yes", "yess"), ("a b", "ab"), ("-1", "1")]
)
def test_what_is_another_class_stays_one(one, other):
    assert fold_label(one) != fold_label(other)


@given(st.sampled_from([1, 1.0, "1", " 1 ", "1\n"]))
def test_a_number_is_the_same_label_however_it_is_written(value):
    assert label_text(value) == "1"
    assert label_number(("0", "1"), numbers=True)(value) == 1


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, "the label is null"),
        ("", "the label is empty"),
        ("nan", "the label is nan, which stands for no value; take the row out"),
        (math.inf, "a number too large to be one; write it as text"),
        ([1, 2], "the label is a list; expected one text or number .several labels for an exam"),
        ("['a', 'b']", "is a list in text; expected one text or number"),
        ({"a": 1}, "the label is a mapping; expected one text or number$"),
        ("x\ud83d", "half a character at 2, .ud83d"),
    ],
)
def test_what_is_no_label_is_told_with_what_it_is(value, said):
    with pytest.raises(ValueError, match=said):
        label_text(value)
