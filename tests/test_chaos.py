"""What `make chaos` counts, on folders whose damage is known."""

import shutil

import pytest
from store_fixtures import Search as Written
from store_fixtures import cell

from bench.chaos.__main__ import _HEAD, Line, status, write_page
from bench.chaos.faults import FAULTS
from bench.chaos.search import Compared, Search, compare
from freelb_tune.results import write_outputs
from freelb_tune.store import Journal


@pytest.fixture
def pair(tmp_path):
    """An undisturbed search and a copy of it."""
    one, two = cell(1), cell(2)
    whole = Written([one, two]).end(one, 0.5, 0.6).end(two, 0.7, 0.8).write(tmp_path / "w/chaos")
    write_outputs(whole)
    shutil.copytree(tmp_path / "w", tmp_path / "d")
    return Search(tmp_path / "d", []), Search(tmp_path / "w", [])


def test_of_a_search_that_came_through_nothing_is_counted(pair):
    assert compare(*pair) == Compared(0, 0, 0, True)


def test_lost_and_doubled_epochs_changed_decisions_and_other_tables_are_counted(pair):
    search, whole = pair
    first, second = search.logs()
    first.write_bytes(b"".join(first.read_bytes().splitlines(keepends=True)[:1]))
    second.write_bytes(second.read_bytes() * 2)
    with Journal(search.folder) as journal:
        decided = {"config_id": "c", "epoch": 1, "score": 0.5, "missing": [], "decision": "stop"}
        journal.append("decided", **decided)
        journal.append("decided", **decided)  # a decision that is said again is no other one
    (search.folder / "table.md").write_text("another")
    assert compare(search, whole) == Compared(1, 2, 1, False)


def test_lines_come_into_the_page_in_the_order_of_the_faults(tmp_path):
    names = list(FAULTS)[:3]
    lines = [Line(name, FAULTS[name][0], "-9, 0", 0, 0, 0, "yes", 0, 9) for name in names]
    page = tmp_path / "chaos.md"
    page.write_text(f"before\n\n{_HEAD[0]}\n{_HEAD[1]}\n\nafter\n")
    write_page(page, [lines[2]])
    write_page(page, [lines[0]])
    again = Line(names[2], "said anew", "0", 1, 0, 0, "no", 0, 9)
    write_page(page, [again])
    rows = f"{lines[0]}\n{again}"
    assert page.read_text() == f"before\n\n{_HEAD[0]}\n{_HEAD[1]}\n{rows}\n\nafter\n"
    assert (lines[0].is_clean, again.is_clean) == (True, False)


def test_a_walk_that_did_not_do_all_of_it_ends_otherwise_than_a_clean_one():
    clean, changed = (Line("term", "SIGTERM", "130, 0", 0, 0, n, "yes", 0, 9) for n in (0, 1))
    found = [status([clean], []), status([clean], ["worker"]), status([changed], ["worker"])]
    assert found == [0, 3, 1]
