import os
import random
import shutil
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from store_fixtures import Search, cell, grid, plan, table_text

from freelb_tune.results import write_outputs
from freelb_tune.results.statistics.comparing.comparison import Verdict
from freelb_tune.store import Journal

STABLE = ("trials.csv", "table.md", "table.csv", "table.tex", "table.json")
ALL = (*STABLE, "epochs.csv")
STATES = st.sampled_from(["done", "done", "stopped", "failed", "diverged", None])
SCORES = st.lists(st.integers(0, 277).map(lambda right: right / 277), max_size=3)

REPORT = """
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"torch", "ray", "transformers", "datasets"}:
            raise ImportError(f"{name} is not installed here")

sys.meta_path.insert(0, Refuse())
from pathlib import Path
from freelb_tune.results import write_outputs
write_outputs(Path(sys.argv[1]))
print(sorted({"numpy", "pandas", "scipy"} & set(sys.modules)))
"""


def outputs(folder, names=ALL):
    return {name: (folder / name).read_bytes() for name in names}


def two_seeds():
    """A plan of eight cells: two batch sizes, a clean and an adversarial arm, two seeds."""
    return [
        each
        for bsz in (16, 32)
        for arm in ({}, {"adv_lr": 0.1, "max_norm": None})
        for each in (cell(1, bsz=bsz, **arm), cell(2, bsz=bsz, **arm))
    ]


@st.composite
def searches(draw):
    """A search in which anything can have happened to each cell."""
    search = Search(two_seeds())
    for each in search.cells:
        scores, state = draw(SCORES), draw(STATES)
        if scores or state in ("failed", "diverged", None):
            search.end(each, *scores, state=state)
    return search


def written(search, **how):
    """What a search's outputs say, by name."""
    with tempfile.TemporaryDirectory() as home:
        folder = search.write(Path(home) / "rte_grid", **how)
        write_outputs(folder)
        return outputs(folder)


@settings(max_examples=10)
@given(search=searches(), chance=st.randoms(use_true_random=False))
def test_the_order_in_which_cells_run_changes_nothing(search, chance):
    order = list(search.outcomes)
    chance.shuffle(order)
    assert written(search) == written(search, order=order)


@settings(max_examples=10)
@given(search=searches())
def test_other_names_for_the_cells_change_no_number(search):
    names = {name: name[::-1] for each in search.cells for name in (each.id, each.config_id)}
    renamed = Search(
        [
            replace(c, id=names[c.id], config_id=names[c.config_id], clean_id=names[c.clean_id])
            for c in search.cells
        ],
        {names[cell_id]: outcome for cell_id, outcome in search.outcomes.items()},
    )
    first, second = written(search), written(renamed)
    for name, content in first.items():
        for old, new in names.items():
            content = content.replace(old.encode(), new.encode())
        assert content == second[name]


@settings(max_examples=10)
@given(search=searches())
def test_a_report_writes_the_same_bytes_from_journal_and_epochs_alone(search):
    with tempfile.TemporaryDirectory() as home:
        folder = search.write(Path(home) / "rte_grid")
        write_outputs(folder)
        first = outputs(folder)
        for name in ALL:
            (folder / name).unlink()
        write_outputs(folder)
        assert outputs(folder) == first


def test_a_search_cut_off_and_gone_on_with_writes_what_an_uncut_one_does(tmp_path):
    cells = two_seeds()
    scores = {each.id: [random.Random(each.id).random() for _ in range(3)] for each in cells}
    whole = Search(cells)
    for each in cells:
        whole.end(each, *scores[each.id])
    write_outputs(whole.write(tmp_path / "whole"))
    cut = Search(cells)
    for each in cells[:3]:
        cut.end(each, *scores[each.id])
    cut.end(cells[3], *scores[cells[3].id][:1], state=None)
    folder = cut.write(tmp_path / "cut")
    journal = folder / "journal.jsonl"
    journal.write_bytes(journal.read_bytes() + b'{"event":"fini')
    write_outputs(folder)
    rest = Search(cells)
    for each in reversed(cells[3:]):
        rest.end(each, *scores[each.id])
    write_outputs(rest.write(folder))
    assert outputs(folder, STABLE) == outputs(tmp_path / "whole", STABLE)


def test_a_report_needs_neither_ray_nor_torch_nor_pandas(tmp_path):
    cells = grid()
    search = Search(cells)
    for each in cells:
        search.end(each, 0.5, 0.75)
    folder = search.write(tmp_path / "rte_grid")
    write_outputs(folder)
    first = outputs(folder)
    for name in ALL:
        (folder / name).unlink()
    done = subprocess.run(
        [sys.executable, "-c", REPORT, str(folder)],
        capture_output=True, text=True, check=True,
        env={**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONHASHSEED": "7"},
    )  # fmt: skip
    assert done.stdout.strip() == "[]"
    assert outputs(folder) == first


def test_the_folders_place_and_name_change_nothing(tmp_path):
    folder = Search(grid()).write(tmp_path / "rte_grid")
    write_outputs(folder)
    first = outputs(folder)
    shutil.move(folder, tmp_path / "elsewhere")
    write_outputs(tmp_path / "elsewhere")
    assert outputs(tmp_path / "elsewhere") == first


def test_a_file_is_written_only_when_it_changes_and_no_draft_stays(tmp_path):
    Search([cell(), cell(2)]).end(cell(), 0.5).write(tmp_path)
    write_outputs(tmp_path)
    before = {name: (tmp_path / name).stat().st_ino for name in ALL}
    write_outputs(tmp_path)
    assert {name: (tmp_path / name).stat().st_ino for name in ALL} == before
    Search([cell(), cell(2)]).end(cell(2), 0.6).write(tmp_path)
    write_outputs(tmp_path)
    assert all((tmp_path / name).stat().st_ino != before[name] for name in ALL)
    assert not list(tmp_path.glob(".*.tmp"))


def test_cells_of_earlier_plans_are_counted_and_not_shown(tmp_path):
    Search([cell(1), cell(2)]).end(cell(1), 0.5).write(tmp_path)
    with Journal(tmp_path) as journal:
        plan(journal, [cell(1)])
    write_outputs(tmp_path)
    assert "- Not shown: 1 cell of earlier plans." in (tmp_path / "table.md").read_text()
    assert len((tmp_path / "trials.csv").read_text().splitlines()) == 2


def test_the_judge_reads_the_store_and_its_sentence_is_printed(tmp_path):
    Search([cell(1)]).end(cell(1), 0.5).write(tmp_path)
    text = table_text(tmp_path, lambda store, _: Verdict(f"{len(store.cells)} cell, no verdict."))
    assert "\n1 cell, no verdict.\n" in text


def test_an_odd_message_can_be_written(tmp_path):
    search = Search([cell(1)])
    search.write(tmp_path)
    with Journal(tmp_path) as journal:
        journal.append("failed", cell_id=cell(1).id, state="failed", message="a\udc80\n=b,\"'\x00")
    write_outputs(tmp_path)
    assert "a\\udc80" in (tmp_path / "trials.csv").read_text("utf-8")
