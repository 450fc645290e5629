"""The ranking's further columns: what a configuration has cost, and further evaluation sets."""

import io
import json

import pandas as pd
import pytest
from glue_fixtures import glue_cell, write_search
from store_fixtures import table_text

from freelb_tune.results import build_table, write_outputs
from freelb_tune.results.tables.contents.cost import Cost, costs_of
from freelb_tune.results.tables.formats.table_csv_json import to_json, to_table_csv
from freelb_tune.space.settings.sections import TableConfig
from freelb_tune.store import load_store

TABLES = ("configurations.csv", "table.md", "table.csv", "table.tex", "table.json")


def search(folder, space="", **facts):
    """A clean arm and an adversarial one, two seeds each; one adversarial seed has failed."""
    scores = [{"accuracy": 0.5}, {"accuracy": 0.6}]
    runs = [(glue_cell("rte", seed), scores, "done") for seed in (1, 2)]
    runs.append((glue_cell("rte", 1, adv_lr=0.1), scores, "done"))
    runs.append((glue_cell("rte", 2, adv_lr=0.1), scores[:1], "failed"))
    return write_search(folder, "rte", runs, space=space, **facts)


def ranking(text):
    """The ranking of a Markdown table as a list of rows by heading."""
    lines = [line for line in text.partition("## Ranking")[2].splitlines() if line[:1] == "|"]
    header, _, *rows = ([cell.strip() for cell in line.strip("|").split("|")] for line in lines)
    return [dict(zip(header, row, strict=True)) for row in rows]


@pytest.mark.parametrize(
    ("space", "facts", "device", "hours"),
    [
        # two epochs of 1.5 s and 0.5 s are 4 s; a cell holds one device unless the space says more
        pytest.param("", {"peak_gib": None}, "CPU", 4 / 3600, id="one-core"),
        pytest.param("resources: {cpu: 4}", {"peak_gib": None}, "CPU", 16 / 3600, id="four-cores"),
        pytest.param("", {"peak_gib": 2.5}, "GPU", 4 / 3600, id="one-gpu"),
        pytest.param("resources: {gpu: 0.5}", {"peak_gib": 2.5}, "GPU", 2 / 3600, id="half-a-gpu"),
    ],
)
def test_cost_is_the_mean_over_finished_seeds_in_the_devices_hours(
    tmp_path, space, facts, device, hours
):
    costs = costs_of(load_store(search(tmp_path / "a", space, **facts)))
    assert costs.device == device
    # passes count on from epoch to epoch, so the last epoch's 60 are the cell's
    expected = Cost(60, pytest.approx(hours), facts["peak_gib"])
    assert list(costs.by_config.values()) == [expected, expected]


def test_a_configuration_without_a_finished_seed_has_no_cost(tmp_path):
    cell = glue_cell("rte", adv_lr=0.1)
    folder = write_search(
        tmp_path / "a", "rte", [(cell, [{"accuracy": 0.5}], "failed")], space="table: {cost: true}"
    )
    assert costs_of(load_store(folder)).by_config == {}
    assert ranking(table_text(folder))[0]["passes"] == "-"


def test_cost_stands_in_the_ranking_where_the_space_asks(tmp_path):
    folder = search(tmp_path / "a", "table: {cost: true}", peak_gib=2.5)
    text = table_text(folder)
    first = ranking(text)[0]
    assert (first["passes"], first["GPU-hours"], first["peak GiB"]) == ("60", "0.00111", "2.50")
    assert "GPU-hours, wall time of training and evaluation" in text
    table = build_table(load_store(folder))
    frame = pd.read_csv(io.StringIO(to_table_csv(table)))
    assert frame["passes"].tolist() == [60]
    assert frame["peak GiB"].tolist() == [2.5]
    cost = json.loads(to_json(table))["ranking"][0]["cost"]
    assert cost == {
        "device": "GPU", "passes": 60, "device_hours": pytest.approx(4 / 3600), "peak_gib": 2.5
    }  # fmt: skip


def test_without_being_asked_no_table_depends_on_the_clock(tmp_path):
    assert TableConfig().cost is False
    slow, fast = search(tmp_path / "a" / "rte"), search(tmp_path / "b" / "rte", train_seconds=9.0)
    write_outputs(slow)
    write_outputs(fast)
    for name in TABLES:
        assert (slow / name).read_bytes() == (fast / name).read_bytes()
    assert "hours" not in (slow / "table.md").read_text()


def test_times_enter_the_trials_in_their_own_column_alone(tmp_path):
    slow = search(tmp_path / "a" / "rte", "table: {cost: true}")
    fast = search(tmp_path / "b" / "rte", "table: {cost: true}", train_seconds=9.0)
    write_outputs(slow)
    write_outputs(fast)
    slow_trials, fast_trials = (pd.read_csv(folder / "trials.csv") for folder in (slow, fast))
    pd.testing.assert_frame_equal(
        slow_trials.drop(columns="seconds"), fast_trials.drop(columns="seconds")
    )
    assert (slow_trials["seconds"] < fast_trials["seconds"]).all()
    assert (slow / "table.md").read_bytes() != (fast / "table.md").read_bytes()


@pytest.mark.parametrize(
    ("select", "mean"),
    [
        # the first epoch is the best by dev accuracy, whatever the further set says of the second
        pytest.param("best_epoch", "45.00", id="best"),  # (0.50 + 0.40) / 2
        pytest.param("last_epoch", "80.00", id="last"),  # (0.90 + 0.70) / 2
    ],
)
def test_further_sets_show_their_mean_at_the_epoch_that_counts(tmp_path, select, mean):
    runs = [
        (
            glue_cell("rte", seed, adv_lr=0.1),
            [
                {"accuracy": 0.7, "advglue.accuracy": first},
                {"accuracy": 0.6, "advglue.accuracy": second},
            ],
            "done",
        )
        for seed, first, second in ((1, 0.5, 0.9), (2, 0.4, 0.7))
    ]
    folder = write_search(tmp_path / "a", "rte", runs, space=f"table: {{select: {select}}}")
    write_outputs(folder)
    text = (folder / "table.md").read_text()
    assert ranking(text)[0]["advglue accuracy"] == mean
    assert "In the ranking, advglue accuracy: the mean at the epoch that counts" in text
    assert pd.read_csv(folder / "trials.csv")["best_advglue.accuracy"].tolist() == [0.5, 0.4]
    epochs = pd.read_csv(folder / "epochs.csv")["advglue.accuracy"].tolist()
    assert epochs == [0.5, 0.9, 0.4, 0.7]
    further = json.loads((folder / "table.json").read_text())["ranking"][0]["further_sets"]
    assert f"{100 * further['advglue.accuracy']['mean']:.2f}" == mean


def test_only_the_searched_metric_of_a_further_set_enters_the_ranking(tmp_path):
    metrics = {"accuracy": 0.7, "f1": 0.6, "advglue.accuracy": 0.5, "advglue.f1": 0.4}
    folder = write_search(
        tmp_path / "a", "qqp", [(glue_cell("qqp", adv_lr=0.1), [metrics], "done")]
    )
    assert build_table(load_store(folder)).further == ("advglue.accuracy",)
    assert "f1" not in " ".join(ranking(table_text(folder))[0])
