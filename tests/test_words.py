"""How numbers, names, times and problems are put into words, wherever a user meets them."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from store_fixtures import Search, cell

from freelb_tune.errors import FreeLBTuneError, counted, unknown_name
from freelb_tune.results.page.times import moment
from freelb_tune.results.statistics.answers.wording import POINTS, unit_of
from freelb_tune.results.statistics.comparing.comparison import Comparison, Interval
from freelb_tune.results.statistics.comparing.contrast import ONE_SEED
from freelb_tune.results.tables.contents.metric import Measure, measure_of
from freelb_tune.space.problems import Problems, shown
from freelb_tune.space.reading.track_section import TRACKERS, read_track
from freelb_tune.store import load_store

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize(
    "files", ["README.md", "docs/*.md", "search_spaces/**/*.yaml", "freelb_tune/**/*.py"]
)
def test_the_clean_arm_has_one_name(files):
    other = re.compile(r"normal training(?! \(the clean arm\))|\bbaseline", re.IGNORECASE)
    read = {path: path.read_text("utf-8") for path in sorted(ROOT.glob(files))}
    found = [
        f"{path.name}: {each[0]}" for path, text in read.items() for each in other.finditer(text)
    ]
    assert (bool(read), found) == (True, [])


@pytest.mark.parametrize(
    ("number", "thing", "said"),
    [
        (1, "GPU", "1 GPU"),
        (0, "cell", "0 cells"),
        (2, "cell", "2 cells"),
        (1.0, "GPU", "1 GPU"),
        (0.5, "GPU", "0.5 GPUs"),
    ],
)
def test_a_count_is_in_the_singular_for_one_alone(number, thing, said):
    assert counted(number, thing) == said


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("adv_lrr", "unknown name 'adv_lrr'; did you mean 'adv_lr'? known: adv_lr, max_norm"),
        ("ADV_LR", "unknown name 'ADV_LR'; did you mean 'adv_lr'? known: adv_lr, max_norm"),
        ("zzz", "unknown name 'zzz'; known: adv_lr, max_norm"),
    ],
)
def test_a_name_that_is_not_known_is_answered_with_the_likeliest_and_with_all(name, said):
    assert unknown_name(name, ["max_norm", "adv_lr"]) == said


# --- differences


@pytest.mark.parametrize(
    ("value", "said"),
    [(0.0111, "+1.1"), (-0.0111, "-1.1"), (-0.0001, "+0.0"), (0.0, "+0.0"), (None, "+0.0")],
)
def test_a_difference_has_its_sign_and_is_never_minus_nothing(value, said):
    assert POINTS.signed(value) == said


def test_scores_are_said_in_points_and_losses_as_they_are():
    loss = unit_of("rmse", "lower")
    assert (POINTS.size(0.04), loss.size(0.04)) == ("4.0 points", "0.0400 rmse")
    assert unit_of("accuracy", "higher") is POINTS
    assert POINTS.ends(Interval(0.0, -0.004, 0.026)) == "-0.4 to +2.6"


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({}, "+1.0 points"),
        ({"low": -0.005, "high": 0.025}, "+1.0 points (95 % interval over seeds -0.5 to +2.5)"),
        ({"low": -0.005, "high": 0.025, "other_examples": Interval(0.01, -0.02, 0.04)},
         "+1.0 points (95 % interval over seeds -0.5 to +2.5; on other examples -2.0 to +4.0)"),
        ({"low": -0.005, "high": 0.025, "note": ONE_SEED},
         "+1.0 points (95 % interval of these two models on other examples -0.5 to +2.5)"),
    ],
)  # fmt: skip
def test_an_interval_says_over_what_it_is(facts, said):
    assert POINTS.by(Comparison("a", "clean", 3, 0.01, **facts)) == said


# --- metrics


def test_a_score_is_printed_in_percent_and_an_error_as_it_is():
    accuracy, error = Measure("accuracy", "higher", "RTE"), Measure("rmse", "lower", "own")
    assert (accuracy.show(0.80144), error.show(0.80144)) == ("80.14", "0.8014")
    assert (accuracy.show_difference(-0.0108), error.show_difference(0.5)) == ("-1.08", "+0.5000")
    assert (accuracy.sign, error.sign) == (1, -1)
    assert (accuracy.unit, error.unit) == ("fraction", "as measured")


@pytest.mark.parametrize(
    ("task", "metric", "name", "better"),
    [
        ("rte", None, "accuracy", "higher"),
        ("mrpc", "f1", "f1", "higher"),
        ("regression", "rmse", "rmse", "lower"),
        ("gone", None, "score", "higher"),  # a plugin's task, and the plugin is not here
        ("gone", "own_score", "own_score", "higher"),
    ],
)
def test_a_search_is_judged_by_its_spaces_metric_or_its_tasks_first(
    tmp_path, task, metric, name, better
):
    asked = f"search: {{metric: {metric}}}\n" if metric else ""
    Search([cell()]).end(cell(), 0.5).write(tmp_path, space=f"name: x\n{asked}", task=task)
    found = measure_of(load_store(tmp_path))
    assert (found.name, found.better) == (name, better)


# --- times


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("2026-01-02T03:04:05Z", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("2026-01-02T05:04:05+02:00", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("2026-01-02 03:04:05", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),  # edited by hand
        ("yesterday", None),
        ("", None),
        (None, None),
    ],
)
def test_a_journals_time_is_read_whoever_wrote_it(text, found):
    assert moment(text) == found


# --- problems of a file


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("1e-5", "the text '1e-5'"),
        (None, "nothing (null)"),
        (True, "true"),
        ({"a": 1, "b": 2}, "the mapping {a, b}"),
        ({}, "an empty mapping"),
        ([1], "[1]"),
        (0.5, "0.5"),
    ],
)
def test_a_value_is_quoted_with_its_kind(value, said):
    assert shown(value) == said


def test_problems_are_told_once_each_in_the_files_order_with_their_places():
    problems = Problems("space.yaml", {"a": 3, "b.c": 1, "d": "override d=1", "e": 2})
    problems.raise_if_any()  # nothing was found
    for key, message in (("d", "late"), ("a", "third"), ("b", "first"), ("e.f", "second"),
                         ("a", "third"), ("g", "nowhere")):  # fmt: skip
        problems.add(key, message)
    assert len(problems) == 5
    with pytest.raises(FreeLBTuneError) as raised:
        problems.raise_if_any()
    assert str(raised.value).splitlines() == [
        "space.yaml: 5 problems",
        "  line 1, b: first",  # where what is in it stands
        "  line 2, e.f: second",  # where what is around it stands
        "  line 3, a: third",
        "  override d=1, d: late",
        "  g: nowhere",
    ]


@pytest.mark.parametrize(
    ("given", "names", "said"),
    [
        (None, (), []),
        ("mlflow", ("mlflow",), []),
        (["wandb", "mlflow", "wandb"], ("wandb", "mlflow"), []),
        (["wandv"], (), ["did you mean 'wandb'?"]),
        ([3, "trackio"], ("trackio",), ["expected names such as [tensorboard], got 3"]),
    ],
)
def test_trackers_are_named_one_by_one(given, names, said):
    problems = Problems("space.yaml", {})
    assert read_track({"track": given}, problems) == names
    assert len(problems) == len(said)
    for text in said:
        with pytest.raises(FreeLBTuneError) as raised:
            problems.raise_if_any()
        assert text in str(raised.value)
    assert set(names) <= set(TRACKERS)
