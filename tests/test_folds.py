"""Folds as replicates: from the plan's cells to the verdict."""

import itertools
import json

import numpy as np
import pytest
from api_fixtures import TOY
from search_drive import drive
from space_fixtures import opened, planned
from store_fixtures import SPACE, Search, cell

import freelb_tune as ft
from freelb_tune.api.plans import span
from freelb_tune.errors import FreeLBTuneError
from freelb_tune.results import build_table, write_outputs
from freelb_tune.results.analysis import arms_of, judge
from freelb_tune.results.statistics.answers.verdict import verdict
from freelb_tune.results.statistics.choosing.best_of import optimism_sentence
from freelb_tune.results.statistics.comparing.arms import Arm, Run
from freelb_tune.results.statistics.comparing.contrast import contrasts
from freelb_tune.results.statistics.comparing.folds import fold_means, overlap_of
from freelb_tune.results.statistics.numbers.power import Trial, chance_to_see
from freelb_tune.space.cells.cell import Block, Cell, digest
from freelb_tune.space.cells.naming import cell_labels
from freelb_tune.space.cells.parts import take_part
from freelb_tune.space.settings.sections import DataFields, FoldFields
from freelb_tune.store import CellState, load_store
from freelb_tune.store.merging import join_folders
from freelb_tune.tasks import check_data, load_examples
from freelb_tune.training import prepare, run_cell

FILE = """\
task: rte
model: some/encoder
data: {file: own.csv, folds: 3, text: text}
adversary: {adv_steps: 2, adv_lr: {grid: [0.1, 0.3]}}
seeds: [7, 8]
"""


def test_a_plan_has_each_seed_in_each_fold_and_both_arms_the_same(tmp_path):
    space = opened(tmp_path, FILE)
    cells = planned(space).cells
    blocks = [(seed, fold) for seed in (7, 8) for fold in (1, 2, 3)]
    assert space.size == 2 * 6
    assert [cell.block for cell in cells] == blocks * 3  # the clean arm, then two adversarial
    assert len({cell.id for cell in cells}) == 18
    assert len({cell.config_id for cell in cells}) == 3
    assert {cell.data.fold for cell in cells} == {1, 2, 3}
    assert all(isinstance(cell.data, FoldFields) for cell in cells)
    assert cell_labels(cells)[cells[7].id] == "adv_lr 0.1, seed 7, fold 2"
    again = [Cell.from_json(json.loads(json.dumps(cell.to_json()))) for cell in cells]
    assert again == list(cells)


def test_a_cell_without_folds_is_stored_and_named_as_ever(tmp_path):
    (cell, *_) = planned(opened(tmp_path, FILE.replace("folds: 3, ", ""))).cells
    assert "fold" not in cell.to_json()
    assert cell.block == (7, 0)
    assert str(cell.block) == "7"


def test_a_part_of_the_plan_has_whole_blocks(tmp_path):
    space = opened(tmp_path, FILE)
    part = take_part(planned(space), "1/3", space.search)
    assert {cell.block for cell in part.cells} == {(7, 1), (7, 2)}
    assert len(part.cells) == 6


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("folds: 3", "folds: 1"), "line 3, data.folds: expected at least 2, got 1"),
        (("folds: 3", "folds: {grid: [3, 5]}"), "data.folds: expected one number for all"),
        (("seeds:", "search: {algorithm: race}\nseeds:"), "data.folds: a race takes its cells for"),
        (("seeds:", "search: {algorithm: verdict}\nseeds:"), "a verdict takes its cells for"),
        (("seeds:", "branches: [{data.folds: 5}, {}]\nseeds:"), "expected one number for all"),
    ],
)  # fmt: skip
def test_folds_that_cannot_be_compared_are_refused(tmp_path, change, message):
    with pytest.raises(FreeLBTuneError, match=message):
        opened(tmp_path, FILE.replace(*change))


BLOCKS = tuple(itertools.starmap(Block, itertools.product((1, 2), (1, 2, 3))))


