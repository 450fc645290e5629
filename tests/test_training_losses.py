"""Whatever the labels are, the loss and its gradient are `Trainer`'s; what cannot be is refused."""

import pytest
import torch
from conftest import tiny_encoder
from test_training_exact import Rows, collate
from test_training_surface import STANDING, arguments, assert_same, run
from torch import nn
from torch.nn.functional import cross_entropy
from transformers import Trainer

from freelb_tune.errors import FreeLBTuneError
from freelb_tune.space.settings.adversaries import NoneSettings, SMARTSettings
from freelb_tune.training import AdversarialTrainer
from freelb_tune.training.passes.losses import example_losses, shares
from freelb_tune.training.probing.tryout import made_up_batch, try_out


class Labelled(Rows):
    """Rows whose labels are made by their place."""

    def __init__(self, label, count=11):
        super().__init__(count)
        for place, row in enumerate(self.rows):
            row["labels"] = label(place)


SINGLE, SEVERAL, VALUES = (
    "single_label_classification",
    "multi_label_classification",
    "regression",
)
KINDS = {
    "several-labels": (3, SEVERAL, lambda i: [float(i % 2), float(i % 3 == 0), 1.0]),
    "several-labels-told-by-their-type": (3, None, lambda i: [float(i % 2), 0.0, 1.0]),
    "several-values": (3, VALUES, lambda i: [i / 7, -i / 5, 2.0]),
    "one-value": (1, None, lambda i: i / 3),
    "one-value-in-a-row": (1, VALUES, lambda i: [i / 3]),
    "one-class": (1, SINGLE, lambda i: 0),
    "classes-in-rows": (3, None, lambda i: [i % 3]),
    "some-without-a-label": (3, SINGLE, lambda i: -100 if i % 4 == 0 else i % 3),
}


@pytest.mark.parametrize("padding_free", [None, False], ids=["auto", "general"])
@pytest.mark.parametrize("kind", KINDS)
def test_labels_of_every_kind_have_trainers_loss(tmp_path, kind, padding_free):
    width, problem, label = KINDS[kind]
    runs = []
    for trainer in (Trainer, AdversarialTrainer):
        model = tiny_encoder("bert", num_labels=width).double()
        model.config.problem_type = problem
        given = {"optim": "sgd", "learning_rate": 0.1, "per_device_eval_batch_size": 4}
        runs.append(run(trainer, tmp_path, given, model=model, rows=Labelled(label),
                        padding_free=padding_free))  # fmt: skip
        assert model.config.problem_type is not None  # what a pipeline reads
    assert_same(*runs[::-1], close=1e-6)  # labels that are not whole numbers are in float32


def test_the_mean_is_over_the_examples_that_have_a_label():
    logits = torch.tensor([[1.0, 2.0], [0.0, 5.0], [3.0, 1.0]])
    labels = torch.tensor([[1], [-100], [1]])
    losses = example_losses(logits, labels, SINGLE)
    mean = losses.sum() / shares(labels, SINGLE).sum()
    assert losses[1] == 0
    torch.testing.assert_close(mean, cross_entropy(logits[[0, 2]], labels[[0, 2], 0]))


def test_accumulated_batches_count_only_the_examples_that_have_a_label(tmp_path):
    weights = []
    for size, steps in ((8, 1), (2, 4)):  # rows 0 and 4 have none
        model = tiny_encoder("bert", num_labels=3).double()
        rows = Labelled(lambda i: -100 if i % 4 == 0 else i % 3, count=8)
        run(AdversarialTrainer, tmp_path,
            {"optim": "sgd", "learning_rate": 0.1, "per_device_train_batch_size": size,
             "gradient_accumulation_steps": steps}, model=model, rows=rows)  # fmt: skip
        weights.append(model.state_dict())
    for name, value in weights[0].items():
        torch.testing.assert_close(weights[1][name], value, rtol=1e-9, atol=1e-9)


def made(folder, kind=AdversarialTrainer, model=None, rows=None, *, given=None, **more):
    return kind(
        model=tiny_encoder("bert") if model is None else model,
        args=arguments(folder, **(given or {})),
        train_dataset=Rows() if rows is None else rows, data_collator=collate,
        **{"adversary": STANDING, **more},
    )  # fmt: skip


