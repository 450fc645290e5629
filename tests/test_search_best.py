"""`best/`: of the configuration with the best mean its best seed's model, whatever happened."""

import itertools
import json
import os
import random
from dataclasses import replace
from pathlib import Path

import pytest
from store_fixtures import SPACE, Search, cell, grid

from freelb_tune.results import build_table
from freelb_tune.results.tables.contents.metric import Measure
from freelb_tune.search.driver.board import Board
from freelb_tune.search.driver.selected.best import BestModel, drop_checkpoint
from freelb_tune.search.driver.selected.leader import find_leader, may_lead
from freelb_tune.space import Cell
from freelb_tune.store import CellState, cell_folder, load_store

# Seed 2 of the second configuration is the best cell, and the third has the best mean.
SCORES = {0.05: (0.70, 0.71), 0.1: (0.60, 0.90), 0.2: (0.78, 0.76)}
CELLS = [cell(seed, adv_lr=lr) for lr in SCORES for seed in (1, 2)]


def board_of(cells: list[Cell], *, better: str = "higher", select: str = "best_epoch") -> Board:
    return Board(cells, Measure("accuracy", better, "RTE"), {}, select)  # type: ignore[arg-type]


def end(board: Board, each: Cell, *scores: float, state: str = "done") -> None:
    board[each.id].scores = dict(enumerate(scores, start=1))
    board[each.id].state = CellState(state)


def train(folder: Path, each: Cell) -> None:
    """Leave a model, as training does."""
    model = cell_folder(folder, each.id) / "model"
    model.mkdir(parents=True)
    (model / "config.json").write_text(each.id)


def models(folder: Path) -> set[str]:
    return {path.parent.name for path in (folder / "cells").glob("*/model")}


def published(folder: Path) -> str | None:
    path = folder / "best" / "config.json"
    return path.read_text() if path.exists() else None


def beside(folder: Path) -> str | None:
    path = folder / "best_adversarial" / "config.json"
    return path.read_text() if path.exists() else None


def readme(folder: Path, name: str = "best") -> str:
    return " ".join((folder / name / "README.md").read_text().split())


def test_of_a_cell_that_is_over_only_what_it_has_to_show_stays(tmp_path):
    home = cell_folder(tmp_path, CELLS[0].id)
    for name in ("checkpoint", "checkpoint.old", "model.tmp", "trainer", "model", "predictions"):
        (home / name).mkdir(parents=True)
        (home / name / "file").touch()
    for name in (".lock", ".pulse", "epochs.jsonl", "error.txt"):
        (home / name).touch()
    drop_checkpoint(tmp_path, CELLS[0].id)
    drop_checkpoint(tmp_path, CELLS[1].id)  # one that has written nothing
    left = {path.name for path in home.iterdir()}
    assert left == {"model", "predictions", "epochs.jsonl", "error.txt"}


def test_an_adapter_that_is_kept_alone_says_how_it_is_loaded(tmp_path):
    own = {"model.adapter.type": "lora", "model.adapter.r": 4}
    for name, how in (("merged", {}), ("alone", {"run.keep_adapter": "alone"})):
        each = replace(CELLS[0], settings={**CELLS[0].settings, **own, **how})
        board, folder = board_of([each]), tmp_path / name
        train(folder, each)
        end(board, each, 0.7)
        BestModel(folder, ()).settle(board)
        said = readme(folder)
        assert ("AutoModelForSequenceClassification" in said) == (name == "merged")
        assert ("open_results(" in said and ".best.pipeline()" in said) == (name == "alone")


@pytest.mark.parametrize("number", range(25))
def test_the_leaders_are_those_of_the_table(tmp_path, number):
    chance = random.Random(number)
    cells = grid(seeds=(1, 2, 3)[: chance.randint(1, 3)])
    search = Search(cells)
    for each in cells:
        state = chance.choices(["done", "stopped", "failed", None], [12, 1, 1, 1])[0]
        epochs = chance.randint(1, 3)
        search.end(each, *(round(chance.random(), 1) for _ in range(epochs)), state=state)
    task, metric = chance.choice([("rte", "accuracy"), ("regression", "rmse")])
    select = chance.choice(["best_epoch", "last_epoch"])
    space = SPACE.replace("accuracy", metric).replace("best_epoch", select)
    store = load_store(search.write(tmp_path, space=space, task=task))

    higher = metric == "accuracy"
    board = board_of(cells, better="higher" if higher else "lower", select=select)
    for result in store.cells:
        scores = [record.score for record in result.epochs]
        end(board, result.cell, *scores, state=result.state)
    table = build_table(store)
    leader = find_leader(board, lambda _: True)
    other = find_leader(board, lambda _: True, clean=False)
    first = table.ranking[0]  # which has the clean arms at its end
    for found, config in (
        (leader, table.best),
        (other, first.entry.config if first.place is not None else None),
    ):
        if config is None:
            assert found is None or found.mean is None
            continue
        assert found.row.cell.config_id == config.config_id
        spread = config.spread(select)
        assert (found.mean, found.seeds) == (spread.mean, spread.n)
        values = [each.value(select) for each in config.seeds]
        assert board.selected(found.row) == (max(values) if higher else min(values))
    beside = None if leader is None or leader.mean is None or not leader.is_clean else other
    named = None if table.best_adversarial is None else table.best_adversarial.config_id
    assert named == (None if beside is None or beside.mean is None else beside.row.cell.config_id)


