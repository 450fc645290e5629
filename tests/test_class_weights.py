"""What each class counts in the loss: in the trainer, in a space, and in a cell."""

import csv
from dataclasses import replace

import numpy as np
import pytest
import torch
from api_fixtures import TOY
from conftest import tiny_encoder
from sklearn.utils.class_weight import compute_class_weight
from test_training_cell import TINY, run, toy_cell  # noqa: F401 - a fixture
from test_training_losses import Labelled
from test_training_surface import arguments, assert_same, collate
from test_training_surface import run as train
from torch.nn import CrossEntropyLoss
from transformers import Trainer

import freelb_tune as ft
from freelb_tune.errors import FreeLBTuneError
from freelb_tune.space.settings.adversaries import R3FSettings, SMARTSettings
from freelb_tune.tasks.class_weights import class_weights
from freelb_tune.training import AdversarialTrainer, prepare
from freelb_tune.training.inputs.tokens import TokenDataset

WEIGHTS = [0.5, 1.0, 4.0]


class Weighing(Trainer):
    """What people write today."""

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        labels = inputs["labels"]
        outputs = model(**{name: value for name, value in inputs.items() if name != "labels"})
        weight = torch.tensor(WEIGHTS, dtype=outputs.logits.dtype)
        smoothing = self.args.label_smoothing_factor
        loss = CrossEntropyLoss(weight, label_smoothing=smoothing)(outputs.logits, labels)
        return (loss, outputs) if return_outputs else loss


def rows(count=11):
    return Labelled(lambda i: -100 if i == 4 else (i * i) % 3, count=count)


def three():
    return tiny_encoder("bert", num_labels=3).double()


@pytest.mark.parametrize("padding_free", [None, False], ids=["auto", "general"])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_the_trainers_numbers_are_those_of_a_weighted_cross_entropy(
    tmp_path, padding_free, smoothing
):
    given = {"optim": "sgd", "learning_rate": 0.1, "per_device_eval_batch_size": 11}
    given["label_smoothing_factor"] = smoothing
    want = train(Weighing, tmp_path, given, model=three(), rows=rows())
    ours = {"class_weights": WEIGHTS, "padding_free": padding_free}
    got = train(AdversarialTrainer, tmp_path, given, model=three(), rows=rows(), **ours)
    assert_same(got, want)
    plain = train(AdversarialTrainer, tmp_path, given, model=three(), rows=rows())
    assert plain[2]["eval_loss"] != pytest.approx(want[2]["eval_loss"], rel=1e-3)


def test_an_updates_weights_are_one_sum_however_its_batch_is_cut(tmp_path):
    ends = []
    for size, steps in ((8, 1), (2, 4)):
        given = {"optim": "sgd", "learning_rate": 0.1, "per_device_train_batch_size": size,
                 "gradient_accumulation_steps": steps}  # fmt: skip
        ends.append(train(AdversarialTrainer, tmp_path, given, model=three(), rows=rows(8),
                          class_weights=WEIGHTS))  # fmt: skip
    assert_same(*ends, close=1e-9)


@pytest.mark.parametrize("settings", [SMARTSettings(adv_lr=0.3, init_mag=0.1), R3FSettings()])
def test_weights_that_are_all_alike_change_nothing_of_a_divergence_either(tmp_path, settings):
    ends = []
    for weights in (None, [3.0, 3.0, 3.0]):
        model = three()
        trainer = AdversarialTrainer(
            model=model, args=arguments(tmp_path, optim="sgd", learning_rate=0.1),
            train_dataset=rows(), data_collator=collate, adversary=settings, class_weights=weights,
        )  # fmt: skip
        trainer.train()
        ends.append(model.state_dict())
    for name, value in ends[0].items():
        torch.testing.assert_close(ends[1][name], value, rtol=1e-9, atol=1e-9)


class Own(AdversarialTrainer):
    def example_losses(self, logits, labels):
        raise AssertionError("never called")


@pytest.mark.parametrize(
    ("kind", "weights", "message"),
    [
        (AdversarialTrainer, [1.0, 2.0], r"shape \(2,\) and the model has 3 classes"),
        (AdversarialTrainer, [1.0, 2.0, 0.0], r"finite numbers above 0, got \[1.0, 2.0, 0.0\]"),
        (AdversarialTrainer, [1.0, 2.0, float("nan")], "finite numbers above 0"),
        (Own, WEIGHTS, "class_weights: example_losses is overridden; say the weights there"),
    ],
)
def test_a_trainer_refuses_weights_that_it_cannot_honour(tmp_path, kind, weights, message):
    with pytest.raises(FreeLBTuneError, match=message):
        kind(model=three(), args=arguments(tmp_path), class_weights=weights)


def test_weights_of_labels_that_are_no_classes_are_refused(tmp_path):
    model = tiny_encoder("bert", num_labels=3, problem_type="multi_label_classification")
    trainer = AdversarialTrainer(
        model=model, args=arguments(tmp_path), data_collator=collate,
        train_dataset=Labelled(lambda i: [1.0, 0.0, 1.0]), class_weights=WEIGHTS,
    )  # fmt: skip
    with pytest.raises(FreeLBTuneError, match="this is a multi_label_classification: take them"):
        trainer.train()


