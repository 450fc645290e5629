import json
from collections import defaultdict

import pytest
from store_fixtures import SPACE, Search, cell, grid

from freelb_tune.results import build_table
from freelb_tune.results.page.cells import cells_of
from freelb_tune.results.statistics.comparing.comparison import Comparison, Verdict
from freelb_tune.results.tables.contents.axes import Shown
from freelb_tune.results.tables.contents.building import with_verdict
from freelb_tune.results.tables.contents.configuration import Spread
from freelb_tune.results.tables.formats.footer import footnotes
from freelb_tune.results.tables.formats.grid import print_ranking, print_table
from freelb_tune.results.tables.formats.sentences import (
    clean_sentence,
    configuration_name,
    entry_text,
)
from freelb_tune.store import load_store

# correct answers out of RTE's 277 dev examples in ParaGen's README, in the plan's order
PARAGEN = {16: (222, 222, 224, 222, 224), 32: (223, 224, 223, 221, 226)}

BATCH = "trainer.per_device_train_batch_size"


def paragen():
    """ParaGen's table as a search: each cell's best epoch is its second."""
    cells = grid()
    search = Search(cells)
    for each, right in zip(cells, (*PARAGEN[16], *PARAGEN[32]), strict=True):
        search.end(each, 0.6, right / 277, 0.79)
    return search


def table_of(search, folder, *, space=SPACE, verdict=None, task="rte"):
    table = build_table(load_store(search.write(folder, space=space, task=task)))
    return with_verdict(table, verdict) if verdict else table


def test_the_best_of_all_and_the_best_that_perturbs_are_named(tmp_path):
    search = Search([cell(1), cell(1, adv_lr=0.1), cell(1, adv_lr=0.2)])
    for each, score in zip(search.cells, (0.9, 0.7, 0.8), strict=True):
        search.end(each, score)
    best = [note for note in footnotes(table_of(search, tmp_path)) if note.startswith("Best by")]
    assert best == [
        "Best by its mean: clean arm (90.00), the model in best/; best that perturbs: adv_lr 0.2 "
        "(80.00), in best_adversarial/."
    ]
    search.end(search.cells[1], 0.95)
    table = table_of(search, tmp_path / "more")
    best = [note for note in footnotes(table) if note.startswith("Best by")]
    assert best == ["Best by its mean: adv_lr 0.1 (95.00), the model in best/."]


def test_a_model_that_is_another_ones_or_gone_is_said(tmp_path):
    search = Search([cell(1), cell(1, adv_lr=0.1), cell(1, adv_lr=0.2)])
    for each, score in zip(search.cells, (0.9, 0.7, 0.8), strict=True):
        search.end(each, score)
    folder = search.write(tmp_path / "rte_grid")

    def told(holder):
        (folder / "best").mkdir(exist_ok=True)
        (folder / "best" / "cell.json").write_text(json.dumps({"id": holder}))
        notes = footnotes(build_table(load_store(folder)))
        return next(note for note in notes if note.startswith("Best by"))

    clean, lower, higher = search.cells
    assert told(clean.id).endswith("in best/; best that perturbs: adv_lr 0.2 (80.00), not here.")
    assert told(higher.id) == (  # 0.1.0 let go of clean arms' models
        "Best by its mean: clean arm (90.00), the model not here: best/ holds that of adv_lr 0.2; "
        "best that perturbs: adv_lr 0.2 (80.00), in best/."
    )
    assert "best/ holds that of adv_lr 0.1; best that" in told(lower.id)
    assert "best/ holds that of an earlier plan's cell; best that" in told("0123456789ab")


def texts(table):
    """What the table's places say, bold in stars."""
    return [
        [
            "" if e is None else f"*{entry_text(e, table)}*" if e.is_bold else entry_text(e, table)
            for e in row.entries
        ]
        for row in table.rows
    ]


def one_row(*pairs):
    """A clean arm and one adversarial configuration: for each seed its scores and state."""
    search = Search([])
    search.cells = [cell(seed) for seed in range(len(pairs))]
    search.cells += [cell(seed, adv_lr=0.1) for seed in range(len(pairs))]
    for seed, (clean, tried) in enumerate(pairs):
        for each, (scores, state) in ((cell(seed), clean), (cell(seed, adv_lr=0.1), tried)):
            if state != "to come":
                search.end(each, *scores, state=state)
    return search


