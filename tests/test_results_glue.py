"""Searches on several tasks as one GLUE table."""

import csv
import io
import json
import re
from importlib.resources import files
from statistics import fmean

import pandas as pd
import pytest
from glue_fixtures import glue_cell, write_search

from freelb_tune.errors import FreeLBTuneError
from freelb_tune.results.glue.files import glue_csv, glue_latex, glue_markdown, write_glue
from freelb_tune.results.glue.published import UNSTATED, figures_for
from freelb_tune.results.glue.table import build_glue
from freelb_tune.results.glue.text import glue_notes, print_glue
from freelb_tune.tasks import GLUE

MODEL = "FacebookAI/roberta-large"


def runs_of(task, arms, *, model=MODEL, weights="w1", state="done"):
    """Cells of one task: for each adversary (None: the clean arm) the metrics of each seed."""
    return [
        (glue_cell(task, seed, model=model, weights=weights, **(adversary or {})), [metrics], state)
        for adversary, values in arms
        for seed, metrics in enumerate(values, start=1)
    ]


def search(folder, task, arms, *, space="", **options):
    return write_search(folder / task, task, runs_of(task, arms, **options), space=space)


def rte(folder, normal=(0.70, 0.72), tried=((0.1, (0.74, 0.78)),), **options):
    """A search on RTE: accuracies by seed of the clean arm and of each adv_lr."""
    arms = [(None, [{"accuracy": value} for value in normal])]
    arms += [({"adv_lr": lr}, [{"accuracy": value} for value in values]) for lr, values in tried]
    return search(folder, "rte", arms, **options)


def texts(table):
    """The printed table as rows by heading."""
    grid = print_glue(table)
    return [dict(zip(grid.header, (t.text for t in row), strict=True)) for row in grid.rows]


def test_a_row_shows_both_arms_over_their_seeds(tmp_path):
    (row,) = build_glue([rte(tmp_path)]).rows
    assert row.normal.spreads[0].mean == pytest.approx(0.71)
    (first, average) = texts(build_glue([tmp_path / "rte"]))
    assert first["task"] == "RTE"
    # two seeds 0.02 apart have a deviation of 0.02 / sqrt 2 = 0.0141, and 0.04 apart the double
    assert first["clean arm"] == "71.00 ± 1.41 (n=2)"
    assert first["adversarial training"] == "76.00 ± 2.83 (n=2)"
    assert average["clean arm"] == "71.00"


@pytest.mark.parametrize(
    ("task", "metrics", "label", "shown"),
    [
        ("cola", {"matthews": 0.6, "accuracy": 0.8}, "Matthews", "60.00"),
        ("mrpc", {"accuracy": 0.8, "f1": 0.9}, "F1/accuracy", "90.00 / 80.00"),
        ("qqp", {"accuracy": 0.8, "f1": 0.9}, "F1/accuracy", "90.00 / 80.00"),
        ("stsb", {"pearson": 0.9, "spearman": 0.8}, "Pearson/Spearman", "90.00 / 80.00"),
        ("mnli", {"accuracy": 0.8, "mismatched.accuracy": 0.7}, "accuracy m/mm", "80.00 / 70.00"),
        ("mnli", {"accuracy": 0.8}, "accuracy m", "80.00"),
        ("qnli", {"accuracy": 0.8, "advglue.accuracy": 0.4}, "accuracy", "80.00"),
    ],
)
def test_a_task_has_glues_own_metrics(tmp_path, task, metrics, label, shown):
    folder = search(tmp_path, task, [(None, [metrics]), ({"adv_lr": 0.1}, [metrics])])
    first, average = texts(build_glue([folder]))
    assert first["metric"] == label
    assert first["adversarial training"] == f"{shown} (n=1)"
    score = fmean(float(value) for value in shown.split(" / "))
    assert float(average["adversarial training"]) == pytest.approx(score)


def test_every_glue_task_is_known_with_metrics_that_it_computes():
    for task in GLUE:
        known = {metric.name for metric in task.metrics}
        assert {name.rpartition(".")[2] for name in task.glue.reported} <= known


def test_metrics_are_read_at_the_epoch_that_the_score_chose(tmp_path):
    epochs = [{"accuracy": 0.8, "f1": 0.5}, {"accuracy": 0.7, "f1": 0.9}]
    folder = write_search(tmp_path / "m", "mrpc", [(glue_cell("mrpc", adv_lr=0.1), epochs, "done")])
    assert texts(build_glue([folder]))[0]["adversarial training"] == "50.00 / 80.00 (n=1)"
    last = write_search(
        tmp_path / "last", "mrpc", [(glue_cell("mrpc", adv_lr=0.1), epochs, "done")],
        space="table: {select: last_epoch}",
    )  # fmt: skip
    assert texts(build_glue([last]))[0]["adversarial training"] == "90.00 / 70.00 (n=1)"


