"""ASHA over seeds on real Ray: one slot is enough, and a kill changes no decision."""

import signal
from pathlib import Path
from typing import Any

import pytest
from search_fixtures import make_plan
from test_search_run import lines, order, search, start, trained, trials_csv, wait_until

from freelb_tune.errors import FreeLBTuneError
from freelb_tune.search.driver.ledger import Ledger
from freelb_tune.store import CellState, load_store, read_journal

pytestmark = pytest.mark.slow  # each starts Ray, which takes some seconds

# Seed 60 scores 0.059 above seed 1, and a configuration 0.01 above the next: cell by cell, the
# second seeds of the worst would go on and the first seeds of the best would stop.
PLAN: dict[str, Any] = {
    "adv_lr": (0.03, 0.04, 0.01, 0.05, 0.02),
    "seeds": (1, 60),
    "search": "{algorithm: asha, grace_epochs: 1, reduction_factor: 3}",
}
ONE_AT_A_TIME: dict[str, Any] = {**PLAN, "resources": "{max_concurrent: 1}"}


def decisions(base: Path) -> list[dict[str, Any]]:
    return [entry for entry in read_journal(base / "results") if entry["event"] == "decided"]


def ends(base: Path) -> list[tuple[CellState, int]]:
    return [(r.state, len(r.epochs)) for r in load_store(base / "results").cells]


def begin(base: Path, seconds: float, **plan: Any) -> Any:
    """Start the search in a process of its own."""
    more = {name: value for name, value in plan.items() if name != "search"}
    return start(base, plan["search"], seconds, **more)


DONE, STOPPED = (CellState.DONE, 4), (CellState.STOPPED, 1)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A search with one slot, never interrupted."""
    base = tmp_path_factory.mktemp("whole")
    search(base, **ONE_AT_A_TIME)
    return base


def test_with_one_slot_seeds_wait_for_each_other_and_stop_or_go_on_together(whole):
    assert ends(whole) == [DONE, DONE, DONE, DONE, STOPPED, STOPPED, DONE, DONE, STOPPED, STOPPED]
    assert all(entry["seeds"] == [1, 60] for entry in decisions(whole))
    for cell, (_, epochs) in zip(load_store(whole / "results").cells, ends(whole), strict=True):
        assert trained(whole, cell.cell.id) == list(range(1, epochs + 1))


def test_killed_with_one_slot_and_run_again_it_ends_in_the_same_files(tmp_path, whole):
    process = begin(tmp_path, 0.3, **ONE_AT_A_TIME)
    wait_until(lambda: lines(tmp_path) >= 11, process)
    process.send_signal(signal.SIGKILL)
    process.wait()
    known = {r.cell.id: len(r.epochs) for r in load_store(tmp_path / "results").cells}
    assert sum(known.values()) < lines(whole)

    search(tmp_path, **ONE_AT_A_TIME)
    for name in ("trials.csv", "table.md", "table.csv"):
        there = tmp_path / "results" / name
        assert there.read_bytes() == (whole / "results" / name).read_bytes(), name
    assert decisions(tmp_path) == decisions(whole)
    for cell_id, epochs in known.items():
        once = trained(tmp_path, cell_id)
        assert [epoch for epoch in once if epoch <= epochs] == list(range(1, epochs + 1))


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict[str, Any]]]:
    """A search with two slots whose driver is killed; and what was decided before that.

    Of its configurations the first loses a worker in epoch 2, and the second a seed for good.
    """
    base = tmp_path_factory.mktemp("mixed")
    _, plan = make_plan(base, **PLAN)
    order(base, plan.cells[1].id, "die_once 2")
    order(base, plan.cells[2].id, "fail 1")
    process = begin(base, 0.3, **PLAN)
    wait_until(lambda: (base / "results").exists() and lines(base) >= 10, process)
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = decisions(base)
    search(base, **PLAN)
    return base, before


def test_what_was_decided_before_a_kill_stands_and_is_not_decided_again(mixed):
    base, before = mixed
    said = decisions(base)
    assert said[: len(before)] == before
    keys = [(entry["config_id"], entry["epoch"]) for entry in said]
    assert len(set(keys)) == len(keys)
    cells = load_store(base / "results").cells
    for cell, (_, epochs) in zip(cells, ends(base), strict=True):
        assert sorted(set(trained(base, cell.cell.id))) in ([1], list(range(1, epochs + 1)))


def test_a_failed_seed_does_not_keep_its_configuration_waiting(mixed):
    base, _ = mixed
    cells = load_store(base / "results").cells
    said = [entry for entry in decisions(base) if entry["config_id"] == cells[2].cell.config_id]
    assert [(entry["seeds"], entry["missing"]) for entry in said] == [([60], [1])] * len(said)
    assert said
    assert ends(base)[2] == (CellState.FAILED, 0)
    assert ends(base)[3] in (DONE, STOPPED)
    assert ends(base)[:2] == [DONE, DONE]
    assert "stopped at epoch 1" in (base / "results" / "table.md").read_text()
    assert trials_csv(base).count("failed") == 1


def test_a_decision_that_cannot_be_written_ends_the_search_in_its_own_words(tmp_path, monkeypatch):
    def full(*_: Any) -> None:
        raise FreeLBTuneError("no room on the disk")

    monkeypatch.setattr(Ledger, "decided", full)
    with pytest.raises(FreeLBTuneError, match="no room on the disk"):
        search(tmp_path, **ONE_AT_A_TIME)
    assert ends(tmp_path)[0] == (CellState.WAITING, 1)
    assert read_journal(tmp_path / "results")[-1]["event"] != "finished"