def test_the_readmes_table_comes_out_as_in_the_readme(tmp_path):
    table = table_of(paragen(), tmp_path)
    said = (
        "Under normal training (the clean arm), "
        "the accuracy on RTE is 80.14 (batch size=16) and 80.51 "
        "(batch size=32)."
    )
    assert clean_sentence(table) == said
    assert [[value.text for value in row.settings] for row in table.rows] == [
        ["0.05", "0.1", "0.1"],
        ["0.1", "0.1", "0.1"],
        ["0.05", "0.2", "0.2"],
        ["0.1", "0.2", "0.2"],
    ]
    # bold against the clean arm of the same column: 221/277 is below 223/277
    assert texts(table) == [
        ["*80.14*", "*80.87*"],
        ["*80.87*", "*80.51*"],
        ["*80.14*", "79.78"],
        ["*80.87*", "*81.59*"],
    ]


@pytest.mark.parametrize(
    ("bold", "wanted"),
    [
        ("best", ["*80.87*", "*80.87*", "*81.59*"]),  # two share the first column's best
        ("none", []),
        ("significant", []),
    ],
)
def test_bold_is_what_the_space_asks_for(tmp_path, bold, wanted):
    table = table_of(paragen(), tmp_path, space=SPACE.replace("at_least_clean", bold))
    assert [text for row in texts(table) for text in row if "*" in text] == wanted


def test_bold_is_significant_where_the_space_says_nothing(tmp_path):
    table = table_of(paragen(), tmp_path, space="")
    assert (table.layout.bold, table.layout.select) == ("significant", "best_epoch")


def test_the_old_name_of_at_least_clean_is_taken(tmp_path):
    table = table_of(
        paragen(), tmp_path, space=SPACE.replace("at_least_clean", "at_least_baseline")
    )
    assert table.layout.bold == "at_least_clean"


def test_significant_needs_a_verdict(tmp_path):
    space = SPACE.replace("at_least_clean", "significant")
    search = paragen()
    assert any(
        "was not worked out" in note for note in footnotes(table_of(search, tmp_path, space=space))
    )
    winner = search.cells[9].config_id
    verdict = Verdict("It is better.", better=frozenset({winner}), footnotes=("Mind the gap.",))
    table = with_verdict(build_table(load_store(tmp_path)), verdict)
    assert [text for row in texts(table) for text in row if "*" in text] == ["*81.59*"]
    assert footnotes(table)[-1] == "Mind the gap."


def test_the_last_epoch_is_shown_where_asked_for(tmp_path):
    table = table_of(paragen(), tmp_path, space=SPACE.replace("best_epoch", "last_epoch"))
    assert set(sum(texts(table), [])) == {"*79.00*"}
    assert any("counts with its last epoch" in note for note in footnotes(table))


def test_seeds_are_a_mean_a_sample_deviation_and_n(tmp_path):
    done = "done"
    table = table_of(
        one_row((([0.7], done), ([0.6], done)), (([0.8], done), ([0.9], done))), tmp_path
    )
    # (0.7, 0.8): mean 0.75, deviations 0.05 and 0.05, sample sd sqrt(0.005) = 0.0707
    assert "is 75.00 ± 7.07 (n=2)." in clean_sentence(table)
    # (0.6, 0.9): mean 0.75, sample sd sqrt(0.045) = 0.2121: as good as its clean arm, so bold
    assert texts(table) == [["*75.00 ± 21.21 (n=2)*"]]
    spread = table.rows[0].entries[0].config.spread("best_epoch")
    assert spread == Spread(2, pytest.approx(0.75), pytest.approx(0.045**0.5), pytest.approx(0.75))


def test_a_configuration_that_asha_stopped_says_where_and_what_it_had(tmp_path):
    done, stopped = "done", "stopped"
    seeds = [(([0.7], done), ([0.5, last], stopped)) for last in (0.55, 0.57)]
    assert texts(table_of(one_row(*seeds), tmp_path)) == [["stopped at epoch 2 (56.00, n=2)"]]


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ("failed", "99.00 (n=1; 1 of 2 seeds failed)"),
        ("diverged", "99.00 (n=1; 1 of 2 seeds diverged)"),
        ("to come", "99.00 (n=1; 1 of 2 seeds to come)"),
        (None, "99.00 (n=1; 1 of 2 seeds to come)"),
        ("stopped", "99.00 (n=1); stopped at epoch 2 (55.00)"),
    ],
)
@pytest.mark.parametrize("bold", ["best", "at_least_clean"])
def test_a_lucky_survivor_is_never_bold_and_ranks_last(tmp_path, state, said, bold):
    done = "done"
    search = one_row((([0.5], done), ([0.99], done)), (([0.5], done), ([0.55, 0.4], state)))
    other = [cell(seed, adv_lr=0.2) for seed in (0, 1)]
    search.cells += other
    for each in other:
        search.end(each, 0.3)
    table = table_of(search, tmp_path, space=SPACE.replace("at_least_clean", bold))
    survivor, complete = texts(table)
    assert survivor == [said]
    assert complete == (["*30.00 ± 0.00 (n=2)*"] if bold == "best" else ["30.00 ± 0.00 (n=2)"])
    ranks = [
        (each.place, each.entry.config.settings.get("adversary.adv_lr")) for each in table.ranking
    ]
    assert ranks == [(1, 0.2), (None, 0.1), (None, None)]