def test_the_best_mean_over_seeds_is_chosen_and_said_to_be_chosen(tmp_path):
    # 0.2 has the best single seed, 0.1 the best mean
    tried = ((0.05, (0.71, 0.72)), (0.1, (0.76, 0.76)), (0.2, (0.50, 0.90)))
    table = build_glue([rte(tmp_path, tried=tried)])
    first = texts(table)[0]
    assert first["adversarial settings"] == "freelb: adv_lr 0.1; best of 3"
    assert first["adversarial training"] == "76.00 ± 0.00 (n=2)"
    assert "It was chosen on the same dev set" in " ".join(glue_notes(table))


def test_a_configuration_with_a_failed_seed_is_not_chosen_before_a_complete_one(tmp_path):
    runs = runs_of("rte", [({"adv_lr": 0.1}, [{"accuracy": 0.7}, {"accuracy": 0.7}])])
    lucky = runs_of("rte", [({"adv_lr": 0.2}, [{"accuracy": 0.9}, {"accuracy": 0.9}])])
    lucky[1] = (*lucky[1][:2], "failed")
    first = texts(build_glue([write_search(tmp_path / "a", "rte", [*lucky, *runs])]))[0]
    assert first["adversarial training"] == "70.00 ± 0.00 (n=2)"
    alone = texts(build_glue([write_search(tmp_path / "b", "rte", lucky)]))[0]
    assert alone["adversarial training"] == "90.00 (n=1; 1 of 2 seeds failed)"


def test_controls_do_not_pass_for_adversarial_training(tmp_path):
    arms = [
        ({"method": "noise", "adv_lr": 0.1}, [{"accuracy": 0.9}]),
        ({"method": "repeat", "adv_steps": 3}, [{"accuracy": 0.9}]),
        ({"method": "pgd", "adv_lr": 0.1}, [{"accuracy": 0.7}]),
    ]
    table = build_glue([search(tmp_path, "rte", arms)])
    first = texts(table)[0]
    assert first["adversarial settings"].startswith("pgd")
    assert "best of" not in first["adversarial settings"]
    assert first["clean arm"] == "-"
    assert "Controls (noise, repeat) are no adversarial training" in " ".join(glue_notes(table))


def test_the_average_is_over_tasks_of_the_mean_over_metrics(tmp_path):
    pairs = {
        "rte": {"accuracy": 0.7},
        "mrpc": {"accuracy": 0.8, "f1": 0.9},
        "mnli": {"accuracy": 0.9, "mismatched.accuracy": 0.8},
    }
    folders = [
        search(tmp_path, task, [(None, [metrics]), ({"adv_lr": 0.1}, [metrics])])
        for task, metrics in pairs.items()
    ]
    average = texts(build_glue(folders))[-1]
    assert average["metric"] == "3 tasks"
    assert average["clean arm"] == "80.00"  # (0.7 + 0.85 + 0.85) / 3


def test_wnli_is_in_one_average_and_out_of_the_other(tmp_path):
    wnli = search(
        tmp_path, "wnli", [(None, [{"accuracy": 0.5}]), ({"adv_lr": 0.1}, [{"accuracy": 0.5}])]
    )
    *_, both, rest = texts(build_glue([wnli, rte(tmp_path, normal=(0.7, 0.7))]))
    assert (both["metric"], both["clean arm"]) == ("2 tasks, with WNLI", "60.00")
    assert (rest["metric"], rest["clean arm"]) == ("1 task, without WNLI", "70.00")


def test_both_arms_are_averaged_over_the_same_tasks(tmp_path):
    half = search(tmp_path, "qnli", [(None, [{"accuracy": 0.9}])])
    table = build_glue([rte(tmp_path, normal=(0.7, 0.7)), half])
    average = texts(table)[-1]
    assert (average["metric"], average["clean arm"]) == ("1 task", "70.00")
    assert "Not in the average, as one arm has no finished seed: QNLI." in glue_notes(table)


def test_an_unfinished_search_is_said(tmp_path):
    runs = runs_of("rte", [(None, [{"accuracy": 0.7}])])
    runs += runs_of("rte", [({"adv_lr": 0.1}, [{"accuracy": 0.7}])], state=None)
    table = build_glue([write_search(tmp_path / "rte_grid", "rte", runs)])
    assert texts(table)[0]["adversarial training"] == "-"
    said = "RTE (rte_grid): the search is not complete: 1 of 2 cells done, 1 to come."
    assert said in glue_notes(table)


