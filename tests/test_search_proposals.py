"""Configurations that a sampler proposes as results arrive: by what, and how they are kept."""

import os
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
from search_drive import drive, ends, starts
from search_fixtures import make_plan, score_of
from store_fixtures import table_text

from freelb_tune.errors import FreeLBTuneError
from freelb_tune.search import run_search
from freelb_tune.search.algorithms.frame import samplers
from freelb_tune.search.algorithms.frame.samplers import Observed, suggest
from freelb_tune.space import Cell, Plan, Space, list_plan, load_space
from freelb_tune.space.settings.domains import Choice, Range
from freelb_tune.store import CellState, load_store, read_journal

ADV_LR = "adversary.adv_lr"
TPE = "{algorithm: tpe, samples: 5}"


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch):
    """A killed process loses nothing that the system has; only a power failure would."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


def planned(base: Path, search: str = TPE, **more: Any) -> tuple[Space, Plan]:
    asked = {"adv_lr": (0.01, 0.2), "domain": "loguniform", "seeds": (1, 2), **more}
    return make_plan(base, search=search, **asked)


def events(base: Path, *names: str) -> list[dict[str, Any]]:
    return [entry for entry in read_journal(base / "results") if entry["event"] in names]


def proposed(base: Path) -> list[float]:
    return [entry["values"][ADV_LR] for entry in events(base, "proposed")]


class Spy:
    """Proposes as Optuna does, and keeps what it was told."""

    def __init__(self) -> None:
        self.known: list[list[Observed]] = []

    def __call__(self, sampler: str, domains: Any, known: Sequence[Observed], **more: Any) -> Any:
        self.known.append(list(known))
        return suggest(sampler, domains, known, **more)


def test_a_samplers_name_means_random_search_with_it(tmp_path):
    space, _ = planned(tmp_path, "{algorithm: gp, samples: 3}")
    assert (space.search.algorithm, space.search.sampler) == ("random", "gp")
    assert space.content["search"] == {"algorithm": "random", "sampler": "gp", "samples": 3}
    assert load_space(tmp_path / "space.yaml").search == space.search


def test_the_plan_lists_what_is_fixed_and_says_how_many_are_proposed(tmp_path):
    space, plan = planned(tmp_path, "{algorithm: asha, sampler: tpe, samples: 5}", clean_arm=True)
    assert [cell.arm for cell in plan.cells] == ["clean"] * 2
    text = list_plan(space, plan, {})
    assert "tpe proposes 5 more configurations as results arrive: 10 cells" in text
    assert "with their clean arms. It proposes adversary.adv_lr." in text
    # what cost and power are told of: as many as random search would draw
    assert len(plan.as_if_drawn().cells) == 2 + 2 * 5


def test_optuna_is_told_means_over_seeds_of_the_values_that_were_run(tmp_path):
    spy = Spy()
    space, plan = planned(tmp_path)
    drive(tmp_path, space, plan, score_of, propose=spy)
    assert [len(known) for known in spy.known] == [0, 1, 2, 3, 4]
    cells = {r.cell.config_id: r for r in load_store(tmp_path / "results").cells}
    last = [*spy.known[-1]]
    assert [each.values[ADV_LR] for each in last] == proposed(tmp_path)[:-1]
    for entry, each in zip(events(tmp_path, "proposed"), last, strict=False):
        value = each.values[ADV_LR]
        assert value == float(f"{value:.4g}") == cells[entry["config_id"]].cell.settings[ADV_LR]
        scores = [score_of(r.cell, 4) for r in load_store(tmp_path / "results").cells
                  if r.cell.config_id == entry["config_id"]]  # fmt: skip
        assert (len(scores), each.state, each.score) == (2, "done", fmean(scores))


def test_a_proposal_is_in_the_journal_before_its_cells_and_they_before_they_start(tmp_path):
    drive(tmp_path, *planned(tmp_path, clean_arm=True), score_of)
    seen: set[str] = set()
    for entry in read_journal(tmp_path / "results"):
        if entry["event"] == "opened" or entry["event"] == "proposed":
            seen |= set(entry["cells"])
        elif entry["event"] == "planned":
            assert entry["cell"]["id"] in seen
            seen.add(f"planned {entry['cell']['id']}")
        elif entry["event"] == "started":
            assert f"planned {entry['cell_id']}" in seen


@pytest.mark.parametrize("algorithm", ["tpe", "asha"])
def test_the_clean_arm_of_each_proposal_runs_too(tmp_path, algorithm):
    sampler = "" if algorithm == "tpe" else "sampler: tpe, "
    search = f"{{algorithm: {algorithm}, {sampler}samples: 4}}"
    text = (
        "name: own\ntask: rte\nmodel: m\nseeds: [1, 2]\n"
        "trainer: {num_train_epochs: 4, learning_rate: {loguniform: [1e-5, 1e-4]}}\n"
        f"adversary: {{adv_lr: {{uniform: [0.1, 0.2]}}}}\nsearch: {search}\n"
    )
    (tmp_path / "own.yaml").write_text(text)
    space = load_space(tmp_path / "own.yaml")
    from freelb_tune.space import plan_cells

    plan = plan_cells(space, data_fingerprint=lambda _: "d", model_fingerprint=lambda _: "w")
    assert plan.cells == ()  # each proposal has a clean arm of its own
    drive(tmp_path, space, plan, score_of)
    found = {r.cell.config_id: r for r in load_store(tmp_path / "results").cells}
    tried = [r.cell for r in found.values() if r.cell.arm == "adversarial"]
    assert len(tried) == 4
    for cell in tried:
        arm = found[cell.clean_id]
        assert arm.cell.settings["trainer.learning_rate"] == cell.settings["trainer.learning_rate"]
        own = {r.state for r in found.values() if r.cell.config_id == cell.config_id}
        assert own <= {CellState.DONE, CellState.STOPPED}
        assert arm.state in own  # a clean arm goes as far as what is compared with it
    assert len(load_store(tmp_path / "results").cells) == 4 * 2 * 2


def test_under_asha_a_shared_clean_arm_waits_for_proposals_and_is_never_judged(tmp_path):
    def score(cell: Cell, epoch: int) -> float:  # the clean arm is far worse
        return 0.0 if cell.arm == "clean" else score_of(cell, epoch)

    search = "{algorithm: asha, sampler: tpe, samples: 5}"
    drive(tmp_path, *planned(tmp_path, search, clean_arm=True), score)
    cells = load_store(tmp_path / "results").cells
    assert [r.state for r in cells if r.cell.arm == "clean"] == [CellState.DONE] * 2
    assert CellState.STOPPED in [r.state for r in cells]


def test_a_stopped_configuration_is_told_by_its_epochs(tmp_path):
    spy = Spy()
    drive(tmp_path, *planned(tmp_path, "{algorithm: asha, sampler: tpe, samples: 6}"), score_of,
          propose=spy)  # fmt: skip
    told = {each.state for each in spy.known[-1]}
    assert told == {"done", "stopped"}
    stopped = next(each for each in spy.known[-1] if each.state == "stopped")
    assert list(stopped.scores) in ([1], [1, 2, 3])


def test_with_several_slots_what_runs_is_told_as_running(tmp_path):
    spy = Spy()
    drive(tmp_path, *planned(tmp_path, seeds=(1,)), score_of, propose=spy, slots=3)
    assert [each.state for each in spy.known[2]] == ["running", "running"]


def test_a_failed_seed_makes_a_failed_trial(tmp_path):
    spy = Spy()
    space, plan = planned(tmp_path)
    first = [e["cells"][0] for e in _dry(tmp_path / "dry", space, plan)]
    drive(tmp_path, space, plan, score_of, propose=spy, fails=((first[0], 2),))
    assert [each.state for each in spy.known[-1]] == ["failed", "done", "done", "done"]


def _dry(base: Path, space: Space, plan: Plan) -> list[dict[str, Any]]:
    """What the search proposes where nothing fails; its first proposal depends on nothing."""
    drive(base, space, plan, score_of)
    return events(base, "proposed")


@pytest.mark.parametrize("dies", ["proposed", "planned"])
def test_a_kill_around_a_proposal_changes_nothing(tmp_path, dies, monkeypatch):
    class Killed(Exception):
        pass

    whole, killed = tmp_path / "whole", tmp_path / "killed"
    drive(whole, *planned(whole, clean_arm=True), score_of)
    calls = 0

    def append(journal: Any, event: str, **facts: Any) -> None:
        nonlocal calls
        calls += event == "proposed"
        if calls == 3 and dies == "proposed":
            raise Killed
        keep(journal, event, **facts)

    def append_all(journal: Any, entries: Any) -> None:
        if (
            calls == 3
            and dies == "planned"
            and (entries := list(entries))
            and (entries[0][0] == "planned")
        ):
            raise Killed
        keep_all(journal, entries)

    from freelb_tune.store import Journal

    keep, keep_all = Journal.append, Journal.append_all
    monkeypatch.setattr(Journal, "append", append)
    monkeypatch.setattr(Journal, "append_all", append_all)
    with pytest.raises(Killed):
        drive(killed, *planned(killed, clean_arm=True), score_of)
    monkeypatch.setattr(Journal, "append", keep)
    monkeypatch.setattr(Journal, "append_all", keep_all)
    drive(killed, *planned(killed, clean_arm=True), score_of)
    assert events(killed, "proposed") == events(whole, "proposed")
    assert ends(killed) == ends(whole)
    assert set(starts(killed).values()) == {1}


def test_more_samples_and_more_seeds_keep_what_was_proposed(tmp_path):
    drive(tmp_path, *planned(tmp_path), score_of)
    before = proposed(tmp_path)
    trained = drive(tmp_path, *planned(tmp_path, seeds=(1, 2, 3)), score_of)
    assert proposed(tmp_path) == before
    assert len({cell_id for cell_id, _ in trained}) == 5
    drive(tmp_path, *planned(tmp_path, "{algorithm: tpe, samples: 7}"), score_of)
    assert proposed(tmp_path)[:5] == before
    assert len(proposed(tmp_path)) == 7
    drive(tmp_path, *planned(tmp_path, "{algorithm: tpe, samples: 3}"), score_of)
    store = load_store(tmp_path / "results")
    assert {r.cell.settings[ADV_LR] for r in store.cells} == set(before[:3])
    assert len(proposed(tmp_path)) == 7  # none is proposed anew


def test_a_narrower_range_takes_up_what_lies_inside_it(tmp_path):
    drive(tmp_path, *planned(tmp_path), score_of)
    inside = [value for value in proposed(tmp_path) if value <= 0.1]
    spy = Spy()
    drive(tmp_path, *planned(tmp_path, adv_lr=(0.01, 0.1)), score_of, propose=spy)
    assert 0 < len(inside) < 5
    assert [each.values[ADV_LR] for each in spy.known[0]] == inside
    assert all(value <= 0.1 for value in proposed(tmp_path)[5:])
    assert len(proposed(tmp_path)) == 5 + (5 - len(inside))


def test_other_settings_take_up_no_numbers_of_these(tmp_path):
    drive(tmp_path, *planned(tmp_path), score_of)
    spy = Spy()
    drive(tmp_path, *planned(tmp_path, epochs=3), score_of, propose=spy)
    assert spy.known[0] == []


def test_points_run_first_and_are_told(tmp_path):
    spy = Spy()
    search = "{algorithm: tpe, samples: 3, points: [{adversary.adv_lr: 0.12}]}"
    trained = drive(tmp_path, *planned(tmp_path, search), score_of, propose=spy)
    first = load_store(tmp_path / "results").cells[0].cell
    assert first.settings[ADV_LR] == 0.12
    assert trained[0][0] == first.id
    assert [[each.values[ADV_LR] for each in known] for known in spy.known] == [
        [0.12, *proposed(tmp_path)[:at]] for at in range(3)
    ]


def test_each_combination_of_the_grids_is_a_study_of_its_own(tmp_path):
    (tmp_path / "own.yaml").write_text(
        "name: own\ntask: rte\nmodel: m\nclean_arm: false\n"
        "trainer: {num_train_epochs: 4, per_device_train_batch_size: {grid: [16, 32]}}\n"
        f"adversary: {{adv_lr: {{uniform: [0.1, 0.2]}}}}\nsearch: {TPE}\n"
    )
    from freelb_tune.space import plan_cells

    space = load_space(tmp_path / "own.yaml")
    plan = plan_cells(space, data_fingerprint=lambda _: "d", model_fingerprint=lambda _: "w")
    spy = Spy()
    drive(tmp_path, space, plan, score_of, propose=spy)
    batch = "trainer.per_device_train_batch_size"
    assert [e["values"][batch] for e in events(tmp_path, "proposed")] == [16, 32] * 5
    for at, known in enumerate(spy.known):
        assert {each.values[batch] for each in known} <= {(16, 32)[at % 2]}
        assert len(known) == at // 2
    assert "5 for each of 2 combinations of the grids" in list_plan(space, plan, {})


def test_what_where_leaves_out_counts_and_brings_no_cell(tmp_path):
    space, _ = planned(tmp_path)
    path = tmp_path / "space.yaml"
    path.write_text(path.read_text() + "where: adversary.adv_lr < 0.05\n")
    from freelb_tune.space import plan_cells

    space = load_space(path)
    plan = plan_cells(space, data_fingerprint=lambda _: "d", model_fingerprint=lambda _: "w")
    drive(tmp_path, space, plan, score_of)
    values = proposed(tmp_path)
    assert len(values) == 5
    run = {r.cell.settings[ADV_LR] for r in load_store(tmp_path / "results").cells}
    assert run == {value for value in values if value < 0.05}
    assert 0 < len(run) < 5


def test_the_footer_says_that_the_number_of_proposals_ended_it(tmp_path):
    drive(tmp_path, *planned(tmp_path), score_of)
    said = "Ended by search.samples: 5 configurations proposed."
    assert said in table_text(tmp_path / "results")
    drive(tmp_path, *planned(tmp_path), score_of)  # nothing is left, and it is said all the same
    assert said in table_text(tmp_path / "results")


@pytest.mark.parametrize(
    ("values", "match"),
    [
        ({ADV_LR: 0.3}, r"adversary.adv_lr: expected a proposal from 0.01 to 0.2, got 0.3"),
        ({}, r"adversary.adv_lr: expected a proposal from 0.01 to 0.2, got none"),
    ],
)
def test_a_proposal_outside_its_domain_is_an_error_and_loses_nothing(tmp_path, values, match):
    def propose(sampler: str, domains: Any, known: Sequence[Observed], **more: Any) -> Any:
        return suggest(sampler, domains, known, **more) if len(known) < 2 else values

    with pytest.raises(FreeLBTuneError, match=match):
        drive(tmp_path, *planned(tmp_path), score_of, propose=propose)
    assert len(proposed(tmp_path)) == 2
    drive(tmp_path, *planned(tmp_path), score_of)
    assert len(proposed(tmp_path)) == 5


@pytest.mark.parametrize(
    ("search", "more", "match"),
    [
        (TPE, {"domain": "grid"}, "search: there is nothing to propose, as no setting has a range"),
        ("{algorithm: race, sampler: tpe}", {}, "race does not read it; take it out"),
        ("{algorithm: tpe, sampler: gp}", {}, "search.algorithm: unknown name 'tpe'"),
        ("{algorithm: random, sampler: tpa}", {}, "sampler: expected 'random', 'tpe' or 'gp'"),
    ],
)
def test_a_sampler_that_cannot_be_is_refused_in_the_file(tmp_path, search, more, match):
    with pytest.raises(FreeLBTuneError, match=match):
        planned(tmp_path, search, **more)


def test_where_optuna_is_missing_its_extra_is_named_before_anything_begins(tmp_path, monkeypatch):
    monkeypatch.setattr(samplers, "find_spec", lambda _: None)
    with pytest.raises(FreeLBTuneError, match=r"pip install 'freelb-tune\[optuna\]'"):
        run_search(*planned(tmp_path), tmp_path / "results")
    assert not (tmp_path / "results").exists()


DOMAINS: Mapping[str, Choice | Range] = {
    "rate": Range(1e-4, 1e-1, log=True, whole=False),
    "steps": Range(1, 8, log=False, whole=True),
    "layer": Choice(([1, 2], None, "last")),
}


def _grade(values: Mapping[str, Any]) -> float:
    """Best at a rate of 0.01, 6 steps and "last"."""
    from math import log10

    far = abs(log10(values["rate"]) + 2) + abs(values["steps"] - 6) / 4
    return -far - (values["layer"] != "last")


@pytest.mark.parametrize(
    ("sampler", "count", "better"),
    [("tpe", 40, "higher"), ("tpe", 40, "lower"), ("gp", 12, "lower")],
)
def test_proposals_get_better_than_chance(sampler, count, better):
    sign = 1 if better == "higher" else -1
    known: list[Observed] = []
    for number in range(count):
        values = suggest(sampler, DOMAINS, known, samples=count, seed=str(number), better=better)
        assert all(DOMAINS[name].holds(value) for name, value in values.items())
        known.append(Observed(values, "done", sign * _grade(values), {}))
    chance = random.Random(0)
    drawn = [_grade({k: d.draw(chance) for k, d in DOMAINS.items()}) for _ in range(400)]
    late = fmean(_grade(each.values) for each in known[-count // 3 :])
    assert late > fmean(drawn) + 0.5 * (max(drawn) - fmean(drawn))


def test_a_proposal_is_a_function_of_what_is_known():
    known = [Observed({"rate": 0.01, "steps": 3, "layer": None}, "done", 0.5, {}),
             Observed({"rate": 0.02, "steps": 4, "layer": "last"}, "stopped", 0.4, {1: 0.4}),
             Observed({"rate": 0.03, "steps": 5, "layer": [1, 2]}, "failed", None, {}),
             Observed({"rate": 0.05, "steps": 5, "layer": None}, "running", None, {})]  # fmt: skip

    def ask(seed: str) -> dict[str, Any]:
        return suggest("tpe", DOMAINS, known, samples=3, seed=seed, better="higher")

    assert ask("1") == ask("1") != ask("2")