def space(**loss):
    return ft.Space.of({**TOY, **({"loss": loss} if loss else {})})


def test_only_cells_with_weights_have_another_name_and_each_has_its_clean_arm(tmp_path):
    plain = ft.plan(space(), tmp_path).cells
    both = ft.plan(space(class_weights={"grid": [None, "balanced"]}), tmp_path)
    cells = both.cells.set_index("cell_id")
    assert list(plain["cell_id"]) == list(cells.index[cells["loss.class_weights"].isna()])
    weighted = cells[cells["loss.class_weights"] == "balanced"]
    assert list(weighted["arm"]) == ["clean", "adversarial"]
    assert weighted["clean_id"].nunique() == 1
    header, first, *_ = both.listing.splitlines()
    assert "class_weights" in header
    assert "none" in first


@pytest.mark.parametrize("weights", [[0, 1], [1, float("inf")], "even", {"a": -1.0, "b": 1}])
def test_a_space_says_what_weights_may_be(weights):
    message = "loss.class_weights.*: expected (a finite number|balanced, or a weight above 0 for e)"
    with pytest.raises(FreeLBTuneError, match=message):
        space(class_weights=weights)


LONG, NAMED = [1, 2, 3], {"entailment": 1.0, "neutral": 2.0}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"loss": {"class_weights": LONG}}, "3 weights for 2 class.*entailment, not_entailment"),
        (
            {"loss": {"class_weights": NAMED}},
            "no weight for 'not_entailment', and no class 'neutral'; the classes are entailment,",
        ),
        (
            {"task": "stsb", "loss": {"class_weights": "balanced"}},
            "class_weights: task 'stsb' has no one class for each example",
        ),
    ],
)
def test_weights_that_are_not_of_the_datas_classes_are_refused_by_plan(tmp_path, changes, message):
    content = {**TOY, **changes}
    if "task" in changes:
        content["data"] = {}
    with pytest.raises(FreeLBTuneError, match=message):
        ft.plan(ft.Space.of(content), tmp_path)


def own_data(folder):
    """90 rows of three classes, one of them rare."""
    with (folder / "a.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        writer.writerows([f"word{i % 7} of {i % 5}", "abc"[(i % 9 > 4) + (i % 9 == 8)]]
                         for i in range(90))  # fmt: skip
    return {"task": "classification", "data.source": "files", "data.file": str(folder / "a.csv"),
            "data.dev_share": 0.2, "data.text": "text", "data.max_train_examples": 50}  # fmt: skip


def test_balanced_is_scikit_learns_of_the_rows_that_are_trained_on(tmp_path):
    cell = toy_cell(**own_data(tmp_path), **{"loss.class_weights": "balanced"})
    said = []
    ready = prepare([cell], tmp_path / "cache", said.append)[cell.id]
    labels = TokenDataset(ready.tokens.folder / "train").labels
    assert len(labels) == 50
    want = compute_class_weight("balanced", classes=np.arange(3), y=labels)
    assert ready.class_weights == pytest.approx(list(want), rel=1e-12)
    assert said[-1].startswith(f"class weights: a {want[0]:.4g}, b {want[1]:.4g}, c {want[2]:.4g}")
    with pytest.raises(FreeLBTuneError, match="no weight to 'c', of which the training set has no"):
        class_weights("classification", "abc", "balanced", [0, 1, 1])


def test_names_and_a_list_are_the_same_weights():
    named = class_weights("classification", "abc", {"c": 3.0, "a": 1.0, "b": 2.0}, [])
    assert named == class_weights("classification", "abc", [1.0, 2.0, 3.0], []) == (1.0, 2.0, 3.0)


@pytest.mark.parametrize("method", ["none", "freelb"])
def test_a_cells_losses_have_the_weights_in_every_arm(run, tmp_path, method):  # noqa: F811
    weights = [1.0, 5.0]
    settings = {"trainer.num_train_epochs": 1, "adversary.method": method}
    if method != "freelb":
        settings |= {"adversary.adv_steps": None, "adversary.max_norm": None}
    made = toy_cell(**settings)
    kept = {key: value for key, value in made.settings.items() if value is not None}
    cell = replace(made, settings={**kept, "loss.class_weights": weights})
    (weighted,) = run(cell, "weighted")
    said = np.load(tmp_path / "weighted" / "predictions" / "epoch_0001.npz")
    logits, labels = torch.tensor(said["dev.logits"]), torch.tensor(said["dev.labels"])
    want = CrossEntropyLoss(torch.tensor(weights))(logits, labels).item()
    assert weighted.dev_loss == pytest.approx(want, rel=1e-5)
    general = replace(cell, settings={**cell.settings, "run.padding_free": False})
    (other,) = run(general, "general")
    assert other.train_loss == pytest.approx(weighted.train_loss, rel=1e-2)  # other dropout