def test_a_race_that_is_over_is_complete(tmp_path):
    runs = runs_of("rte", [(None, [{"accuracy": 0.7}])])
    runs += runs_of("rte", [({"adv_lr": 0.1}, [{"accuracy": 0.7}])])
    runs += runs_of("rte", [({"adv_lr": 0.2}, [{}])], state="dropped")
    runs += runs_of("rte", [({"adv_lr": 0.3}, [{}])], state="spared")
    table = build_glue([write_search(tmp_path / "race", "rte", runs)])
    said = (
        "RTE (race): 2 of 4 cells done, 1 not run for being out of the race, 1 not needed by the "
        "race."
    )
    assert said in glue_notes(table)


def test_limits_on_the_data_are_said(tmp_path):
    runs = runs_of("rte", [(None, [{"accuracy": 0.7}])])
    runs[0][0].settings["data.max_train_examples"] = 300
    table = build_glue([write_search(tmp_path / "a", "rte", runs)])
    assert "RTE (a): Trained on at most 300 examples." in glue_notes(table)


def test_published_figures_stand_beside_their_model_with_their_statistic(tmp_path):
    table = build_glue([rte(tmp_path)])
    first = texts(table)[0]
    assert first["published clean arm"] == "86.6 (statistic not stated; ref 1)"
    number = re.fullmatch(
        r"88\.1 \(statistic not stated; ref (\d+)\)", first["published adversarial training"]
    )[1]
    lines = glue_markdown(table).splitlines()
    line = next(line for line in lines if line.startswith(f"| {number} | "))
    assert "| roberta-large | FreeLB | not stated | Aghajanyan et al., arXiv:2008.03156" in line


@pytest.mark.parametrize(
    ("method", "shown"),
    [
        pytest.param("smart", r"92\.0 \(best of 3; ref \d+\)", id="smart"),
        pytest.param("r3f", r"88\.5 \(max of 10; ref \d+\)", id="r3f"),
        pytest.param("pgd", "-", id="never-published-in-what-was-read"),
    ],
)
def test_the_published_figure_is_of_the_chosen_method(tmp_path, method, shown):
    folder = search(tmp_path, "rte", [({"method": method, "adv_lr": 0.1}, [{"accuracy": 0.7}])])
    assert re.fullmatch(shown, texts(build_glue([folder]))[0]["published adversarial training"])


def test_an_unpublished_model_has_no_figures(tmp_path):
    table = build_glue([rte(tmp_path, model="config:bert")])
    assert texts(table)[0]["published clean arm"] == "-"
    assert table.figures == ()
    assert "Published" not in glue_markdown(table).replace("published normal", "")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("roberta-base", True),
        ("FacebookAI/roberta-base", True),
        ("/models/roberta-base/", True),
        ("albert/albert-xxlarge-v2", True),
        ("xlm-roberta-base", False),
        ("results/rte/best", False),
    ],
)
def test_figures_are_matched_by_the_models_own_name(name, expected):
    assert bool(figures_for(name)) is expected


def test_every_published_figure_says_what_it_is():
    content = json.loads((files("freelb_tune.results.glue") / "published.json").read_text("utf-8"))
    metrics = {task.name: {*task.glue.reported} for task in GLUE}
    metrics["mnli"].add(UNSTATED)
    assert {each["source"] for each in content["figures"]} == set(content["sources"])
    for each in content["figures"]:
        assert each["statistic"]
        assert each["matches"]
        assert each["scores"]
        for task, scores in each["scores"].items():
            assert set(scores) <= metrics[task]
            assert all(50 < value < 100 for value in scores.values())


def test_different_models_are_refused_by_name_unless_mixed(tmp_path):
    large = rte(tmp_path)
    base = search(
        tmp_path, "qnli", [(None, [{"accuracy": 0.9}])], model="roberta-base", weights="w2"
    )
    with pytest.raises(
        FreeLBTuneError,
        match=rf"2 models .*: roberta-large \({large}\), roberta-base \({base}\); .*--mixed",
    ):
        build_glue([large, base])
    rows = texts(build_glue([large, base], mixed=True))
    assert [(row["task"], row["model"]) for row in rows] == [
        ("QNLI", "roberta-base"),
        ("RTE", "roberta-large"),
        ("average", "roberta-large"),
        ("average", "roberta-base"),
    ]