def test_a_loss_per_example_of_the_users_own_trains_and_evaluates(tmp_path):
    weight = torch.tensor([1.0, 5.0], dtype=torch.float64)

    class Weighted(AdversarialTrainer):
        def example_losses(self, logits, labels):
            return cross_entropy(logits, labels, weight=weight, reduction="none")

    model, start = tiny_encoder("bert").double(), tiny_encoder("bert").double()
    rows = Rows()
    batch = collate(rows.rows)
    labels = batch.pop("labels")
    loss = cross_entropy(start(**batch).logits, labels, weight=weight, reduction="none").mean()
    loss.backward()
    trainer = made(tmp_path, Weighted, model, rows, given={
        "optim": "sgd", "learning_rate": 0.1, "per_device_train_batch_size": 8,
        "lr_scheduler_type": "constant"})  # fmt: skip
    assert trainer.evaluate(rows)["eval_loss"] == pytest.approx(loss.item())
    trainer.train()
    for before, after in zip(start.parameters(), model.parameters(), strict=True):
        torch.testing.assert_close(after, before - 0.1 * before.grad, rtol=1e-9, atol=1e-9)


class Focal(nn.Module):
    """A classifier with a loss of its own."""

    def __init__(self, own=True):
        super().__init__()
        self.bert, self.own = tiny_encoder("bert"), own
        self.config = self.bert.config

    def get_input_embeddings(self):
        return self.bert.get_input_embeddings()

    def forward(self, input_ids=None, attention_mask=None, labels=None):
        logits = self.bert(input_ids, attention_mask).logits
        if labels is None or not self.own:
            return {"logits": logits}
        losses = cross_entropy(logits, labels, reduction="none")
        return {"loss": ((1 - torch.exp(-losses)) ** 2 * losses).mean(), "logits": logits}


def test_a_models_own_loss_is_refused_unless_ours_is_told(tmp_path):
    with pytest.raises(FreeLBTuneError, match=r"Focal computes a loss of its own.*example_losses"):
        made(tmp_path, model=Focal()).train()
    with pytest.raises(FreeLBTuneError, match="Focal computes a loss of its own"):
        made(tmp_path, model=Focal()).evaluate(Rows())

    class Told(AdversarialTrainer):
        def example_losses(self, logits, labels):
            losses = cross_entropy(logits, labels, reduction="none")
            return (1 - torch.exp(-losses)) ** 2 * losses

    made(tmp_path, Told, Focal()).train()
    made(tmp_path, model=Focal(own=False)).train()


def test_a_loss_behind_a_replaced_forward_is_looked_at_too(tmp_path):
    def replaced(scale, takes_labels=True):
        model = tiny_encoder("bert")
        inner = model.forward

        def forward(**inputs):
            if not takes_labels and "labels" in inputs:
                raise TypeError("forward() got an unexpected keyword argument 'labels'")
            output = inner(**inputs)
            output.logits = output.logits * scale
            return output

        model.forward = forward
        return model

    given = {"remove_unused_columns": False, "label_names": ["labels"]}
    with pytest.raises(FreeLBTuneError, match="computes a loss of its own"):
        made(tmp_path, model=replaced(1.2), given=given).train()  # Trainer's is the unscaled one
    made(tmp_path, model=replaced(1.0), given=given).train()
    made(tmp_path, model=replaced(1.2, takes_labels=False), given=given).train()


def test_a_weight_of_classes_inside_a_model_shows_though_all_rows_are_of_one_class(tmp_path):
    class Weighing(Focal):
        def forward(self, input_ids=None, attention_mask=None, labels=None):
            logits = self.bert(input_ids, attention_mask).logits
            loss = cross_entropy(logits, labels, weight=torch.tensor([1.0, 3.0]))
            return {"loss": loss, "logits": logits}

    with pytest.raises(FreeLBTuneError, match="Weighing computes a loss of its own"):
        made(tmp_path, model=Weighing(), rows=Labelled(lambda i: 1)).train()


def test_looking_at_a_models_loss_draws_nothing(tmp_path):
    trainer = made(tmp_path)
    model, batch = tiny_encoder("bert", dropout=0.5), collate(Rows().rows)
    before = torch.get_rng_state()
    trainer._check_loss(model, batch)
    assert torch.equal(torch.get_rng_state(), before)
    assert model.training


