"""When the perturbation begins, how it grows, in what unit; and the optimizer between passes."""

import adversary_reference as reference
import pytest
import torch
from batches import padded_batch
from conftest import tiny_encoder
from pydantic import ValidationError
from transformers import TrainingArguments

from freelb_tune.adversary import absolute, embedding_norm, make_adversary
from freelb_tune.errors import FreeLBTuneError
from freelb_tune.space.settings.adversaries import (
    ADVERSARIES,
    FreeATSettings,
    FreeLBSettings,
    PGDSettings,
    RepeatSettings,
)
from freelb_tune.training import AdversarialTrainer
from freelb_tune.training.contract import check
from freelb_tune.training.probing.tryout import gradients, try_out

BATCH = padded_batch((3, 8, 5, 8))


class Rows(torch.utils.data.Dataset):
    """One batch's examples, which always come together."""

    def __len__(self):
        return len(BATCH["labels"])

    def __getitem__(self, i):
        return i


def trainer(folder, adversary, model=None, *, padding_free=False, **arguments):
    sizes = {"per_device_train_batch_size": 4, "gradient_accumulation_steps": 1}
    return AdversarialTrainer(
        model=model or tiny_encoder("bert"),
        args=TrainingArguments(
            output_dir=str(folder),
            use_cpu=True,
            report_to=[],
            disable_tqdm=True,
            lr_scheduler_type="constant",
            optim="sgd",
            save_strategy="no",
            **{"max_steps": 1, "learning_rate": 0.1, "max_grad_norm": 0.0, **sizes, **arguments},
        ),
        train_dataset=Rows(),
        data_collator=lambda rows: {k: v[sorted(rows)].clone() for k, v in BATCH.items()},
        adversary=adversary,
        padding_free=padding_free,
    )


# --- beginning and growth


@pytest.mark.parametrize("padding_free", [False, True])
def test_training_is_clean_until_the_perturbation_begins(tmp_path, padding_free):
    settings = FreeLBSettings(adv_steps=3, adv_begin_step=2)
    run = trainer(tmp_path, settings, max_steps=2, padding_free=padding_free)
    run.train()
    assert run.passes == 2
    assert run.health.read().delta_norm is None
    run = trainer(tmp_path, settings, max_steps=5, padding_free=padding_free)
    run.train()
    assert run.passes == 2 * 1 + 3 * 3
    assert run.health.read().delta_norm > 0


def test_a_warm_up_raises_every_length_linearly():
    settings = PGDSettings(adv_steps=3, adv_lr=10.0, init_mag=0.1, max_norm=0.6)
    growing = settings.model_copy(update={"adv_begin_step": 10, "adv_warmup_steps": 2})
    model = tiny_encoder("bert")
    sizes = []
    for step in (10, 11, 12, 99):  # 1/3, 2/3, 1 and 1 of a ball that every step leaves
        delta = try_out(growing, model, BATCH, step=step).outcome.delta
        sizes.append(delta.flatten(1).norm(dim=1).mean().item())
    assert sizes == pytest.approx([0.2, 0.4, 0.6, 0.6], rel=1e-4)


# --- relative lengths


@pytest.mark.parametrize(("norm", "order"), [("l2", 2), ("linf", float("inf"))])
def test_the_unit_is_the_mean_norm_of_the_words_without_padding(norm, order):
    words = tiny_encoder("roberta").get_input_embeddings()  # padding is token 1
    rows = [row for i, row in enumerate(words.weight.detach()) if i != 1]
    want = sum(torch.linalg.vector_norm(row, ord=order).item() for row in rows) / len(rows)
    assert embedding_norm(words, norm) == pytest.approx(want, rel=1e-6)


def test_a_relative_setting_carries_over_to_a_model_of_twice_the_size(tmp_path):
    settings = PGDSettings(adv_steps=3, adv_lr=5.0, init_mag=0.1, max_norm=0.25, relative=True)
    lengths = []
    for factor in (1, 2):
        model = tiny_encoder("bert")
        model.get_input_embeddings().weight.data *= factor
        run = trainer(tmp_path, settings, model)
        run.train()
        assert run.settings.max_norm == pytest.approx(0.25 * run.embedding_norm)
        assert not run.settings.relative
        lengths.append(run.health.read().delta_norm / run.embedding_norm)
    assert lengths == pytest.approx([0.25, 0.25], rel=1e-4)


def test_absolute_settings_stay_as_they_are():
    for settings in (FreeLBSettings(max_norm=0.5), RepeatSettings()):
        assert absolute(settings, 3.0) is settings


