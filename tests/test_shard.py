"""Parts of a plan: together they are the plan, and merged they are its search."""

import math
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from api_fixtures import TOY
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from search_fixtures import make_plan
from test_search_same import planned as planned_with_twins
from test_search_same import ran

import freelb_tune as ft
from freelb_tune.errors import FreeLBTuneError
from freelb_tune.search import SearchOptions, run_search
from freelb_tune.space.cells.parts import part_folder, read_part, take_part
from freelb_tune.store import load_store

SBATCH = Path(__file__).parents[1] / "examples" / "cluster" / "slurm_array.sbatch"


@given(
    configs=st.integers(1, 5),
    seeds=st.lists(st.integers(0, 9), min_size=1, max_size=5, unique=True),
    clean=st.booleans(),
    data=st.data(),
)
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
def test_all_parts_together_are_exactly_the_plan(tmp_path_factory, configs, seeds, clean, data):
    lrs = [round(0.01 * (at + 1), 2) for at in range(configs)]
    folder = tmp_path_factory.getbasetemp() / "parts"
    space, plan = make_plan(folder, adv_lr=lrs, seeds=seeds, clean_arm=clean)
    of = data.draw(st.integers(1, len(plan.cells)))
    parts = [take_part(plan, f"{n}/{of}", space.search) for n in range(1, of + 1)]
    assert sorted(c.id for part in parts for c in part.cells) == sorted(c.id for c in plan.cells)
    sizes = {len(part.cells) for part in parts}
    assert max(sizes) - min(sizes) <= 1
    for number, part in enumerate(parts, start=1):
        assert (part.part.number, part.part.of) == (number, of)
        assert part.part.whole == tuple(cell.id for cell in plan.cells)
        assert [c for c in plan.cells if c in part.cells] == list(part.cells)  # in its order
        # as few seeds as so many cells can have, and one more where it begins inside a seed's
        each = len(plan.cells) // len(seeds)
        assert len({c.seed for c in part.cells}) <= math.ceil(len(part.cells) / each) + 1


def test_as_many_parts_as_seeds_have_a_seed_each_with_its_clean_arm(tmp_path):
    space, plan = make_plan(tmp_path, seeds=[1, 2, 3], clean_arm=True)
    for number in (1, 2, 3):
        part = take_part(plan, f"{number}/3", space.search)
        assert {cell.seed for cell in part.cells} == {number}
        assert {cell.arm for cell in part.cells} == {"clean", "adversarial"}


def test_what_trains_the_same_is_in_one_part(tmp_path):
    space, plan = planned_with_twins(tmp_path)
    assert plan.twins
    found = []
    for number in (1, 2, 3):
        part = take_part(plan, f"{number}/3", space.search)
        cells = {(cell.config_id, cell.seed) for cell in part.cells}
        found += sorted(cells)
        for name, seed in cells:
            if name in plan.twins:
                assert (plan.twins[name].of, seed) in cells
        assert part.twins.keys() == {name for name, _ in cells} & plan.twins.keys()
    assert sorted(found) == sorted((cell.config_id, cell.seed) for cell in plan.cells)


@pytest.mark.parametrize("text", ["0/4", "5/4", "1", "1/4/2", "a/b", "1/0", " 1/2", "-1/2", "١/٢"])
def test_what_is_no_part_is_told(text):
    with pytest.raises(FreeLBTuneError, match=re.escape(f"--shard {text}: expected which part")):
        read_part(text)


@pytest.mark.parametrize(
    ("search", "said"),
    [
        ("{algorithm: asha}", "algorithm: asha decides as results arrive"),
        ("{algorithm: hyperband}", "algorithm: hyperband decides"),
        ("{algorithm: median}", "algorithm: median decides"),
        ("{algorithm: race}", "algorithm: race decides"),
        ("{algorithm: verdict}", "algorithm: verdict decides"),
        ("{algorithm: grid, wall_hours: 2}", r"search\.wall_hours would end each part"),
        ("{algorithm: grid, device_hours: 2}", r"search\.device_hours would end each part"),
    ],
)
def test_a_search_that_decides_as_results_arrive_has_no_parts(tmp_path, search, said):
    space, plan = make_plan(tmp_path, search=search, seeds=[1, 2], clean_arm=True)
    with pytest.raises(FreeLBTuneError, match=f"--shard 1/2: .*{said}"):
        take_part(plan, "1/2", space.search)