def test_a_loss_that_is_not_one_per_example_is_refused(tmp_path):
    class Mean(AdversarialTrainer):
        def example_losses(self, logits, labels):
            return cross_entropy(logits, labels)

    with pytest.raises(FreeLBTuneError, match=r"returned the shape \(\) for 4 examples"):
        made(tmp_path, Mean).train()


class Own(Trainer):
    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        raise AssertionError("never called")


class Mine(AdversarialTrainer):
    compute_loss = Own.compute_loss


class Behind(AdversarialTrainer, Own):
    pass


REFUSED = [
    (Mine, {}, r"Mine\.compute_loss: .*override example_losses"),
    (Behind, {}, r"Own\.compute_loss: it stands behind ours"),
    (AdversarialTrainer, {"compute_loss_func": print}, "compute_loss_func: .*example_losses"),
    (AdversarialTrainer, {"given": {"label_names": ["gold"]}}, r"label_names \['gold'\]"),
    (AdversarialTrainer, {"given": {"torch_compile": True}}, "torch_compile: .*take it out"),
    (AdversarialTrainer, {"given": {"optim": "lomo"}}, "optim lomo: it updates weights at each"),
    (
        AdversarialTrainer,
        {"given": {"optim": "galore_adamw_layerwise", "optim_target_modules": ["query"]}},
        "optim galore_adamw_layerwise",
    ),
]


@pytest.mark.parametrize(("kind", "more", "message"), REFUSED)
def test_what_leaves_no_loss_per_example_is_refused_by_name(tmp_path, kind, more, message):
    with pytest.raises(FreeLBTuneError, match=message):
        made(tmp_path, kind, **more)


def test_what_is_put_onto_a_trainer_or_its_model_later_is_refused_too(tmp_path):
    trainer = made(tmp_path)
    trainer.compute_loss = lambda *args, **kwargs: None
    with pytest.raises(FreeLBTuneError, match=r"trainer\.compute_loss: .*example_losses"):
        trainer.train()
    model = tiny_encoder("bert")
    model.classifier.weight.register_post_accumulate_grad_hook(lambda weight: None)
    with pytest.raises(FreeLBTuneError, match="a hook on a weight's gradient: it updates"):
        made(tmp_path, model=model).train()


def test_an_optimizer_that_holds_another_model_is_refused(tmp_path):
    trainer = made(tmp_path)
    trainer.model = tiny_encoder("bert", seed=1)  # Trainer would pass the old one through
    with pytest.raises(FreeLBTuneError, match="the optimizer holds none of its weights"):
        trainer.train()


@pytest.mark.parametrize(
    ("width", "label", "given", "message"),
    [
        (2, lambda i: -100, {}, "every label of a weight update is -100"),
        (1, lambda i: i / 3, {"label_smoothing_factor": 0.1}, "label_smoothing_factor spreads"),
        (3, lambda i: [0.0, 1.0, 1.0], {"label_smoothing_factor": 0.1}, "is a multi_label_class"),
        (3, lambda i: [0.0, 1.0], {}, r"shape \(4, 2\) and logits \(4, 3\)"),
    ],
)
def test_labels_that_have_no_loss_are_refused(tmp_path, width, label, given, message):
    model = tiny_encoder("bert", num_labels=width)
    with pytest.raises(FreeLBTuneError, match=message):
        made(tmp_path, model=model, rows=Labelled(label), given=given).train()


def test_a_batch_without_labels_is_refused(tmp_path):
    trainer = made(tmp_path)
    trainer.data_collator = lambda rows: {"input_ids": torch.ones(2, 3, dtype=torch.long)}
    with pytest.raises(FreeLBTuneError, match="holds input_ids and no tensor of labels"):
        trainer.train()


def test_an_adversary_climbs_the_divergence_of_several_labels(tmp_path):
    # a push moves a prediction, so the regulariser is above 0 and adds to the loss
    model = tiny_encoder("bert", num_labels=3, problem_type=SEVERAL).double()
    batch = made_up_batch(model)
    clean = try_out(NoneSettings(), model, batch).outcome.losses
    smart = try_out(SMARTSettings(adv_lr=0.3, init_mag=0.1), model, batch).outcome.losses
    assert (smart > clean).all()