@pytest.mark.parametrize("finishing", list(itertools.permutations(CELLS))[::37])
def test_whatever_order_cells_finish_in_the_best_mean_leads_and_brings_its_best_seed(
    tmp_path, finishing
):
    board, best = board_of(CELLS), BestModel(tmp_path, ("freelb-tune",))
    for each in finishing:
        train(tmp_path, each)
        score = SCORES[float(str(each.settings["adversary.adv_lr"]))][each.seed - 1]
        end(board, each, 0.1, score)
        best.settle(board)
    assert published(tmp_path) == CELLS[4].id
    assert models(tmp_path) == {CELLS[4].id}
    assert "an adversarial one, has the best mean of all: 0.77 is the mean ov" in readme(tmp_path)
    assert "score 0.78 after epoch 2, which is the best of its seeds" in readme(tmp_path)
    assert not [path.name for path in tmp_path.iterdir() if path.name.startswith(".best")]


def test_the_readme_says_how_classes_were_weighted(tmp_path):
    plain = cell(1, adv_lr=0.1)
    weighted = replace(plain, settings={**plain.settings, "loss.class_weights": [1.0, 2.5]})
    for each, said in ((plain, False), (weighted, True)):
        board, best = board_of([each]), BestModel(tmp_path / str(said), ("freelb-tune",))
        train(tmp_path / str(said), each)
        end(board, each, 0.1)
        best.settle(board)
        told = "weights the classes (`class_weights`: [1.0, 2.5])" in readme(tmp_path / str(said))
        assert told is said


@pytest.mark.parametrize("finishing", list(itertools.permutations(range(4)))[::3])
def test_a_clean_arm_may_be_the_best_and_the_best_that_perturbs_stands_beside_it(
    tmp_path, finishing
):
    cells = [cell(1), cell(2), cell(1, adv_lr=0.1), cell(2, adv_lr=0.1)]
    board, best = board_of(cells), BestModel(tmp_path, ())
    for place in finishing:
        train(tmp_path, cells[place])
        end(board, cells[place], (0.9, 0.8, 0.7, 0.75)[place])
        best.settle(board)
    assert (published(tmp_path), beside(tmp_path)) == (cells[0].id, cells[3].id)
    assert models(tmp_path) == {cells[0].id, cells[3].id}
    said = readme(tmp_path)
    assert said.startswith("# The best model Cell")
    assert "the clean arm, has the best mean of all: 0.85 is the mean over its 2" in said
    assert f"The best adversarial model is in `best_adversarial/`: cell `{cells[3].id}`." in said
    said = readme(tmp_path, "best_adversarial")
    assert said.startswith("# The best adversarial model Cell")
    assert "an adversarial one, has the best mean of all that perturb: 0.725 is" in said
    assert f"without perturbation, is in `best/`: cell `{cells[0].id}`." in said
    # a further configuration is better than both: it is the best of all, and nothing is beside it
    more = [*cells, cell(1, adv_lr=0.2), cell(2, adv_lr=0.2)]
    board = board_of(more)
    for each, score in zip(more, (0.9, 0.8, 0.7, 0.75, 0.95, 0.94), strict=True):
        if score > 0.93:
            train(tmp_path, each)
        end(board, each, score)
    BestModel(tmp_path, ()).settle(board)
    assert (published(tmp_path), beside(tmp_path)) == (more[4].id, None)
    assert models(tmp_path) == {more[4].id}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["best", "cells"]


def test_a_clean_arm_whose_weights_an_earlier_version_let_go_of_takes_no_ones_place(tmp_path):
    clean, tried = cell(1), cell(1, adv_lr=0.1)
    board = board_of([clean, tried])
    end(board, clean, 0.9)
    end(board, tried, 0.8)
    train(tmp_path, tried)  # version 0.1.0 kept the first of those that perturb
    BestModel(tmp_path, ()).settle(board)
    assert (published(tmp_path), beside(tmp_path)) == (tried.id, None)
    assert readme(tmp_path).startswith("# The best adversarial model")
    assert f"The clean arm (cell `{clean.id}`) has a better mean, but the version" in readme(
        tmp_path
    )


