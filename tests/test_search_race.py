"""A race over seeds: who runs, who is out, and that no kill or order changes a decision."""

import signal
from collections.abc import Callable
from pathlib import Path

import pytest
import search_fixtures
from ray import cloudpickle
from search_fixtures import Prepare, make_plan, train
from store_fixtures import table_text
from test_search_run import start, trained, wait_until

from freelb_tune.errors import FreeLBTuneError
from freelb_tune.results import build_table
from freelb_tune.results.tables.contents.metric import Measure
from freelb_tune.search import SearchOptions, Silent, Work, run_search
from freelb_tune.search.algorithms.registry import open_algorithm
from freelb_tune.search.driver.board import Board
from freelb_tune.search.driver.ledger import Ledger, Outputs
from freelb_tune.search.driver.listener import Guard
from freelb_tune.search.driver.selected.best import BestModel
from freelb_tune.space import Cell, Plan, Space, load_space, plan_cells
from freelb_tune.store import (
    CellState,
    EpochLog,
    cell_folder,
    load_store,
    read_journal,
    take_results,
)

cloudpickle.register_pickle_by_value(search_fixtures)  # workers have no path to the tests

SPACE = """\
name: raced
task: rte
model: roberta-base
trainer: {{per_device_train_batch_size: {{grid: [16, 32]}}}}
adversary: {{adv_steps: 2, adv_lr: {{grid: [0.01, 0.02, 0.03, 0.3]}}}}
seeds: {seeds}
search: {search}
"""


def planned(
    base: Path, search: str = "{algorithm: race}", seeds: int = 5, more: str = ""
) -> tuple[Space, Plan]:
    """Four adversarial configurations and a clean one in each of two batch sizes."""
    base.mkdir(exist_ok=True)
    (base / "raced.yaml").write_text(SPACE.format(search=search, seeds=seeds) + more)
    space = load_space(base / "raced.yaml")
    return space, plan_cells(space, data_fingerprint=lambda _: "d", model_fingerprint=lambda _: "w")


def score(cell: Cell) -> float:
    """With batches of 16, adv_lr 0.3 is far worse and the others are alike; of 32 all are worse."""
    lr = float(str(cell.settings.get("adversary.adv_lr", 0.0)))
    worse = 0.3 * (lr > 0.1) + 0.4 * (cell.settings["trainer.per_device_train_batch_size"] == 32)
    wobble = ((cell.seed * 7 + round(lr * 100) * 3) % 5) / 1000
    return round(0.9 - worse + wobble, 6)


def drive(
    folder: Path,
    space: Space,
    plan: Plan,
    *,
    kill_after: int | None = None,
    fails: tuple[str, ...] = (),
    order: Callable[[list[str]], list[str]] = list,
) -> list[str]:
    """Run a search's cells as Ray would, without Ray; returns those that were run, in order."""
    ran: list[str] = []
    with take_results(folder, space_yaml=space.to_yaml(), name="raced", task="rte") as journal:
        journal.append(
            "opened", at="", pid=1, version="0", command="", space="0", name="raced", task="rte",
            cells=[cell.id for cell in plan.cells], seeds=list(space.seeds),
        )  # fmt: skip
        journal.append_all(("planned", {"cell": cell.to_json()}) for cell in plan.cells)
        board = Board(
            plan.cells,
            Measure("accuracy", "higher", "RTE"),
            {cell.id: cell.id for cell in plan.cells},
        )
        for result in load_store(folder).cells:
            row = board[result.cell.id]
            row.state, row.scores = result.state, {e.epoch: e.score for e in result.epochs}
        best = BestModel(folder, ())
        ledger = Ledger(journal, board, best, Outputs(lambda: None), Guard(Silent()))
        algorithm = open_algorithm(space, ledger)
        while wanted := algorithm.wanted():
            for cell_id in order(wanted):
                if len(ran) == kill_after:
                    return ran
                ran.append(cell_id)
                ledger.started(cell_id)
                if cell_id in fails:
                    ledger.failed(cell_id, CellState.FAILED, "ValueError: no")
                    continue
                value = score(board[cell_id].cell)
                log = EpochLog(cell_folder(folder, cell_id) / "epochs.jsonl")
                log.append(search_fixtures.record_of(board[cell_id].cell, 1, value))
                ledger.add_epoch(cell_id, 1, value)
                ledger.finished(cell_id, CellState.DONE)
    return ran


