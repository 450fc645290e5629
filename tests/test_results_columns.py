"""Columns are declared once: the files, the frames and docs/columns.md say the same."""

import csv
import io
from dataclasses import fields, replace

import pandas as pd
import pytest
from store_fixtures import Search, cell, epoch, grid

from freelb_tune.results import build_table
from freelb_tune.results.analysis import analyse
from freelb_tune.results.tables.columns.columns import EPOCHS, TRIALS
from freelb_tune.results.tables.columns.configuration_columns import CONFIGURATIONS
from freelb_tune.results.tables.contents.cost import costs_of
from freelb_tune.results.tables.formats.trials_csv import configurations_csv, epochs_csv, trials_csv
from freelb_tune.results.tables.frames import configurations_frame, epochs_frame, trials_frame
from freelb_tune.store import EpochLog, EpochRecord, cell_folder, load_store


def a_third(count):
    """A search of which so many cells are done, one failed, and the rest is to come."""
    search = Search(grid(seeds=(1, 2)))
    for place, each in enumerate(search.cells[:count]):
        search.end(each, 0.5, 0.6 + place / 100, state="failed" if place == 2 else "done")
    return search


def test_every_field_of_an_epoch_has_its_column():
    names = {each.name for each in EPOCHS}
    assert {field.name for field in fields(EpochRecord)} - names == {"metrics"}


@pytest.mark.parametrize("columns", [TRIALS, EPOCHS, CONFIGURATIONS])
def test_no_column_stands_twice_and_each_says_what_it_means(columns):
    assert len({each.name for each in columns}) == len(columns)
    assert all(each.meaning for each in columns)


def test_a_frame_is_the_same_before_the_first_epoch_halfway_and_at_the_end(tmp_path):
    stores = [load_store(a_third(n).write(tmp_path / str(n))) for n in (0, 7, 20)]
    frames = [trials_frame(store.cells, "higher") for store in stores]
    assert [len(frame) for frame in frames] == [20] * 3
    for frame in frames:
        assert frame.dtypes.to_dict() == frames[0].dtypes.to_dict()
        assert frame["best_accuracy"].dtype == frame["trainer.learning_rate"].dtype == "float64"
        assert frame["best_epoch"].dtype == frame["seed"].dtype == "Int64"
        assert frame["message"].dtype == "string"
    epochs = [epochs_frame(store.cells) for store in stores]
    assert [len(frame) for frame in epochs] == [0, 14, 40]
    for frame in epochs:
        assert frame.dtypes.to_dict() == epochs[0].dtypes.to_dict()
    ranked = [configurations_frame(build_table(store)) for store in stores]
    for frame in ranked:
        assert frame.dtypes.to_dict() == ranked[0].dtypes.to_dict()


def test_files_and_frames_hold_the_same_values(tmp_path):
    store = load_store(a_third(20).write(tmp_path))
    table = analyse(store)
    for frame, text in (
        (trials_frame(store.cells, "higher"), trials_csv(store.cells, "higher")),
        (epochs_frame(store.cells), epochs_csv(store.cells)),
        (configurations_frame(table), configurations_csv(table)),
    ):
        read = pd.read_csv(io.StringIO(text), dtype=frame.dtypes.to_dict())
        read = read.replace({"message": {"'=its loss is nan": "=its loss is nan"}})
        pd.testing.assert_frame_equal(read, frame)


@pytest.mark.parametrize(
    ("task", "unit"),
    [("rte", "fraction"), ("regression", "fraction; rmse as measured"), ("unknown", "fraction")],
)
def test_each_row_says_the_unit_of_its_scores(tmp_path, task, unit):
    one = cell(1)
    one = replace(one, settings={**one.settings, "task": task})
    store = load_store(Search([one]).end(one, 0.5, 0.6).write(tmp_path))
    for text in (trials_csv(store.cells, "higher"), epochs_csv(store.cells)):
        assert {row["unit"] for row in csv.DictReader(io.StringIO(text))} == {unit}


def test_an_apostrophe_before_a_formula_stands_in_the_file_alone(tmp_path):
    store = load_store(a_third(3).write(tmp_path))
    assert trials_frame(store.cells, "higher")["message"].dropna().tolist() == ["=its loss is nan"]
    assert "'=its loss is nan" in trials_csv(store.cells, "higher")


def test_trials_have_their_seconds_and_the_most_memory_of_any_epoch(tmp_path):
    folder = Search([cell(1), cell(2)]).write(tmp_path)
    for number, peak in ((1, 2.5), (2, 1.5)):
        record = epoch(cell(1).id, number, 0.5, peak_gib=peak)
        EpochLog(cell_folder(folder, cell(1).id) / "epochs.jsonl").append(record)
    Search([cell(1), cell(2)]).end(cell(1), state=None).write(folder)
    frame = trials_frame(load_store(folder).cells, "higher")
    assert frame["seconds"].tolist()[0] == 4.0  # two epochs of 1.5 s training and 0.5 s evaluation
    assert frame["peak_gib"].tolist()[0] == 2.5
    assert frame[["seconds", "peak_gib"]].isna().all(axis=1).tolist() == [False, True]


def test_on_a_cpu_the_peak_is_the_processs(tmp_path):
    folder = Search([cell(1)]).write(tmp_path)
    for number, held in ((1, 0.5), (2, 0.75)):
        record = epoch(cell(1).id, number, 0.5, process_gib=held)
        EpochLog(cell_folder(folder, cell(1).id) / "epochs.jsonl").append(record)
    Search([cell(1)]).end(cell(1)).write(folder)
    store = load_store(folder)
    assert trials_frame(store.cells, "higher")["peak_gib"].tolist() == [0.75]
    assert costs_of(store).device == "CPU"
    assert costs_of(store).by_config[cell(1).config_id].peak_gib == 0.75


def test_before_the_planned_end_a_row_has_its_scores_and_no_difference(tmp_path):
    store = load_store(a_third(16).write(tmp_path))
    rows = list(csv.DictReader(io.StringIO(configurations_csv(analyse(store)))))
    done = [row for row in rows if row["arm"] == "adversarial" and row["n"] == "2"]
    assert len(done) > 2
    assert all(row["mean"] and row["clean_mean"] for row in done)
    assert {(row["metric"], row["unit"]) for row in rows} == {("accuracy", "fraction")}
    told = ("difference", "low", "high", "gain_below", "p_adjusted", "p_equivalent", "better")
    assert {row[name] for row in rows for name in told} == {""}


def test_configurations_are_tidy_and_in_the_order_of_the_ranking(tmp_path):
    store = load_store(a_third(20).write(tmp_path))
    table = analyse(store)
    rows = list(csv.DictReader(io.StringIO(configurations_csv(table))))
    assert [row["config_id"] for row in rows] == [r.entry.config.config_id for r in table.ranking]
    first, clean = rows[0], rows[-1]
    assert (first["place"], first["arm"], clean["place"], clean["arm"]) == (
        ("1", "adversarial", "", "clean")
    )
    best = table.ranking[0].entry
    assert float(first["mean"]) == best.config.spread("best_epoch").mean
    assert float(first["clean_mean"]) == best.clean.spread("best_epoch").mean
    assert float(first["difference"]) == pytest.approx(best.comparison.difference, rel=1e-11)
    assert first["adversary.adv_lr"] == str(best.config.settings["adversary.adv_lr"])
    assert clean["adversary.adv_lr"] == clean["difference"] == ""