@pytest.mark.parametrize("state", ["failed", "diverged", "stopped", "dropped"])
def test_where_no_configuration_is_complete_the_best_cell_is_kept_and_said_to_be_just_that(
    tmp_path, state
):
    board, best = board_of(CELLS), BestModel(tmp_path, ())
    for each in CELLS:
        train(tmp_path, each)
        first = each.seed == 1
        lr = float(str(each.settings["adversary.adv_lr"]))
        end(board, each, SCORES[lr][0] if first else 0.99, state="done" if first else state)
        best.settle(board)
    assert published(tmp_path) == CELLS[4].id  # 0.78; what did not finish does not compete
    assert models(tmp_path) == {CELLS[4].id}
    assert "No configuration has all of its seeds trained to the end" in readme(tmp_path)


def test_what_a_race_was_over_before_is_not_missed():
    board = board_of(CELLS)
    for each in CELLS:
        end(board, each, 0.5 + each.seed / 10)
    end(board, CELLS[0], 0.9)
    end(board, CELLS[1], state="spared")
    leader = find_leader(board, lambda _: True)
    assert (leader.row.cell, leader.mean, leader.seeds) == (CELLS[0], 0.9, 1)


def test_weights_are_kept_while_their_configuration_may_still_lead(tmp_path):
    board, best = board_of(CELLS), BestModel(tmp_path, ())
    for place, score in ((4, 0.78), (5, 0.76), (2, 0.60), (0, 0.99)):
        train(tmp_path, CELLS[place])
        end(board, CELLS[place], score)
        best.settle(board)
    assert published(tmp_path) == CELLS[4].id
    assert may_lead(board, lambda _: True) == {CELLS[0].id, CELLS[2].id}
    assert models(tmp_path) == {CELLS[0].id, CELLS[2].id, CELLS[4].id}
    train(tmp_path, CELLS[1])
    end(board, CELLS[1], 0.97)  # worse than its sibling, whose weights are the ones to have
    best.settle(board)
    assert published(tmp_path) == CELLS[0].id
    assert models(tmp_path) == {CELLS[0].id, CELLS[2].id}
    end(board, CELLS[3], state="failed")
    best.settle(board)
    assert models(tmp_path) == {CELLS[0].id}


def test_while_seeds_are_added_the_model_that_there_was_stays(tmp_path):
    board = board_of(CELLS)
    for each, score in zip(CELLS, (0.7, 0.71, 0.6, 0.9, 0.78, 0.76), strict=True):
        end(board, each, score)
    train(tmp_path, CELLS[4])
    BestModel(tmp_path, ()).settle(board)
    more = board_of([*CELLS, *(cell(3, adv_lr=lr) for lr in SCORES)])
    for each in CELLS:
        end(more, each, *board[each.id].scores.values())
    BestModel(tmp_path, ()).settle(more)
    assert published(tmp_path) == CELLS[4].id  # 0.9 scores higher, and its weights are gone
    assert "may be a lucky seed" in readme(tmp_path)


def test_a_configuration_that_overtakes_by_an_added_seed_brings_that_seeds_model(tmp_path):
    scores = (0.7, 0.71, 0.6, 0.9, 0.78, 0.76)
    third = [cell(3, adv_lr=lr) for lr in SCORES]
    board, best = board_of([*CELLS, *third]), BestModel(tmp_path, ())
    for each, score in zip(CELLS, scores, strict=True):
        end(board, each, score)
    train(tmp_path, CELLS[4])  # which led before; all the others' weights are gone
    for each, score in zip(third, (0.7, 0.85, 0.5), strict=True):
        train(tmp_path, each)
        end(board, each, score)
        best.settle(board)
    assert published(tmp_path) == third[1].id
    assert models(tmp_path) == {third[1].id}
    assert f"cell `{CELLS[3].id}`, is better, and its weights were let go of" in readme(tmp_path)


def test_a_failed_cell_keeps_its_weights_with_its_checkpoint_and_lets_go_once_it_is_done(tmp_path):
    board, best = board_of(CELLS), BestModel(tmp_path, ())
    train(tmp_path, CELLS[4])
    train(tmp_path, CELLS[0])
    (cell_folder(tmp_path, CELLS[0].id) / "checkpoint").mkdir()
    end(board, CELLS[0], 0.4, state="failed")
    end(board, CELLS[4], 0.9)
    end(board, CELLS[5], 0.9)
    best.settle(board)
    assert models(tmp_path) == {CELLS[0].id, CELLS[4].id}
    end(board, CELLS[0], 0.4, 0.5)
    end(board, CELLS[1], 0.5)
    (cell_folder(tmp_path, CELLS[0].id) / "checkpoint").rmdir()
    best.settle(board)
    assert models(tmp_path) == {CELLS[4].id}