def test_a_search_over_models_shows_each_models_best(tmp_path):
    runs = runs_of("rte", [({"adv_lr": 0.1}, [{"accuracy": 0.7}])])
    runs += runs_of(
        "rte", [({"adv_lr": 0.1}, [{"accuracy": 0.6}])], model="roberta-base", weights="w2"
    )
    folder = write_search(tmp_path / "a", "rte", runs)
    with pytest.raises(FreeLBTuneError, match="2 models in one table"):
        build_glue([folder])
    first, second, *_ = texts(build_glue([folder], mixed=True))
    assert (first["model"], first["adversarial training"]) == ("roberta-large", "70.00 (n=1)")
    assert (second["model"], second["adversarial training"]) == ("roberta-base", "60.00 (n=1)")


def test_the_same_weights_under_two_names_are_one_model(tmp_path):
    other = search(tmp_path, "qnli", [(None, [{"accuracy": 0.9}])], model="/disk/roberta-large")
    assert build_glue([rte(tmp_path), other]).models == ("roberta-large",)


def test_other_weights_under_one_name_are_another_model(tmp_path):
    other = search(tmp_path, "qnli", [(None, [{"accuracy": 0.9}])], weights="w2")
    with pytest.raises(FreeLBTuneError, match=r"roberta-large \(w1\).*roberta-large \(w2\)"):
        build_glue([rte(tmp_path), other])


def test_a_task_named_twice_is_refused(tmp_path):
    first, second = rte(tmp_path / "a"), rte(tmp_path / "b")
    with pytest.raises(
        FreeLBTuneError, match=rf"'rte' of roberta-large stands twice, in {first} and {second}"
    ):
        build_glue([first, second])
    with pytest.raises(FreeLBTuneError, match="stands twice"):
        build_glue([first, first])


def test_a_folder_that_is_no_results_or_not_glue_is_refused(tmp_path):
    with pytest.raises(FreeLBTuneError, match="so this is no results folder"):
        build_glue([tmp_path])
    toy = search(tmp_path, "entailment_toy", [(None, [{"accuracy": 0.9}])])
    with pytest.raises(FreeLBTuneError, match="task 'entailment_toy' is not one of GLUE's: cola,"):
        build_glue([toy])
    empty = write_search(tmp_path / "empty", "rte", [])
    with pytest.raises(FreeLBTuneError, match="no cell was ever planned here"):
        build_glue([empty])


def test_the_csv_has_a_row_per_task_and_metric_with_numbers_as_numbers(tmp_path):
    metrics = {"accuracy": 0.8, "f1": 0.9}
    mrpc = search(tmp_path, "mrpc", [(None, [metrics]), ({"adv_lr": 0.1}, [metrics])])
    text = glue_csv(build_glue([mrpc, rte(tmp_path)]))
    assert len({len(row) for row in csv.reader(io.StringIO(text))}) == 1
    frame = pd.read_csv(io.StringIO(text))
    assert frame["task"].tolist() == ["MRPC", "MRPC", "RTE", "average"]
    assert frame["metric"].tolist() == ["F1", "accuracy", "accuracy", "2 tasks"]
    assert frame["adversarial"].tolist() == [90.0, 80.0, 76.0, 80.5]  # (85 + 76) / 2
    assert frame["adversarial_n"].tolist()[:3] == [1, 1, 2]
    assert frame["published_normal"].isna().tolist() == [True, False, False, True]
    assert frame["published_normal_statistic"][2] == "not stated"


def test_the_files_are_written_and_the_same_again(tmp_path):
    table = build_glue([rte(tmp_path)])
    paths = write_glue(table, tmp_path / "out")
    before = [path.read_bytes() for path in paths]
    assert [path.name for path in paths] == ["glue.md", "glue.csv", "glue.tex"]
    write_glue(build_glue([tmp_path / "rte"]), tmp_path / "out")
    assert [path.read_bytes() for path in paths] == before
    text = glue_latex(table)
    assert text.count("{") - text.count(r"\{") == text.count("}") - text.count(r"\}")
    assert "ref 1: roberta-large, standard, fairseq" in text


def test_every_row_of_the_markdown_is_as_long_as_its_header(tmp_path):
    text = glue_markdown(build_glue([rte(tmp_path, tried=((0.1, (0.7, 0.7)), (0.2, (0.6, 0.6))))]))
    tables = re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE)
    assert len(tables) == 2  # the table and the published figures
    for lines in tables:
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in lines.splitlines()}) == 1


def test_the_command_prints_the_table_and_writes_the_files(tmp_path, capsys):
    from typer.testing import CliRunner

    from freelb_tune.cli import app

    folder = rte(tmp_path)
    done = CliRunner().invoke(app, ["glue", str(folder), "--out", str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith("# GLUE, dev sets: roberta-large\n")
    assert (tmp_path / "out" / "glue.tex").is_file()