def test_a_clean_arm_with_a_seed_missing_makes_nothing_bold(tmp_path):
    search = one_row((([0.1], "done"), ([0.9], "done")), (([0.1], "failed"), ([0.9], "done")))
    table = table_of(search, tmp_path)
    assert texts(table) == [["90.00 ± 0.00 (n=2)"]]
    assert "is 10.00 (n=1; 1 of 2 seeds failed)." in clean_sentence(table)


@pytest.mark.parametrize(
    ("state", "said"),
    [("failed", "failed"), ("to come", "to come"), ("stopped", "stopped at epoch 2 (71.20)")],
)
def test_a_single_seed_says_what_became_of_it(tmp_path, state, said):
    table = table_of(one_row((([0.7], "done"), ([0.5, 0.712], state))), tmp_path)
    assert texts(table) == [[said]]


def test_a_search_in_which_everything_failed_has_a_table_that_says_so(tmp_path):
    cells = grid()
    search = Search(cells)
    for each in cells:
        search.end(each, state="diverged")
    table = table_of(search, tmp_path)
    assert texts(table) == [["diverged", "diverged"]] * 4
    assert footnotes(table)[0] == (
        "0 of 10 cells done, 10 diverged; there is nothing to compare; trials.csv says why cells "
        "failed."
    )
    assert clean_sentence(table).endswith(
        "is not known: diverged (batch size=16); diverged (batch size=32)."
    )


def test_a_search_under_way_says_how_far_it_is(tmp_path):
    cells = grid()
    search = Search(cells).end(cells[0], 0.5).end(cells[1], 0.5, state="stopped")
    assert footnotes(table_of(search.end(cells[2], 0.4, state=None), tmp_path))[0] == (
        "1 of 10 cells done, 1 stopped early, 8 to come."
    )


def test_settings_that_do_nothing_or_are_not_there_show_a_dash(tmp_path):
    one_pass = [cell(adv_steps=1, adv_lr=lr, init_mag=0.1, max_norm=0.5) for lr in (0.1, 0.2)]
    no_ball = cell(adv_lr=0.1, init_mag=0.1, max_norm=None)
    noise = cell(method="noise", init_mag=0.3)
    table = table_of(Search([*one_pass, no_ball, noise]), tmp_path)
    # adv_steps and method vary and stand in neither rows nor columns, so they are added
    assert [name.partition(".")[2] for name in table.row_names] == [
        "adv_lr", "init_mag", "max_norm", "method", "adv_steps",
    ]  # fmt: skip
    assert [[value.text for value in row.settings] for row in table.rows] == [
        ["-", "0.1", "-", "freelb", "1"],
        ["-", "0.1", "-", "freelb", "1"],
        ["0.1", "0.1", "none", "freelb", "3"],
        ["-", "0.3", "-", "noise", "3"],
    ]
    notes = footnotes(table)
    assert "Added to the rows, because it varies: method, adv_steps." in notes
    assert "Rows that look alike differ only in settings that do nothing there." in notes


def test_configurations_are_never_mixed_whatever_the_rows_leave_out(tmp_path):
    space = SPACE.replace("[adv_lr, init_mag, max_norm]", "[adv_lr]")
    table = table_of(paragen(), tmp_path, space=space)
    assert table.row_names == ("adversary.adv_lr", "adversary.init_mag", "adversary.max_norm")
    shown = [entry.config.config_id for row in table.rows for entry in row.entries]
    assert len(shown) == len(set(shown)) == 8


def test_a_setting_that_goes_with_the_column_needs_no_row(tmp_path):
    cells = grid()
    for each in cells:
        size = each.settings[BATCH]
        each.settings["trainer.max_steps"] = 32576 // size
    table = table_of(Search(cells), tmp_path)
    assert len(table.rows) == 4
    assert table.layout.tied == ("trainer.max_steps",)
    assert "Goes with batch size: max_steps." in footnotes(table)


