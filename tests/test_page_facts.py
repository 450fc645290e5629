"""The facts at the head of a search's page and in a notebook: each one worked out by hand."""

import json
import re

import pytest
from page_fixtures import Made
from store_fixtures import Search, cell, epoch

import freelb_tune as ft
from freelb_tune.results.page.facts import facts_of
from freelb_tune.results.page.overview import overview_of
from freelb_tune.results.tables.contents.building import build_table
from freelb_tune.results.tables.formats.footer import footnotes
from freelb_tune.results.tables.formats.sentences import (
    clean_sentence,
    configuration_name,
    progress,
    title,
)
from freelb_tune.store import EpochLog, Journal, cell_folder, load_store

EVIL = "<b onclick=alert(1)>&"


def told(folder):
    """Store and table of a folder, without a verdict."""
    store = load_store(folder)
    return store, build_table(store)


def facts(folder, environment=None):
    if environment is not None:
        (folder / "environment.json").write_text(json.dumps(environment))
    return dict(facts_of(*told(folder)))


def test_the_page_says_what_was_tried_and_how_it_was_trained(tmp_path):
    said = facts(Made(rates=3, sizes=2).write(tmp_path))
    assert said["Tried"] == (
        "6 configurations and 1 clean arm; method freelb; "
        "adv_lr 0.01, 0.02, 0.03; init_mag 0.1, 0.2"
    )
    assert said["Training"] == "learning_rate 2e-05, batch size 16"
    assert said["Seeds"] == "1, 2"
    assert said["Model"] == "roberta-base"
    assert said["Data"] == "RTE (fingerprint dddddddddddd)"
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d to \d\d:\d\d UTC", said["When"])


def test_of_many_values_the_first_and_the_last_are_named(tmp_path):
    said = facts(Made(rates=9).write(tmp_path))
    assert "adv_lr 9 values from 0.01 to 0.09" in said["Tried"]


@pytest.mark.parametrize(
    ("environment", "on", "by"),
    [
        ({}, None, None),
        ({"cpu": "a chip", "cpu_count": 4}, "a chip, 4 cores", None),
        ({"cpu_count": 2}, "CPU, 2 cores", None),
        ({"cpu": "c", "cpu_count": None}, "c", None),
        ({"devices": ["one GPU", "one GPU", "other"], "cpu": "c"}, "one GPU, other", None),
        ({"devices": "one", "cpu": "c", "cpu_count": 1}, "c, 1 core", None),
        ({"cpu": "c", "cpu_count": 1, "packages": {"torch": "2", "ray": "3"}}, "c, 1 core",
         "torch 2"),
        ({"cpu": "c", "cpu_count": 1, "packages": ["torch"]}, "c, 1 core", None),
    ],
)  # fmt: skip
def test_the_machine_and_the_versions_are_those_of_the_environment(tmp_path, environment, on, by):
    said = facts(Made(rates=1).write(tmp_path), environment)
    assert (said.get("On"), said.get("With")) == (on, by)


def test_several_data_sets_are_counted_and_have_no_single_fingerprint(tmp_path):
    from dataclasses import replace

    made = Made(rates=2)
    plain = made.cells()
    made.cells = lambda: [replace(each, data_fingerprint=f"of {each.arm}") for each in plain]
    assert facts(made.write(tmp_path))["Data"] == "RTE (fingerprint 2 data sets)"


@pytest.mark.parametrize(
    ("made", "state", "said"),
    [
        (Made(rates=1), "finished", "4 of 4 cells done."),
        (Made(rates=1, ends={3: "waiting"}), "interrupted", "3 of 4 cells done, 1 to come."),
        (Made(rates=1, ends=dict.fromkeys(range(4), "waiting")), "planned",
         "0 of 4 cells done, 4 to come."),
        (Made(rates=1, ends={3: "failed"}), "finished",
         "3 of 4 cells done, 1 failed; trials.csv says why cells failed."),
        (Made(rates=1, ends={2: "stopped", 3: "diverged"}), "finished",
         "2 of 4 cells done, 1 stopped early, 1 diverged; trials.csv says why cells failed."),
        (Made(rates=1, ends=dict.fromkeys(range(4), "failed")), "finished",
         "0 of 4 cells done, 4 failed; there is nothing to compare; trials.csv says why cells"),
    ],
)  # fmt: skip
def test_a_search_is_in_one_of_four_states_and_says_where_its_cells_are(
    tmp_path, made, state, said
):
    store, table = told(made.write(tmp_path))
    top = overview_of(store, table)
    assert (top.state, top.progress[: len(said)]) == (state, said)
    assert top.share == sum(each.state.is_over for each in store.cells) / 4
    assert progress(table) in footnotes(table)