def test_nor_has_one_whose_configurations_are_proposed(tmp_path):
    space, plan = make_plan(
        tmp_path,
        search="{algorithm: random, samples: 3, sampler: tpe}",
        domain="uniform",
        adv_lr=[0.1, 0.2],
    )
    with pytest.raises(FreeLBTuneError, match="--shard 1/2: search with sampler: tpe decides"):
        take_part(plan, "1/2", space.search)


def test_more_parts_than_cells_are_refused_in_each(tmp_path):
    space, plan = make_plan(tmp_path)
    with pytest.raises(FreeLBTuneError, match="--shard 1/5: the plan has 4 cells to run, and so"):
        take_part(plan, "1/5", space.search)


def test_a_plan_of_a_part_lists_its_cells_and_the_power_of_the_whole(tmp_path):
    space = ft.Space.of({**TOY, "seeds": 3})
    whole, part = ft.plan(space, tmp_path), ft.plan(space, tmp_path, shard="2/3")
    assert len(part) * 3 == len(whole)
    assert f"{len(part)} cells: part 2/3 of the plan, which has {len(whole)}" in part.listing
    assert part.power == whole.power
    assert part.cost.updates * 3 == whole.cost.updates


def test_the_slurm_array_asks_for_as_many_parts_as_it_has_tasks():
    text = SBATCH.read_text("utf-8")
    subprocess.run(["bash", "-n", SBATCH], check=True)
    (tasks,) = re.findall(r"^#SBATCH --array=1-(\d+)$", text, re.MULTILINE)
    assert re.findall(r"^PARTS=(\d+)\b", text, re.MULTILINE) == [tasks]
    assert f"merge results/my_search.shard-*-of-{tasks}" in text
    words = set(re.findall(r" (--[a-z-]+)(?==| )", text.partition("freelb-tune --space")[2]))
    told = subprocess.run(
        [sys.executable, "-m", "freelb_tune.cli", "search", "--help"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert words
    assert all(word in told for word in words)


def test_parts_have_no_verdict_and_merged_they_are_the_search(tmp_path):
    space, plan = planned_with_twins(tmp_path)
    merged = tmp_path / "merged"

    def run(plan, folder):
        ran(folder, space, plan)  # so that nothing is left to run, and Ray does not start
        run_search(space, plan, folder, SearchOptions(dashboard=False))
        return folder

    whole, parts = run(plan, tmp_path / "whole"), []
    for number in (1, 2, 3):
        text = f"{number}/3"
        folder = tmp_path / part_folder(space.name, text)
        assert folder.name == f"twice.shard-{number}-of-3"
        parts.append(run(take_part(plan, text, space.search), folder))
        store = load_store(parts[-1])
        assert (store.shard, store.looks) == (text, ())
        table = " ".join((parts[-1] / "table.md").read_text("utf-8").split())
        assert f"Part {number} of 3 of a search: freelb-tune merge" in table
    lacks = (
        r"parts 1/3, 2/3 of a plan of [0-9]+ cells, of which they lack [0-9]+; name the other parts"
    )
    with pytest.raises(FreeLBTuneError, match=lacks):
        ft.merge(parts[:2], merged)
    other = shutil.copytree(parts[0], tmp_path / "other")
    journal = (other / "journal.jsonl").read_text("utf-8")
    (other / "journal.jsonl").write_text(journal.replace('"plan":[', '"plan":["0",'), "utf-8")
    with pytest.raises(FreeLBTuneError, match="its search has other cells .* parts of one plan"):
        ft.merge([*parts, other], merged)
    ft.merge(parts[::-1], merged)
    for name in ("trials.csv", "configurations.csv", "table.md", "table.csv", "selection.json"):
        assert (merged / name).read_text("utf-8") == (whole / name).read_text("utf-8"), name
    run_search(space, plan, merged, SearchOptions(dashboard=False))  # nothing is left to run
    assert len(load_store(merged).looks) == 1
    assert (merged / "table.md").read_text("utf-8") == (whole / "table.md").read_text("utf-8")
