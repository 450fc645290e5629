"""Stored cells against a plan: what is said before anything runs, and which tables stay."""

from dataclasses import replace

from page_fixtures import Made
from store_fixtures import Search, cell

from freelb_tune.results import write_outputs
from freelb_tune.results.earlier import keep_earlier
from freelb_tune.store import load_store, match_sentence


def limited(each, limit, digit):
    settings = {**each.settings, "data.max_train_examples": limit}
    return replace(each, settings=settings, id=digit + each.id[1:])


def test_a_forgotten_override_is_named_with_both_its_values(tmp_path):
    stored = [limited(each, 200, "0") for each in (cell(1), cell(2))]
    search = Search(stored)
    for each in stored:
        search.end(each, 0.5)
    store = load_store(search.write(tmp_path))
    planned = [limited(each, None, "1") for each in (cell(1), cell(2))]
    assert match_sentence(store, planned) == (
        "0 of 2 stored cells match this plan; differs: data.max_train_examples 200 -> none; all "
        "cells of it are trained anew, and the stored ones are kept"
    )


def test_a_plan_with_more_than_is_stored_says_nothing(tmp_path):
    made = Made(ends={7: "waiting"})
    store = load_store(made.write(tmp_path))
    assert match_sentence(store, Made(rates=5).cells()) is None
    fewer = match_sentence(store, made.cells()[:4])
    assert fewer == "4 of 7 stored cells match this plan"


def test_other_data_under_the_same_settings_is_said(tmp_path):
    made = Made(rates=1)
    store = load_store(made.write(tmp_path))
    planned = [replace(c, id="f" + c.id[1:], data_fingerprint="other") for c in made.cells()]
    assert "differs: the content of the data;" in match_sentence(store, planned)


def test_the_old_tables_stay_until_a_cell_of_the_new_plan_is_done(tmp_path):
    write_outputs(Made().write(tmp_path))
    old = (tmp_path / "table.md").read_text()
    new = Search([cell(7), cell(8)])
    aside = keep_earlier(tmp_path)
    new.write(tmp_path)
    write_outputs(tmp_path)
    assert "0 of 2 cells done" in (tmp_path / "table.md").read_text()
    assert (aside / "table.md").read_text() == old
    assert keep_earlier(tmp_path) == aside  # a second start does not put empty ones in their place
    assert (aside / "table.md").read_text() == old
    new.end(new.cells[0], 0.5).write(tmp_path)
    write_outputs(tmp_path)
    assert not aside.exists()