def test_a_fold_counts_with_the_mean_of_its_seeds():
    table = np.array([[1.0, 2, 3, 3, 4, 5], [0, 0, 0, 1, 1, 1]])
    np.testing.assert_allclose(fold_means(table, BLOCKS), [[2, 3, 4], [0.5, 0.5, 0.5]])


def test_a_seed_that_one_arm_lacks_does_not_move_its_difference():
    # seed 2 is 10 points better in every arm: without it arm 1 would look 5 points worse
    table = np.array([[0.5] * 3 + [0.6] * 3, [0.5] * 3 + [0.6] * 3])
    table[1, 4] = np.nan
    means = fold_means(table, BLOCKS)
    np.testing.assert_allclose(means[1] - means[0], 0, atol=1e-12)
    table[1, 1] = np.nan  # no seed of fold 2 is left
    assert np.isnan(fold_means(table, BLOCKS)[1]).tolist() == [False, True, False]


def crossed(differences, seeds=1, spread=0.0):
    """A clean arm and one configuration with these differences by fold."""
    rng, folds = np.random.default_rng(0), len(differences)
    runs = {"clean": [], "tried": []}
    for seed, fold in itertools.product(range(1, seeds + 1), range(folds)):
        base = 0.5 + spread * rng.standard_normal()
        for name, gain in (("clean", 0.0), ("tried", differences[fold])):
            runs[name].append(Run(seed, base + gain, fold=fold + 1))
    return [
        Arm(name, "clean", name, folds * seeds, tuple(own), overlap=overlap_of(folds))
        for name, own in runs.items()
    ]


def test_the_error_of_folds_is_that_of_nadeau_and_bengio():
    gains = np.array([0.01, 0.05, 0.02, 0.04, 0.03])
    (one,) = contrasts(crossed(gains, seeds=3, spread=0.1), "accuracy")
    # variance (1/5 + 1/4) s^2 with 4 degrees of freedom, where 5 seeds would have s^2 / 5
    assert one.estimate.error == pytest.approx(((1 / 5 + 1 / 4) * gains.var(ddof=1)) ** 0.5)
    assert one.estimate.freedom == 4
    assert one.comparison.difference == pytest.approx(0.03)
    assert (one.comparison.n_folds, one.comparison.n_seeds) == (5, 3)
    assert one.is_complete


def test_rows_left_out_of_training_make_folds_count_for_less():
    assert overlap_of(5) == 1 / 4
    assert overlap_of(5, tested=20, most=40) == 1 / 2
    assert overlap_of(5, tested=20, most=400) == 1 / 4


def test_the_verdict_says_folds_and_seeds():
    told = verdict(crossed([0.01, -0.02, 0.02, 0.0, 0.01], seeds=2, spread=0.01), "accuracy")
    assert told.sentence.startswith("After 5 folds x 2 seeds no setting is distinguishable")
    assert "95 % interval over folds" in told.sentence
    assert "takes about" not in told.sentence  # seeds alone do not tell folds from luck
    assert any("Nadeau and Bengio" in note for note in told.footnotes)
    one = verdict(crossed([0.1, 0.11, 0.1, 0.1, 0.1]), "accuracy")
    assert one.sentence.startswith("tried is better than the clean arm")


def test_power_with_folds_is_that_of_the_test():
    trial = Trial(1, 5, 0.02, overlap=0.25)
    rng, found = np.random.default_rng(1), 0
    for _ in range(400):
        gains = 0.06 + 0.02 * 2**0.5 * rng.standard_normal(5)
        (one,) = contrasts(crossed(gains), "accuracy")
        # the mean of folds is as far from the truth as their shared rows make it
        shift = 0.02 * 2**0.5 * 0.25**0.5 * rng.standard_normal()
        found += abs(one.estimate.mean + shift) / one.estimate.error > 2.999  # t, 4 degrees, 4 %
    assert chance_to_see(trial, 0.06) == pytest.approx(found / 400, abs=0.07)