def test_a_setting_that_the_space_ties_to_the_column_needs_no_row(tmp_path):
    cells = [cell(bsz=bsz, adv_lr=lr) for bsz in (16, 32) for lr in (0.1, 0.2)]
    for each in cells:
        each.settings["trainer.max_steps"] = 32576 // each.settings[BATCH]
    space = f"table: {{rows: [adv_lr], columns: {BATCH}}}\n"
    ties = f"tie:\n  - {{{BATCH}: [16, 32], trainer.max_steps: [2036, 1018]}}\n"
    assert len(table_of(Search(cells), tmp_path / "a", space=space + ties).rows) == 2
    # one configuration of each value would not show it
    few = [each for each in cells if each.settings["adversary.adv_lr"] == 0.1]
    assert len(table_of(Search(few), tmp_path / "b", space=space).rows) == 2


def test_what_is_the_same_in_all_rows_gets_no_column(tmp_path):
    cells = [cell(adv_lr=lr, init_mag=0.1, max_norm=0.3) for lr in (0.1, 0.2)]
    table = table_of(Search(cells), tmp_path)
    assert table.rank_names == ("adversary.adv_lr", BATCH)
    assert "The same in all rows: init_mag 0.1, max_norm 0.3." in footnotes(table)
    assert texts(table) == [["to come"]] * 2


METHODS = (
    {"method": "sam", "rho": 0.05, "adv_begin_step": 0},
    {"method": "asam", "rho": 0.5, "eta": 0.01, "adv_begin_step": 0},
    {"method": "rdrop", "adv_weight": 1.0},
)


def many_methods(folder, space=""):
    cells = [cell(), *(cell(**one) for one in METHODS)]
    search = Search(cells)
    for at, each in enumerate(cells):
        search.end(each, 0.5 + at / 10)
    return table_of(search, folder, space=space)


def test_a_setting_that_is_the_same_wherever_it_is_has_no_column_and_stands_in_no_name(tmp_path):
    table = many_methods(tmp_path)
    assert print_table(table).header == ("method", "rho", "Best accuracy")
    assert [configuration_name(each, table) for each in table.configurations] == [
        "method rdrop", "method asam, rho 0.5", "method sam, rho 0.05", "clean arm",
    ]  # fmt: skip
    assert table.swept == ["adversary.method", "adversary.rho"]
    shown = cells_of(load_store(tmp_path), table, frozenset(), defaultdict(str))
    rest = {each["name"]: dict(each["rest"]) for each in shown["configs"]}
    # what a cell was trained with is said beside the cell
    assert rest["method sam, rho 0.05"] == {"adversary.adv_begin_step": "0"}
    assert rest["method rdrop"] == {"adversary.adv_weight": "1.0"}


def test_a_column_that_was_asked_for_stays_though_it_tells_nothing(tmp_path):
    table = many_methods(tmp_path, space="table: {rows: [method, eta]}")
    assert print_table(table).header == ("method", "eta", "rho", "Best accuracy")
    assert configuration_name(table.best, table) == "method rdrop"


def test_names_stay_apart_where_only_having_a_setting_tells(tmp_path):
    cells = [cell(adv_lr=0.1), cell(adv_lr=0.1, max_norm=0.5, init_mag=0.2), cell(adv_lr=0.2)]
    table = table_of(Search(cells), tmp_path, space="")
    assert {configuration_name(each, table) for each in table.configurations} == {
        "adv_lr 0.1", "adv_lr 0.1, max_norm 0.5", "adv_lr 0.2",
    }  # fmt: skip


def test_a_grid_over_what_would_make_the_columns_has_it_as_its_rows(tmp_path):
    cells = [cell(bsz=bsz, adv_lr=0.1, init_mag=0.1) for bsz in (16, 32)]
    table = table_of(Search(cells), tmp_path, space=f"table: {{columns: {BATCH}}}")
    assert (table.row_names, len(table.rows)) == ((BATCH,), 2)


def test_of_configurations_that_were_ended_early_the_ranking_shows_what_they_had(tmp_path):
    cells = [cell(adv_lr=lr) for lr in (0.1, 0.2, 0.3, 0.4)]
    search = Search(cells)
    for each, *scores in ((cells[0], 0.7), (cells[1], 0.6, 0.5), (cells[2], 0.4, 0.65)):
        search.end(each, *scores, state="stopped")
    search.end(cells[3], 0.5, 0.5, 0.5)
    table = table_of(search, tmp_path)
    grid = print_ranking(table)
    best, last = (grid.header.index(f"{which} epoch mean") for which in ("best", "last"))
    # the one that was trained to its end, then who came farthest, of equals the better at that rung
    assert [(row[0].text, row[best].text, row[last].text) for row in grid.rows] == [
        ("1", "50.00", "50.00"),
        ("-", "65.00 by epoch 2", "65.00 by epoch 2"),
        ("-", "60.00 by epoch 2", "50.00 by epoch 2"),
        ("-", "70.00 by epoch 1", "70.00 by epoch 1"),
    ]


