"""Looks at a results folder: which verdicts are new ones, and what is shown before."""

import json

import pytest
from store_fixtures import SPACE, Search, cell

from freelb_tune.errors import FreeLBTuneError
from freelb_tune.results.analysis import analyse, judge
from freelb_tune.results.outputs import write_outputs
from freelb_tune.store import Journal, load_store, look_number, new_look

SIGNIFICANT = SPACE.replace("at_least_clean", "significant")


def seeds(*numbers):
    """A clean arm and an adversarial one over these seeds, the latter far better."""
    search = Search([cell(seed, **arm) for arm in ({}, {"adv_lr": 0.1}) for seed in numbers])
    for at, each in enumerate(search.cells):
        search.end(each, 0.6 + 0.2 * (each.arm == "adversarial") + at * at % 7 / 1000)
    return search


def printed(folder, judge=None):
    write_outputs(folder, judge)
    return (folder / "table.md").read_text("utf-8")


def looked(folder):
    """What a search does at its end."""
    look = new_look(load_store(folder))
    if look is not None:
        with Journal(folder) as journal:
            journal.append("looked", at="", **look)
    return look


def test_a_completed_search_takes_one_look_however_often_it_is_run_or_reported(tmp_path):
    seeds(1, 2, 3).write(tmp_path, space=SIGNIFICANT)
    assert looked(tmp_path)["look"] == 1
    assert looked(tmp_path) is None
    write_outputs(tmp_path, judge)
    store = load_store(tmp_path)
    assert (len(store.looks), look_number(store)) == (1, 1)
    assert any(note.startswith("First look at these") for note in analyse(store).verdict.footnotes)


def test_each_look_with_more_seeds_has_less_of_the_chance(tmp_path):
    p_values = []
    for look, numbers in enumerate(([1, 2, 3], [1, 2, 3, 4], [1, 2, 3, 4, 5]), start=1):
        seeds(*numbers).write(tmp_path, space=SIGNIFICANT)
        assert looked(tmp_path)["look"] == look
        told = analyse(load_store(tmp_path)).verdict
        one = told.comparisons[0]
        p_values.append(one.p_adjusted / one.p)
        assert len(load_store(tmp_path).looks) == look
    # 4 % of 5 %, then 0.5 % and 0.167 %
    assert p_values == pytest.approx([1 / 0.8, 1 / 0.1, 1 / (0.2 / 6)])
    assert "Look 3 at these results: of the 5 % chance" in " ".join(told.footnotes)
    assert "it has 0.17 %" in " ".join(told.footnotes)


def test_going_back_to_seeds_that_were_looked_at_is_no_new_look(tmp_path):
    for numbers in ([1, 2, 3], [1, 2, 3, 4]):
        seeds(*numbers).write(tmp_path)
        looked(tmp_path)
    seeds(1, 2, 3).write(tmp_path)
    assert looked(tmp_path) is None
    assert look_number(load_store(tmp_path)) == 1


def test_another_epoch_of_the_same_cells_is_another_look(tmp_path):
    seeds(1, 2, 3).write(tmp_path)
    looked(tmp_path)
    (tmp_path / "space.yaml").write_text(SPACE.replace("best_epoch", "last_epoch"))
    assert looked(tmp_path)["look"] == 2


def test_another_margin_is_no_new_look(tmp_path):
    seeds(1, 2, 3).write(tmp_path)
    looked(tmp_path)
    (tmp_path / "space.yaml").write_text(SPACE + "verdict: {margin: 1.0}\n")
    assert looked(tmp_path) is None


@pytest.mark.parametrize("state", [None, "to come"])
def test_before_the_planned_end_nothing_is_said_of_a_difference(tmp_path, state):
    search = seeds(1, 2, 3)
    if state is None:
        search.end(search.cells[-1], 0.8, state=None)  # begun, and cut off
    else:
        del search.outcomes[search.cells[-1].id]
    search.write(tmp_path, space=SIGNIFICANT)
    assert looked(tmp_path) is None
    write_outputs(tmp_path, judge)
    told = analyse(load_store(tmp_path)).verdict
    assert told.sentence == "Verdict after 1 more cell."
    assert (told.comparisons, told.better) == ((), frozenset())
    text = printed(tmp_path, judge)
    assert "Verdict after 1 more cell." in text
    assert "Nothing is bold before the verdict." in text
    for word in ("95 % interval", "adjusted p", "better than the clean", "**"):
        assert word not in text
    for name in ("table.md", "table.tex", "report.html"):
        assert "Verdict after 1 more cell." in (tmp_path / name).read_text()
    content = json.loads((tmp_path / "table.json").read_text())
    assert content["verdict"]["comparisons"] == []
    header, *rows = (tmp_path / "configurations.csv").read_text().splitlines()
    hidden = ("difference", "low", "p_adjusted", "gain_below", "p_equivalent", "harmful")
    places = [at for at, name in enumerate(header.split(",")) if name in hidden]
    assert len(places) == len(hidden)
    assert all(row.split(",")[at] == "" for row in rows for at in places)


def test_at_least_its_clean_arm_is_no_bold_before_the_end_either(tmp_path):
    search = seeds(1, 2, 3)
    search.cells += [cell(seed, adv_lr=0.2) for seed in (1, 2, 3)]
    search.write(tmp_path)
    assert "**" not in printed(tmp_path)
    for each in search.cells[-3:]:
        search.end(each, 0.7)
    search.write(tmp_path)
    assert "**" in printed(tmp_path)


def test_a_limit_is_a_planned_end(tmp_path):
    search = seeds(1, 2, 3)
    del search.outcomes[search.cells[-1].id]
    search.write(tmp_path)
    with Journal(tmp_path) as journal:
        journal.append("ended", by="wall_hours", limit=1.0)
    assert looked(tmp_path)["look"] == 1
    assert "Verdict after" not in printed(tmp_path, judge)


def test_a_folder_of_format_1_has_its_completed_runs_as_looks(tmp_path):
    seeds(1, 2, 3).write(tmp_path)
    path = tmp_path / "journal.jsonl"
    path.write_text(path.read_text().replace('"format":2,', "").replace('"format": 2, ', ""))
    store = load_store(tmp_path)
    assert (len(store.looks), look_number(store)) == (1, 1)


def test_a_look_that_is_not_of_this_folder_is_refused(tmp_path):
    seeds(1, 2).write(tmp_path)
    with Journal(tmp_path) as journal:
        journal.append("looked", at="", look=1, cells=["abcdefabcdef"], shown="None, best_epoch")
    with pytest.raises(FreeLBTuneError, match="cell abcdefabcdef, which this folder never planned"):
        load_store(tmp_path)


@pytest.mark.parametrize(
    ("number", "state", "found"),
    [(3, "done", "found look 3, after 0 looks"), (1, "running", "which had not finished")],
)
def test_a_look_that_the_journal_cannot_have_had_is_refused(tmp_path, number, state, found):
    search = seeds(1, 2)
    if state == "running":
        search.end(search.cells[0], 0.6, state=None)
    search.write(tmp_path)
    cells = [search.cells[0].id]
    with Journal(tmp_path) as journal:
        journal.append("looked", at="", look=number, cells=cells, shown="None, best_epoch")
    with pytest.raises(FreeLBTuneError, match=found):
        load_store(tmp_path)