def test_while_a_run_holds_the_folder_its_cells_are_counted_as_running(tmp_path):
    made = Made(rates=1, ends={2: None, 3: "waiting"}, closed=False)
    with Journal(made.write(tmp_path)):
        top = overview_of(*told(tmp_path))
    assert top.state == "running"
    assert top.progress == "2 of 4 cells done, 2 to come. 1 cell running now."


def test_without_a_verdict_the_page_says_what_makes_one(tmp_path):
    top = overview_of(*told(Made(rates=1).write(tmp_path)))
    assert top.verdict == "The verdict was not asked for here: freelb-tune report works it out."
    failed = Made(rates=1, ends=dict.fromkeys(range(4), "failed")).write(tmp_path / "failed")
    assert overview_of(*told(failed)).verdict.startswith("Every cell failed: there is nothing to")


def test_the_best_is_named_with_its_score_and_the_command_that_makes_it_again(tmp_path):
    store, table = told(Made(rates=2).write(tmp_path))
    first, *others = overview_of(store, table).best
    best = table.ranking[0].entry.config
    assert first.heading == "Best by its mean"
    assert first.name == configuration_name(best, table)
    assert first.name.startswith("adv_lr 0.0")
    assert first.score.endswith("(n = 2 seeds)")
    assert others == []  # it perturbs itself
    command, _, cell_id = first.again.rpartition(" ")
    assert command == "freelb-tune rerun out/rte_grid"  # as the search's own command leads to it
    known = {each.cell.id: each.cell for each in store.cells}
    assert known[cell_id].config_id == best.config_id


def test_a_clean_arm_that_is_best_is_said_with_the_best_that_perturbs(tmp_path):
    cells = [cell(seed) for seed in (1, 2)] + [cell(seed, adv_lr=0.1) for seed in (1, 2)]
    made = Search(cells)
    for each, score in zip(cells, (0.9, 0.9, 0.6, 0.7), strict=True):
        made.end(each, score)
    clean, tried = overview_of(*told(made.write(tmp_path))).best
    assert (clean.heading, clean.place) == ("Best by its mean: the clean arm", "in best/")
    assert (tried.heading, tried.place) == ("Best that perturbs", "in best_adversarial/")
    assert "accuracy 65.00 ± 7.07 (n = 2 seeds)" in tried.score


@pytest.mark.parametrize("select", ["best_epoch", "last_epoch"])
def test_the_sentences_name_what_they_are_of(tmp_path, select):
    cells = [cell(1), cell(1, adv_lr=0.1)]
    made = Search(cells).end(cells[0], 0.6, 0.5).end(cells[1], 0.7, 0.4)
    space = f"name: rte_grid\ntask: rte\ntable: {{rows: [adv_lr], select: {select}}}\n"
    _, table = told(made.write(tmp_path, space=space))
    clean = {"best_epoch": "60.00", "last_epoch": "50.00"}[select]
    assert title(table) == "rte_grid: accuracy on RTE"
    assert clean_sentence(table) == (
        f"Under normal training (the clean arm), the accuracy on RTE is {clean}."
    )
    notes = " ".join(footnotes(table))
    assert "One seed (1): nothing here tells how much a seed alone moves these numbers." in notes
    chosen = "chosen on the same dev set, so scores look better than they are"
    assert (chosen in notes) is (select == "best_epoch")


def test_a_notebook_shows_no_markup_of_a_setting(tmp_path):
    cells = [cell(1), cell(1, adv_lr=0.1, norm=EVIL)]
    made = Search(cells).end(cells[0], 0.6).end(cells[1], 0.7)
    space = "name: rte_grid\ntask: rte\ntable: {rows: [norm]}\n"
    shown = ft.open_results(made.write(tmp_path, space=space))._repr_html_()
    assert "<b onclick" not in shown
    assert "&lt;b onclick=alert(1)&gt;&amp;" in shown


def test_cells_that_two_logs_tell_otherwise_are_counted_once(tmp_path):
    cells = [cell(1), cell(1, adv_lr=0.1)]
    Search(cells).end(cells[0], 0.6).end(cells[1], 0.7).write(tmp_path)
    log = EpochLog(cell_folder(tmp_path, cells[1].id) / "epochs.jsonl")
    log.append(epoch(cells[1].id, 1, 0.7))  # told again after a kill
    store, table = told(tmp_path)
    assert [len(each.epochs) for each in store.cells] == [1, 1]
    assert table.ranking[0].entry.config.finished == 1
