"""ASHA with a memory: decisions equal Ray's own, and survive a killed driver."""

import signal
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ray.tune.schedulers import ASHAScheduler, TrialScheduler
from search_fixtures import Prepare, make_plan, train
from test_search_run import lines, start, trained, wait_until

from freelb_tune.search import SearchOptions, Work, run_search
from freelb_tune.search.asha import Rungs
from freelb_tune.search.halving import Halving, Verdict
from freelb_tune.store import CellState, load_store, read_journal

# Scores in the order in which they arrive: (cell, epoch, score). Epochs 1 and 3 are rungs.
SEQUENCE = [
    ("a", 1, 0.50),
    ("b", 1, 0.70),
    ("c", 1, 0.60),
    ("b", 2, 0.71),
    ("d", 1, 0.72),
    ("b", 3, 0.75),
    ("d", 2, 0.70),
    ("a", 2, 0.51),
    ("d", 3, 0.74),
    ("a", 3, 0.90),
]


def vanilla(sequence: Sequence[tuple[str, int, float]], max_epochs: int) -> list[str]:
    """What Ray's ASHA says to a sequence, from a fresh start."""
    scheduler = ASHAScheduler(
        time_attr="epoch",
        metric="score",
        mode="max",
        max_t=max_epochs,
        grace_period=1,
        reduction_factor=3,
    )
    trials: dict[str, Any] = {}
    decisions = []
    for cell, epoch, score in sequence:
        if cell not in trials:
            trials[cell] = SimpleNamespace(trial_id=cell)
            scheduler.on_trial_add(None, trials[cell])
        said = scheduler.on_trial_result(None, trials[cell], {"epoch": epoch, "score": score})
        decisions.append("stop" if said == TrialScheduler.STOP else "continue")
    return decisions


def halving(known: Sequence[Verdict] = (), *, higher: bool = True) -> Halving:
    return Halving(9, 1, 3, higher, tuple(known))


def test_decisions_are_rays_own():
    rungs = Rungs(halving())
    said = [rungs.decide(*each, is_last=False)[0] for each in SEQUENCE]
    assert said == vanilla(SEQUENCE, 9)
    assert said.count("stop") == 2  # c at the first rung; d at the second, below b


@pytest.mark.parametrize("cut", range(len(SEQUENCE)))
def test_a_search_cut_anywhere_decides_as_if_it_had_not_been(cut):
    whole = vanilla(SEQUENCE, 9)
    known = [
        Verdict(*each, decision)  # type: ignore[arg-type]
        for each, decision in zip(SEQUENCE[:cut], whole, strict=False)
    ]
    rungs = Rungs(halving(known))
    again = [rungs.decide(*each, is_last=False) for each in SEQUENCE]  # known epochs come again
    assert [decision for decision, _ in again] == whole
    assert [is_new for _, is_new in again] == [False] * cut + [True] * (len(SEQUENCE) - cut)


def test_a_recorded_decision_stays_though_the_score_has_changed():
    rungs = Rungs(halving([Verdict("a", 1, 0.1, "continue"), Verdict("b", 1, 0.05, "stop")]))
    assert rungs.decide("b", 1, 0.99, is_last=False) == ("stop", False)


def test_where_lower_is_better_the_higher_one_stops():
    rungs = Rungs(halving(higher=False))
    assert rungs.decide("a", 1, 0.5, is_last=False) == ("continue", True)
    assert rungs.decide("b", 1, 0.6, is_last=False) == ("stop", True)
    assert rungs.decide("c", 1, 0.4, is_last=False) == ("continue", True)


def test_the_last_epoch_of_a_cell_is_never_a_stop():
    assert Rungs(halving()).decide("a", 9, 0.1, is_last=True) == ("continue", True)
    assert Rungs(halving()).decide("a", 9, 0.1, is_last=False) == ("stop", True)


ASHA = "{algorithm: asha, grace_epochs: 1, reduction_factor: 3}"


@pytest.mark.slow
def test_killed_in_the_middle_no_decision_changes_and_no_epoch_is_trained_again(tmp_path):
    process = start(tmp_path, ASHA, 0.3)
    journal = tmp_path / "results" / "journal.jsonl"
    wait_until(lambda: journal.exists() and journal.read_text().count('"decided"') >= 4, process)
    process.send_signal(signal.SIGKILL)
    process.wait()
    results = tmp_path / "results"
    before = [entry for entry in read_journal(results) if entry["event"] == "decided"]
    known = {r.cell.id: len(r.epochs) for r in load_store(results).cells}
    assert lines(tmp_path) < 16  # it was the middle

    resume(tmp_path)
    decided = [entry for entry in read_journal(results) if entry["event"] == "decided"]
    assert decided[: len(before)] == before
    keys = [(entry["cell_id"], entry["epoch"]) for entry in decided]
    assert len(set(keys)) == len(keys)
    for cell_id, epochs in known.items():
        assert [e for e in trained(tmp_path, cell_id) if e <= epochs] == list(range(1, epochs + 1))
    # Ray's own ASHA, fed the same scores in the same order in one go, decides the same.
    sequence = [(entry["cell_id"], entry["epoch"], entry["score"]) for entry in decided]
    inner = [place for place, (_, epoch, _) in enumerate(sequence) if epoch < 4]
    want = vanilla(sequence, 4)
    assert [decided[place]["decision"] for place in inner] == [want[place] for place in inner]
    stops = {entry["cell_id"] for entry in decided if entry["decision"] == "stop"}
    for result in load_store(results).cells:
        stopped = result.cell.id in stops
        assert result.state == (CellState.STOPPED if stopped else CellState.DONE)
    assert stops


def resume(base: Path) -> None:
    """Run the search of `start` on, in this process."""
    space, plan = make_plan(base, search=ASHA)
    work = Work(Prepare(base / "orders"), train)
    run_search(space, plan, base / "results", SearchOptions(dashboard=False), work=work)
