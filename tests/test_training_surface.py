"""`AdversarialTrainer` is a `Trainer`: all of it holds with its numbers, or is refused by name."""

import inspect
import warnings
from dataclasses import fields

import numpy as np
import pytest
import torch
from conftest import tiny_encoder
from test_training_exact import Rows, collate
from trainer_surface import (
    ARGUMENTS,
    ASIDE_FIELDS,
    ASIDE_METHODS,
    BY_OTHER_TESTS,
    HONOURED_METHODS,
    ON_ANOTHER_MACHINE,
    OURS_METHODS,
    REFUSED_FIELDS,
    REFUSED_METHODS,
    TOGETHER,
)
from transformers import Trainer, TrainingArguments

from freelb_tune.space.settings.adversaries import FreeLBSettings
from freelb_tune.training import AdversarialTrainer

STANDING = FreeLBSettings(adv_steps=2, adv_lr=0.0, init_mag=0.0)
"""Two passes of a perturbation that stays zero: plain training, through all of the machinery."""


def test_every_argument_method_and_field_of_trainer_is_known():
    """Where this fails after an upgrade, see what the new thing does and put it into the table."""
    assert ARGUMENTS.keys() == inspect.signature(Trainer.__init__).parameters.keys() - {"self"}
    methods = {name for name, value in vars(Trainer).items() if callable(value)
               or isinstance(value, staticmethod)}  # fmt: skip
    assert methods == OURS_METHODS | REFUSED_METHODS | HONOURED_METHODS | ASIDE_METHODS
    acting = {name for together in TOGETHER for name in together}
    known = acting | ON_ANOTHER_MACHINE | REFUSED_FIELDS | BY_OTHER_TESTS | ASIDE_FIELDS
    assert {field.name for field in fields(TrainingArguments) if field.init} == known


def test_what_is_replaced_of_trainer_is_what_the_table_says():
    replaced = {
        name
        for kind in AdversarialTrainer.__mro__[: AdversarialTrainer.__mro__.index(Trainer)]
        for name in vars(kind)
        if name in vars(Trainer) and callable(vars(kind)[name])
    }
    assert replaced == OURS_METHODS | REFUSED_METHODS


def arguments(folder, **given):
    return TrainingArguments(
        output_dir=str(folder), use_cpu=True, report_to=[], disable_tqdm=True,
        **{"save_strategy": "no", "logging_strategy": "no", "max_grad_norm": 0.0,
           "num_train_epochs": 1, "per_device_train_batch_size": 4, **given},
    )  # fmt: skip


def run(kind, folder, given, *, model=None, rows=None, padding_free=None, **more):
    """Train and evaluate; the weights before, after, the metrics and the predictions."""
    if model is None:  # in double precision, as Adam makes much of a rounding
        model = tiny_encoder("bert") if given.get("bf16") else tiny_encoder("bert").double()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    rows = Rows(count=11) if rows is None else rows
    ours = {"adversary": STANDING, "padding_free": padding_free}
    trainer = kind(
        model=model, args=arguments(folder, **given), train_dataset=rows, eval_dataset=rows,
        **{"data_collator": collate, **more},
        **(ours if issubclass(kind, AdversarialTrainer) else {}),
    )  # fmt: skip
    if not issubclass(kind, AdversarialTrainer):
        trainer.loss_is_scaled_for_ga = False  # the documented mean, which 5.24 misses for BERT
    trainer.train()
    after = {name: value.clone() for name, value in model.state_dict().items()}
    metrics, output = trainer.evaluate(), trainer.predict(rows)
    timed = ("_runtime", "_per_second", "_preparation_time")
    shown = {name: value for name, value in metrics.items() if not name.endswith(timed)}
    return before, after, shown, output


def assert_same(got, want, close=1e-8):
    for ours, theirs in zip(got[:2], want[:2], strict=True):
        for name, value in theirs.items():
            torch.testing.assert_close(ours[name], value, rtol=close, atol=close, msg=name)
    assert got[2] == pytest.approx(want[2], rel=close * 10, abs=close)
    assert (got[3].predictions is None) == (want[3].predictions is None)
    if want[3].predictions is not None:
        np.testing.assert_allclose(
            got[3].predictions, want[3].predictions, rtol=close * 10, atol=close * 10
        )
        np.testing.assert_array_equal(got[3].label_ids, want[3].label_ids)