def test_a_cell_that_is_run_again_lets_go_of_its_weights_again(tmp_path):
    board, best = board_of(CELLS), BestModel(tmp_path, ())
    for each in CELLS[4:]:
        train(tmp_path, each)
        end(board, each, 0.9)
        best.settle(board, each.id)
    for state in ("diverged", "done"):
        train(tmp_path, CELLS[0])
        end(board, CELLS[0], 0.4, state=state)
        end(board, CELLS[1], state="failed")
        best.settle(board, CELLS[0].id)
        assert models(tmp_path) == {CELLS[4].id}


def test_with_one_seed_the_best_cell_leads_and_of_equals_the_first_in_the_plan(tmp_path):
    cells = [cell(1, adv_lr=lr) for lr in SCORES]
    board, best = board_of(cells), BestModel(tmp_path, ())
    for each, score in zip(cells, (0.6, 0.7, 0.7), strict=True):
        train(tmp_path, each)
        end(board, each, score)
        best.settle(board)
    assert published(tmp_path) == cells[1].id
    assert "0.7 is its score at the best epoch" in readme(tmp_path)


@pytest.mark.parametrize("reached", ["draft", "no best", "not cleaned"])
def test_a_kill_while_the_best_model_changes_is_put_right(tmp_path, reached):
    one, two = [cell(1, adv_lr=lr) for lr in (0.05, 0.1)]
    board, best = board_of([one, two]), BestModel(tmp_path, ())
    for each, score in ((one, 0.5), (two, 0.6)):
        end(board, each, score)
        train(tmp_path, each)
        if each == one:
            best.settle(board)
    if reached == "draft":
        (tmp_path / ".best.new").mkdir()
    if reached == "no best":
        (tmp_path / "best").rename(tmp_path / ".best.old")
        (tmp_path / ".best.new").mkdir()
    if reached == "not cleaned":
        best.settle(board)
        train(tmp_path, one)
    BestModel(tmp_path, ()).settle(board)
    assert json.loads((tmp_path / "best" / "cell.json").read_text())["id"] == two.id
    assert published(tmp_path) == two.id
    assert sorted(path.name for path in tmp_path.iterdir()) == ["best", "cells"]
    assert models(tmp_path) == {two.id}


def test_a_selected_cell_whose_weights_are_gone_says_how_to_train_it_again(tmp_path):
    board = board_of(CELLS[:1])
    end(board, CELLS[0], 0.5)
    BestModel(tmp_path, ()).settle(board)
    assert "Its weights are not here" in readme(tmp_path)
    assert f"freelb-tune rerun {tmp_path} {CELLS[0].id}" in readme(tmp_path)


def test_a_budget_for_checkpoints_lets_the_oldest_finished_models_go_and_never_the_best(tmp_path):
    space = [cell(seed, adv_lr=lr) for lr in (0.1, 0.2, 0.3, 0.4) for seed in (1, 2)]
    first, second, third, running = space[0], space[2], space[4], space[6]
    board, best = board_of(space), BestModel(tmp_path, (), room=2500 / 2**30)
    for when, (each, score) in enumerate(((third, 0.6), (first, 0.9), (second, 0.7))):
        train(tmp_path, each)
        home = cell_folder(tmp_path, each.id)
        (home / "model" / "model.safetensors").write_bytes(bytes(1000))
        (home / "epochs.jsonl").write_text("{}")
        os.utime(home / "epochs.jsonl", ns=(when, when))
        (home / "predictions").mkdir()
        (home / "predictions" / "epoch_0001.npz").write_bytes(bytes(5000))
        end(board, each, score)
        best.settle(board)
    assert may_lead(board, lambda _: True) == {first.id, second.id, third.id}
    assert models(tmp_path) == {first.id, second.id}  # the third was the oldest
    (cell_folder(tmp_path, running.id) / "checkpoint").mkdir(parents=True)
    (cell_folder(tmp_path, running.id) / "checkpoint" / "optimizer.pt").write_bytes(bytes(9000))
    best.settle(board)
    assert models(tmp_path) == {first.id}
    assert published(tmp_path) == first.id
    assert (cell_folder(tmp_path, running.id) / "checkpoint" / "optimizer.pt").exists()
    for each in (first, second, third):
        assert (cell_folder(tmp_path, each.id) / "predictions" / "epoch_0001.npz").exists()