def folded(seed, fold, **adversary):
    """A stored cell of three folds."""
    made = cell(seed, **adversary)
    settings = {**made.settings, "data.folds": 3}
    content = {**made.to_json(), "settings": settings, "fold": fold, "clean_id": digest("clean")}
    content["config_id"] = digest(settings) if adversary else digest("clean")
    return Cell.from_json({**content, "id": digest([content["config_id"], seed, fold])})


def searched(folder):
    cells = [
        folded(seed, fold, **own)
        for own in ({}, {"adv_lr": 0.1}, {"adv_lr": 0.2})
        for seed in (1, 2)
        for fold in (1, 2, 3)
    ]
    search = Search(cells)
    for at, each in enumerate(cells):
        search.end(each, 0.5 + at / 100)
    search.write(folder, space=SPACE + "data: {folds: 3}\n")
    for each in cells:
        count = 20 + each.fold  # each fold is of other examples
        labels = np.arange(count) % 2
        right = np.arange(count) < count * (0.6 if each.arm == "clean" else 0.8)
        home = folder / "cells" / each.id / "predictions"
        home.mkdir()
        logits = np.eye(2, dtype=np.float32)[np.where(right, labels, 1 - labels)]
        np.savez(home / "epoch_0001.npz", **{"dev.logits": logits, "dev.labels": labels})
    return cells


def test_a_results_folder_with_folds_has_its_table_and_verdict(tmp_path):
    cells = searched(tmp_path)
    store = load_store(tmp_path)
    table = build_table(store)
    told = judge(store, table)
    assert {one.n_folds for one in told.comparisons} == {3}
    # every example of the three folds once for each seed: 21 + 22 + 23, of which 13 or 14 turn
    assert told.comparisons[0].flips.beneficial == pytest.approx((17 + 18 + 19) - (13 + 14 + 14))
    arms = arms_of(store, table, [])
    assert {arm.overlap for arm in arms} == {1 / 2}
    assert "half of the dev set" in (optimism_sentence(arms, "accuracy", "higher") or "")
    write_outputs(tmp_path, judge)
    text = (tmp_path / "table.md").read_text()
    assert "3 folds x 2 seeds planned for each configuration (seeds 1, 2)" in text
    assert "(n=6)" in text
    trials = (tmp_path / "trials.csv").read_text().splitlines()
    assert trials[0].split(",")[4:6] == ["seed", "fold"]
    assert trials[2].split(",")[4:6] == ["1", "2"]
    page = (tmp_path / "report.html").read_text()
    assert '"fold":3' in page.replace(" ", "")
    assert len(cells) == len(trials) - 1


def test_where_folds_are_replicates_nothing_calls_cells_seeds(tmp_path):
    searched(tmp_path)
    write_outputs(tmp_path, judge)
    table = (tmp_path / "table.md").read_text("utf-8")
    assert "all cells of each averaged" in table
    page = (tmp_path / "report.html").read_text("utf-8").split('id="plotly"')[0]
    for said in ("the mean of its cells", "Every cell, and the mean", ">n cells<", '"a cell"'):
        assert said in page
    for said in ("n seeds", "finished seeds", "mean of its seeds.", '"a seed"'):
        assert said not in page


def test_two_dev_sets_under_one_fold_are_refused():
    arms = crossed([0.1, 0.2])
    labels = [np.zeros(4), np.zeros(5)]
    runs = tuple(
        Run(run.seed, run.score, np.zeros((len(y), 2)), y, run.fold)
        for run, y in zip(arms[0].runs, labels, strict=True)
    )
    good = Arm("clean", "clean", "clean", 2, runs, overlap=1.0)
    other = Run(1, 0.5, np.zeros((6, 2)), np.zeros(6), 2)
    bad = Arm("tried", "clean", "tried", 2, (runs[0], other), overlap=1.0)
    with pytest.raises(FreeLBTuneError, match="seed 1, fold 2, and 6 for tried, seed 1, fold 2"):
        contrasts([good, bad], "accuracy")