def decisions(folder: Path) -> list[dict[str, object]]:
    return [entry for entry in read_journal(folder) if entry["event"] == "decided"]


def states(folder: Path) -> dict[str, tuple[CellState, str | None]]:
    return {r.cell.id: (r.state, r.message) for r in load_store(folder).cells}


def seeds_run(folder: Path) -> dict[tuple[object, object], int]:
    """Finished seeds by batch size and adv_lr; None is the clean arm."""
    counts: dict[tuple[object, object], int] = {}
    for each in load_store(folder).cells:
        settings = each.cell.settings
        key = (
            settings["trainer.per_device_train_batch_size"],
            settings.get("adversary.adv_lr"),
        )
        counts[key] = counts.get(key, 0) + (each.state is CellState.DONE)
    return counts


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A race that ran to its end."""
    base = tmp_path_factory.mktemp("whole")
    drive(base / "results", *planned(base))
    return base / "results"


def test_what_is_clearly_worse_gets_two_seeds_and_the_rest_all(whole):
    found = seeds_run(whole)
    alike = [(16, 0.01), (16, 0.02), (16, 0.03)]
    assert [found[key] for key in alike] == [5, 5, 5]
    assert {found[key] for key in found if key not in [*alike, (16, None)]} == {2}


def test_a_clean_arm_runs_the_seeds_of_its_contenders(whole):
    found = seeds_run(whole)
    assert (found[16, None], found[32, None]) == (5, 2)
    idle = [message for state, message in states(whole).values() if state is CellState.SPARED]
    assert idle == ["no configuration in the race needs it for a comparison"] * 3


def test_a_cell_that_never_ran_says_why(whole):
    said = {message for state, message in states(whole).values() if state is CellState.DROPPED}
    assert said == {"out of the race after 2 seeds: worse than the leader"}


def test_what_is_out_of_the_race_ranks_after_every_complete_one(whole):
    table = build_table(load_store(whole))
    placed = [each for each in table.ranking if each.place is not None]
    assert len(placed) == 3
    assert all(each.entry.config.finished == 5 for each in placed)
    text = table_text(whole)
    assert "3 of 5 seeds not run: out of the race" in text
    assert "tested out with at most 5 % chance" in text


@pytest.mark.parametrize("cut", range(0, 37, 4))
def test_a_race_killed_anywhere_decides_as_if_it_had_not_been(tmp_path, whole, cut):
    space, plan = planned(tmp_path)
    first = drive(tmp_path / "results", space, plan, kill_after=cut)
    before = decisions(tmp_path / "results")
    second = drive(tmp_path / "results", space, plan)
    assert decisions(tmp_path / "results")[: len(before)] == before
    assert decisions(tmp_path / "results") == decisions(whole)
    assert states(tmp_path / "results") == states(whole)
    assert not set(first) & set(second)


def test_the_order_in_which_cells_finish_decides_nothing(tmp_path, whole):
    drive(tmp_path / "results", *planned(tmp_path), order=lambda ids: ids[::-1])
    assert decisions(tmp_path / "results") == decisions(whole)


def test_a_race_with_one_left_is_over_and_the_winner_is_complete(tmp_path):
    more = "where: ['adversary.adv_lr != 0.02', 'adversary.adv_lr != 0.03']\n"
    drive(tmp_path / "results", *planned(tmp_path, more=more))
    assert seeds_run(tmp_path / "results")[16, 0.01] == 2
    (winner,) = [e for e in build_table(load_store(tmp_path / "results")).ranking if e.place]
    assert winner.entry.config.settings["adversary.adv_lr"] == 0.01
    said = {m for state, m in states(tmp_path / "results").values() if state is CellState.SPARED}
    assert any("is ahead of all others" in str(message) for message in said)


def test_a_budget_is_kept_and_its_cuts_are_called_so(tmp_path):
    drive(tmp_path / "results", *planned(tmp_path, "{algorithm: race, budget: 20}"))
    found = seeds_run(tmp_path / "results")
    assert sum(count for (_, lr), count in found.items() if lr is not None) <= 20
    said = {m for state, m in states(tmp_path / "results").values() if state is CellState.DROPPED}
    assert any("the budget keeps only the first in rank" in str(message) for message in said)


def test_a_failed_seed_puts_its_configuration_out(tmp_path):
    space, plan = planned(tmp_path)
    good = [c for c in plan.cells if c.settings.get("adversary.adv_lr") == 0.01][1]
    drive(tmp_path / "results", space, plan, fails=(good.id,))
    assert seeds_run(tmp_path / "results")[16, 0.01] == 1
    said = [m for state, m in states(tmp_path / "results").values() if m and "failed" in m]
    assert said == ["out of the race: a seed of its configuration failed"] * 3


def test_a_failed_cell_that_runs_again_changes_no_decision(tmp_path):
    space, plan = planned(tmp_path)
    good = [c for c in plan.cells if c.settings.get("adversary.adv_lr") == 0.01][1]
    drive(tmp_path / "results", space, plan, fails=(good.id,), kill_after=21)
    before = decisions(tmp_path / "results")
    assert len(before) == 1
    with take_results(
        tmp_path / "results", space_yaml=space.to_yaml(), name="raced", task="rte"
    ) as journal:
        journal.append("retried", cell_id=good.id)
    assert good.id in drive(tmp_path / "results", space, plan)
    assert decisions(tmp_path / "results")[:1] == before
    assert seeds_run(tmp_path / "results")[16, 0.01] == 2


def test_a_grid_on_the_same_folder_runs_what_the_race_left_out(tmp_path):
    race = planned(tmp_path)
    first = drive(tmp_path / "results", *race)
    second = drive(tmp_path / "results", *planned(tmp_path, "{algorithm: grid}"))
    assert {*first, *second} == {cell.id for cell in race[1].cells}
    assert {state for state, _ in states(tmp_path / "results").values()} == {CellState.DONE}


def test_a_race_with_another_budget_is_decided_anew(tmp_path):
    drive(tmp_path / "results", *planned(tmp_path, "{algorithm: race, budget: 16}"))
    spent = seeds_run(tmp_path / "results")
    assert set(spent.values()) == {2}
    drive(tmp_path / "results", *planned(tmp_path))
    assert seeds_run(tmp_path / "results")[16, 0.01] == 5


@pytest.mark.parametrize(
    ("search", "seeds", "match"),
    [
        pytest.param("{algorithm: race}", 1, "needs 2 seeds or more, got 1", id="seeds"),
        pytest.param("{algorithm: race, budget: 15}", 5, "needs 16 cells", id="budget"),
    ],
)
def test_a_race_that_cannot_be_is_refused_before_anything_begins(tmp_path, search, seeds, match):
    space, plan = planned(tmp_path, search, seeds)
    with pytest.raises(FreeLBTuneError, match=match):
        space.search.check(plan.compared, len(space.seeds))
    with pytest.raises(FreeLBTuneError, match=match):
        run_search(*planned(tmp_path, search, seeds), tmp_path / "results")
    assert not (tmp_path / "results").exists()


@pytest.mark.slow
def test_on_ray_a_killed_race_goes_on_with_its_decisions(tmp_path):
    # the first two score the same, so that neither is ever out
    grid = {"adv_lr": (0.05, 0.0500001, 0.01, 0.02), "seeds": (1, 2, 3, 4)}
    process = start(tmp_path, "{algorithm: race}", 0.2, **grid)
    journal = tmp_path / "results" / "journal.jsonl"
    wait_until(lambda: journal.exists() and '"decided"' in journal.read_text(), process)
    process.send_signal(signal.SIGKILL)
    process.wait()
    results = tmp_path / "results"
    before = decisions(results)
    known = {r.cell.id: len(r.epochs) for r in load_store(results).cells}
    space, plan = make_plan(tmp_path, search="{algorithm: race}", **grid)
    work = Work(Prepare(tmp_path / "orders"), train)
    search_fixtures.ensure_ray()
    run_search(space, plan, results, SearchOptions(dashboard=False), work=work)
    assert decisions(results)[: len(before)] == before
    assert decisions(results)[-1]["over"]
    for cell_id, epochs in known.items():
        assert [e for e in trained(tmp_path, cell_id) if e <= epochs] == list(range(1, epochs + 1))
    found = {state for state, _ in states(results).values()}
    assert found == {CellState.DONE, CellState.DROPPED}
    straight = tmp_path / "straight"
    space, plan = make_plan(straight, search="{algorithm: race}", **grid)
    run_search(space, plan, straight / "results", SearchOptions(dashboard=False), work=work)
    assert decisions(straight / "results") == decisions(results)
    assert states(straight / "results") == states(results)
    for name in ("trials.csv", "table.md", "selection.json"):
        assert (straight / "results" / name).read_bytes() == (results / name).read_bytes()