def test_relative_lengths_must_have_a_unit():
    settings = FreeLBSettings(relative=True)
    with pytest.raises(FreeLBTuneError, match="mean norm None, which cannot be a unit"):
        absolute(settings, embedding_norm(torch.nn.Identity()))
    with pytest.raises(FreeLBTuneError, match="freelb: the lengths are relative"):
        make_adversary(settings)


# --- settings that a method does not read


@pytest.mark.parametrize(
    ("method", "setting"),
    [
        ("none", {"adv_steps": 3}),
        ("none", {"adv_begin_step": 1}),
        ("repeat", {"adv_lr": 0.1}),
        ("repeat", {"relative": True}),
        ("fgm", {"adv_steps": 2}),
        ("fgm", {"norm": "l2"}),
        ("r3f", {"adv_lr": 0.1}),
        ("r3f", {"max_norm": 0.1}),
        ("smart", {"adv_steps": 2}),
        ("vat", {"max_norm": 0.1}),
        ("freelb", {"adv_weight": 1.0}),
    ],
)
def test_a_setting_that_the_method_does_not_read_is_refused(method, setting):
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        ADVERSARIES[method].model_validate({"method": method, **setting})


@pytest.mark.parametrize("method", ["smart", "vat"])
def test_a_start_at_the_flat_point_of_a_divergence_is_refused(method):
    with pytest.raises(ValidationError, match=r"init_mag\n  Input should be greater than 0"):
        ADVERSARIES[method].model_validate({"method": method, "init_mag": 0.0})


# --- the optimizer between passes


@pytest.mark.parametrize("ball", [None, 0.25])
def test_freeat_steps_the_weights_after_every_pass(tmp_path, ball):
    settings = {"adv_steps": 3, "adv_lr": 0.2, "max_norm": ball, "norm": "l2"}
    got, want = tiny_encoder("bert"), tiny_encoder("bert")
    run = trainer(tmp_path, FreeATSettings(init_mag=0.0, **settings), got)
    run.train()
    start = torch.zeros(4, 8, 16)
    reference.freeat(want, BATCH, start, learning_rate=0.1, **settings)
    with torch.no_grad():
        for parameter in want.parameters():
            parameter -= 0.1 * parameter.grad
    assert (run.passes, run.state.global_step) == (3, 1)
    for (name, a), b in zip(got.named_parameters(), want.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6, msg=name)


def test_freeat_clips_each_step_by_itself(tmp_path):
    model, before = tiny_encoder("bert"), tiny_encoder("bert")
    settings = FreeATSettings(adv_steps=3, adv_lr=0.2, init_mag=0.0)
    trainer(tmp_path, settings, model, max_grad_norm=1e-3).train()
    moved = torch.cat(
        [
            (a - b).flatten()
            for a, b in zip(*(list(m.parameters()) for m in (model, before)), strict=True)
        ]
    ).norm()
    # three steps of 0.1 x 1e-3, nearly the same way
    assert 1.5e-4 < moved < 3.01e-4


def test_freeat_refuses_gradient_accumulation_before_it_trains(tmp_path):
    with pytest.raises(FreeLBTuneError, match="freeat steps the weights.*accumulation_steps is 2"):
        trainer(tmp_path, FreeATSettings(), gradient_accumulation_steps=2)


def test_an_adversary_that_steps_without_saying_so_is_stopped_under_accumulation(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(FreeATSettings, "UPDATES_WEIGHTS", False)
    run = trainer(
        tmp_path, FreeATSettings(), per_device_train_batch_size=2, gradient_accumulation_steps=2
    )
    run.data_collator = lambda rows: {k: v[:2].clone() for k, v in BATCH.items()}
    with pytest.raises(FreeLBTuneError, match="freeat steps the weights"):
        run.train()


def test_memory_that_runs_out_after_a_step_is_not_begun_again(tmp_path):
    model, calls = tiny_encoder("bert"), []

    def full(module, args):
        calls.append(1)
        if len(calls) == 3:  # two micro-batches make the first pass
            raise torch.OutOfMemoryError("no room")

    model.register_forward_pre_hook(full)
    with pytest.raises(torch.OutOfMemoryError, match="freeat had moved the weights"):
        trainer(tmp_path, FreeATSettings(), model).train()


def test_a_method_that_reads_only_the_prediction_is_blind_to_the_label():
    # VAT's climb follows the divergence: another label, the same perturbation
    model = tiny_encoder("bert")
    other = {**BATCH, "labels": 1 - BATCH["labels"]}
    for method in ("vat", "smart"):
        settings = ADVERSARIES[method]()
        deltas = [try_out(settings, model, batch).outcome.delta for batch in (BATCH, other)]
        torch.testing.assert_close(*deltas)
    gradients(model)
    check("vat", model, checks=["leaves the model alone"])