@pytest.mark.parametrize("given", TOGETHER, ids=lambda given: next(iter(given)))
@pytest.mark.parametrize("padding_free", [None, False], ids=["auto", "general"])
def test_a_field_gives_trainers_own_numbers(tmp_path, given, padding_free):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        want = run(Trainer, tmp_path, given)
        got = run(AdversarialTrainer, tmp_path, given, padding_free=padding_free)
    assert any(not torch.equal(want[0][name], value) for name, value in want[1].items())
    assert_same(got, want, close=2e-2 if {"bf16", "bf16_full_eval"} & given.keys() else 1e-8)


# --- arguments


class Metrics:
    """A `compute_metrics` that notes all that it is given."""

    def __init__(self):
        self.given = []

    def __call__(self, prediction, compute_result=True):
        inputs = prediction.inputs  # under batch_eval_metrics the whole batch
        inputs = inputs["input_ids"] if isinstance(inputs, dict) else inputs
        parts = (prediction.predictions, prediction.label_ids, inputs, prediction.losses)
        self.given.append([None if part is None else np.asarray(part) for part in parts])
        return {"sum": float(np.sum(self.given[-1][0]))}


def tripled(logits, labels):
    return 3 * logits + labels[:, None]


@pytest.mark.parametrize("padding_free", [None, False], ids=["auto", "general"])
@pytest.mark.parametrize("batchwise", [False, True])
def test_metrics_are_given_what_trainer_gives_in_the_datas_order(tmp_path, batchwise, padding_free):
    given = {"include_for_metrics": ["inputs", "loss"], "batch_eval_metrics": batchwise}
    notes = []
    for kind in (Trainer, AdversarialTrainer):
        metrics = Metrics()
        more = {"compute_metrics": metrics, "preprocess_logits_for_metrics": tripled}
        run(kind, tmp_path, given, padding_free=padding_free, **more)
        notes.append(metrics.given)
    assert len(notes[0]) == len(notes[1]) > 1
    for theirs, ours in zip(*notes, strict=True):
        for one, other in zip(theirs, ours, strict=True):
            np.testing.assert_allclose(other, one, rtol=1e-7)


def fresh(folder, **given):
    model = tiny_encoder("bert").double()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.3)
    return {"model": model, "optimizers": (optimizer, None), **given}


def test_an_optimizer_of_the_users_own_is_the_one_that_steps(tmp_path):
    runs = [run(kind, tmp_path, {}, **fresh(tmp_path)) for kind in (Trainer, AdversarialTrainer)]
    assert_same(*runs[::-1])
    pairs = [
        run(kind, tmp_path, {}, optimizer_cls_and_kwargs=(torch.optim.Adadelta, {"lr": 2.0}))
        for kind in (Trainer, AdversarialTrainer)
    ]
    assert_same(*pairs[::-1])
    assert any(not torch.equal(pairs[0][1][name], value) for name, value in runs[0][1].items())


@pytest.mark.parametrize("padding_free", [None, True, False], ids=["auto", "packed", "general"])
def test_a_model_from_model_init_is_the_one_that_learns(tmp_path, padding_free):
    ends = []
    for kind in (Trainer, AdversarialTrainer):
        ours = {"adversary": STANDING, "padding_free": padding_free}
        trainer = kind(
            model_init=lambda: tiny_encoder("bert", seed=3).double(),
            args=arguments(tmp_path, learning_rate=1e-2), train_dataset=Rows(count=11),
            data_collator=collate, **({} if kind is Trainer else ours),
        )  # fmt: skip
        trainer.train()
        ends.append((trainer.model.state_dict(), trainer.predict(Rows(count=11)).predictions))
    start = tiny_encoder("bert", seed=3).double().state_dict()
    assert any(not torch.equal(start[name], value) for name, value in ends[1][0].items())
    for name, value in ends[0][0].items():
        torch.testing.assert_close(ends[1][0][name], value, rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(ends[1][1], ends[0][1], rtol=1e-7)


def test_the_unit_of_relative_lengths_is_the_model_that_is_trained(tmp_path):
    models = iter(tiny_encoder("bert", seed=seed) for seed in range(5))
    trainer = AdversarialTrainer(
        model_init=lambda: next(models), args=arguments(tmp_path), train_dataset=Rows(),
        data_collator=collate, adversary=FreeLBSettings(adv_steps=2, relative=True),
    )  # fmt: skip
    trainer.train()
    words = tiny_encoder("bert", seed=1).get_input_embeddings().weight[1:]  # 0 is the padding
    assert trainer.embedding_norm == pytest.approx(words.norm(dim=1).mean().item(), rel=1e-5)
    assert trainer.settings.adv_lr == pytest.approx(0.1 * trainer.embedding_norm)