def test_in_a_random_search_every_setting_is_in_sight(tmp_path):
    cells = [cell(adv_lr=lr, init_mag=lr / 2) for lr in (0.11, 0.23, 0.07)]
    table = table_of(Search(cells), tmp_path, space="table: {columns: adv_lr}")
    assert table.row_names == ("adversary.init_mag",)
    assert [sum(entry is not None for entry in row.entries) for row in table.rows] == [1, 1, 1]


def test_without_a_layout_the_rows_are_what_varies(tmp_path):
    table = table_of(paragen(), tmp_path, space="")
    assert [name.rpartition(".")[2] for name in table.row_names] == [
        "adv_lr", "init_mag", "max_norm", "per_device_train_batch_size",
    ]  # fmt: skip
    assert table.column_values == (Shown(None, applies=False),)
    assert (table.measure.name, table.measure.better) == ("accuracy", "higher")
    assert table.has_row_clean_arms  # the clean arm depends on the batch size, which is a row now


def test_equal_means_share_a_place(tmp_path):
    places = [each.place for each in table_of(paragen(), tmp_path).ranking]
    # 226, then 224 three times, 223, 222 twice, 221; then the two clean arms
    assert places == [1, 2, 2, 2, 5, 6, 6, 8, None, None]


def test_where_less_is_better_less_is_better(tmp_path):
    search = one_row((([0.5], "done"), ([0.4, 0.6], "done")))
    space = "search: {metric: rmse}\ntable: {bold: at_least_clean}"
    table = table_of(search, tmp_path, space=space, task="regression")
    assert texts(table) == [["*0.4000*"]]
    assert "is 0.5000." in clean_sentence(table)


def test_a_clean_arm_that_is_switched_off_is_said(tmp_path):
    table = table_of(Search([cell(adv_lr=0.1)]).end(cell(adv_lr=0.1), 0.5), tmp_path)
    assert texts(table) == [["50.00"]]
    assert "was not measured: the clean arm is switched off." in clean_sentence(table)


def test_a_search_of_normal_training_alone_has_rows_too(tmp_path):
    cells = [cell(bsz=16), cell(bsz=32)]
    search = Search(cells).end(cells[0], 0.5).end(cells[1], 0.6)
    table = table_of(search, tmp_path, space="")
    assert table.row_names == ("trainer.per_device_train_batch_size",)
    assert texts(table) == [["50.00"], ["60.00"]]


def test_many_clean_arms_are_a_range_and_every_row_shows_its_own(tmp_path):
    cells = [each for bsz in range(8) for each in (cell(bsz=bsz), cell(bsz=bsz, adv_lr=0.1))]
    search = Search(cells)
    for place, each in enumerate(cells):
        search.end(each, place / 100)
    table = table_of(search, tmp_path, space="table: {rows: [bsz]}")
    assert clean_sentence(table).endswith("is 0.00 to 14.00 over 8 clean arms.")
    assert table.has_row_clean_arms
    del search.outcomes[cells[0].id]
    some = table_of(search, tmp_path / "some", space="table: {rows: [bsz]}")
    assert clean_sentence(some).endswith("is 2.00 to 14.00 over 7 of 8 clean arms.")


def test_a_plan_without_cells_has_a_table(tmp_path):
    table = table_of(Search([]), tmp_path)
    assert (table.rows, footnotes(table)[0]) == ((), "No cells are planned.")


def test_a_task_from_elsewhere_still_shows(tmp_path):
    search = one_row((([0.5], "done"), ([0.6], "done")))
    store = load_store(search.write(tmp_path, space=""))
    object.__setattr__(store, "task", "unheard_of")
    assert build_table(store).measure.task == "unheard_of"


def test_a_comparison_stands_beside_its_configuration(tmp_path):
    search = one_row((([0.5], "done"), ([0.6], "done")))
    tried = search.cells[-1]
    compared = Comparison(tried.config_id, tried.clean_id, 1, 0.1, -0.01, 0.21, 0.04, 0.04, False)
    table = table_of(search, tmp_path, verdict=Verdict("No.", (compared,)))
    assert table.ranking[0].entry.comparison == compared