def score(cell, epoch):
    """Better with `adv_lr` and the epoch; folds differ by far more."""
    return 0.3 + float(cell.settings.get("adversary.adv_lr", 0)) + 0.1 * cell.fold + epoch / 100


def test_asha_stops_configurations_with_all_their_folds_and_a_killed_one_goes_on(tmp_path):
    text = FILE.replace("[0.1, 0.3]", "[0.4, 0.3, 0.2, 0.1]") + "search: {algorithm: asha}\n"
    ended = []
    for name, kill_after in (("whole", None), ("killed", 11)):
        (tmp_path / name).mkdir()
        space = opened(tmp_path / name, text)
        if kill_after:
            drive(tmp_path / name, space, planned(space), score, kill_after=kill_after)
        drive(tmp_path / name, space, planned(space), score)
        store = load_store(tmp_path / name / "results")
        ended.append([(each.cell.id, each.state, len(each.epochs)) for each in store.cells])
        configs = {each.cell.config_id: each.state for each in store.cells}
        assert all(configs[each.cell.config_id] is each.state for each in store.cells)
        assert {*configs.values()} == {CellState.DONE, CellState.STOPPED}
    assert ended[0] == ended[1]


def test_a_cell_is_trained_on_the_other_folds_and_judged_on_its_own(tmp_path):
    rows = [f"{'good' if n % 2 else 'bad'} film {n},{n % 2}" for n in range(31)]
    (tmp_path / "own.csv").write_text("\n".join(["text,label", *rows]), "utf-8")
    data = {"file": str(tmp_path / "own.csv"), "folds": 3, "text": "text", "max_length": 16}
    space = ft.Space.of({**TOY, "task": "classification", "data": data})
    cells = span(space, most_cells=None).cells[:2]  # the clean arm in folds 1 and 2
    ready = prepare(cells, tmp_path)
    for each in cells:
        tokens = ready[each.id].tokens
        assert tokens.sizes["train"] + tokens.sizes["dev"] == 31
        run_cell(each, ready[each.id], tmp_path / each.id, lambda _: None)
        dev = load_examples(each.task, each.data).evaluation["dev"]
        (path,) = (tmp_path / each.id / "predictions").iterdir()
        with np.load(path) as said:
            assert said["dev.labels"].tolist() == dev["label"][:]
    assert ready[cells[0].id].tokens.folder != ready[cells[1].id].tokens.folder


def test_folders_of_other_seeds_are_put_together_fold_by_fold(tmp_path):
    arms = ({}, {"adv_lr": 0.1})
    for seed in (1, 2):
        cells = [folded(seed, fold, **own) for own in arms for fold in (1, 2, 3)]
        search = Search(cells)
        for each in cells:
            search.end(each, 0.5)
        search.write(tmp_path / str(seed), space=SPACE + "data: {folds: 3}\n")
    merged = join_folders([tmp_path / "1", tmp_path / "2"])
    blocks = [(seed, fold) for seed in (1, 2) for fold in (1, 2, 3)]
    assert [each.block for each in merged.cells] == blocks * 2
    assert merged.seeds == (1, 2)


def test_a_test_file_is_not_scored_by_models_that_lack_a_fold(tmp_path):
    rows = [f"film {n},{n % 2}" for n in range(12)]
    for name in ("own.csv", "test.csv"):
        (tmp_path / name).write_text("\n".join(["text,label", *rows]), "utf-8")
    files = {"file": str(tmp_path / "own.csv"), "test": str(tmp_path / "test.csv")}
    data = DataFields(**files, folds=3, text="text")
    assert [*load_examples("classification", data).evaluation] == ["dev"]
    assert any(
        "test.csv: not scored with data.folds" in n for n in check_data("classification", data)
    )
    hans = DataFields(**files, folds=3, text="text", also={"hans": files["file"]})
    with pytest.raises(
        FreeLBTuneError, match="data.also.hans: the models of all folds would judge"
    ):
        check_data("classification", hans)
