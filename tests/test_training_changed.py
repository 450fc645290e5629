"""Whatever is done to the model, its layers or the optimizer: the trained object is the user's."""

import numpy as np
import pytest
import torch
from batches import padded_batch
from conftest import tiny_encoder
from test_training_exact import Rows, collate, open_passes, step
from test_training_surface import STANDING, arguments, assert_same, run
from transformers import GPT2Config, GPT2ForSequenceClassification, Trainer, TrainerCallback

from freelb_tune.errors import FreeLBTuneError
from freelb_tune.space.settings.adversaries import FreeLBSettings, PGDSettings, SMARTSettings
from freelb_tune.training import AdversarialTrainer
from freelb_tune.training.probing.tryout import gradients, made_up_batch, try_out

SGD = {"optim": "sgd", "learning_rate": 0.1}


def trainer(kind, folder, model, *, padding_free=None, given=SGD, **more):
    ours = {"adversary": STANDING, "padding_free": padding_free}
    return kind(
        model=model, args=arguments(folder, **given), train_dataset=Rows(count=11),
        data_collator=collate, **(ours if issubclass(kind, AdversarialTrainer) else {}), **more,
    )  # fmt: skip


def learnt(one):
    """A trainer's weights and predictions once it has trained."""
    one.train()
    return one.model.state_dict(), one.predict(Rows(count=11)).predictions


def assert_learnt(got, want, start):
    assert any(not torch.equal(value, start[name]) for name, value in got[0].items())
    for name, value in want[0].items():
        torch.testing.assert_close(got[0][name], value, rtol=1e-8, atol=1e-8, msg=name)
    np.testing.assert_allclose(got[1], want[1], rtol=1e-7)


def fresh(seed=0):
    return tiny_encoder("bert", seed=seed).double()


def resized(one):
    torch.manual_seed(1)
    one.model.resize_token_embeddings(70)


def replaced(one):
    one.model = one.model_wrapped = fresh(seed=2)


def headless(one):
    torch.manual_seed(1)
    one.model.classifier = torch.nn.Linear(16, 2, dtype=torch.float64)


@pytest.mark.parametrize("padding_free", [None, True, False], ids=["auto", "packed", "general"])
@pytest.mark.parametrize("change", [resized, replaced, headless])
def test_a_model_changed_after_the_trainer_was_made_is_the_one_that_learns(
    tmp_path, change, padding_free
):
    runs, start = [], None
    for kind in (Trainer, AdversarialTrainer):
        one = trainer(kind, tmp_path, fresh(), padding_free=padding_free)
        change(one)
        start = {name: value.clone() for name, value in one.model.state_dict().items()}
        runs.append(learnt(one))
    assert_learnt(runs[1], runs[0], start)


class Meddling(TrainerCallback):
    """Does something to the model inside `train()`."""

    def __init__(self, meddle):
        self.meddle = meddle

    def on_step_end(self, args, state, control, model=None, **_):
        if state.global_step == 1:
            self.meddle(model)


def doubled(module, args, output):
    return output * 2


MEDDLING = {
    "hooks-the-embeddings": lambda m: m.get_input_embeddings().register_forward_hook(doubled),
    "hooks-a-layer": lambda m: m.bert.encoder.layer[0].intermediate.register_forward_hook(doubled),
    "hooks-a-gradient": lambda m: m.classifier.weight.register_hook(lambda grad: grad * 0.5),
    "checkpoints": lambda m: m.gradient_checkpointing_enable({"use_reentrant": True}),
    "takes-another-activation": lambda m: setattr(
        m.bert.encoder.layer[0].intermediate, "intermediate_act_fn", torch.nn.Tanh()
    ),
    "freezes": lambda m: m.bert.encoder.layer[0].requires_grad_(False),
}


@pytest.mark.parametrize("padding_free", [None, False], ids=["auto", "general"])
@pytest.mark.parametrize("meddle", MEDDLING)
def test_what_a_callback_does_to_the_model_holds_from_then_on(tmp_path, meddle, padding_free):
    runs = [
        learnt(trainer(kind, tmp_path, fresh(), padding_free=padding_free,
                       callbacks=[Meddling(MEDDLING[meddle])]))
        for kind in (Trainer, AdversarialTrainer)
    ]  # fmt: skip
    assert_learnt(runs[1], runs[0], fresh().state_dict())


def test_a_callback_that_swaps_the_model_changes_what_predicts_and_not_what_learns(tmp_path):
    runs = []
    for kind in (Trainer, AdversarialTrainer):
        model, other = fresh(), fresh(seed=3)
        one = trainer(kind, tmp_path, model)
        one.add_callback(Meddling(lambda _, one=one, other=other: setattr(one, "model", other)))
        one.train()
        runs.append((model.state_dict(), one.predict(Rows(count=11)).predictions))
    assert_learnt(runs[1], runs[0], fresh().state_dict())


def test_bf16_takes_the_general_path_and_a_demand_for_the_other_is_refused(tmp_path, caplog):
    given = {**SGD, "bf16": True}
    auto, general = (
        learnt(trainer(AdversarialTrainer, tmp_path, tiny_encoder("bert"), given=given,
                       padding_free=path))
        for path in (None, False)
    )  # fmt: skip
    assert all(torch.equal(auto[0][name], value) for name, value in general[0].items())
    assert "bf16 takes the general path" in caplog.text
    one = trainer(AdversarialTrainer, tmp_path, fresh(), given=given, padding_free=True)
    with pytest.raises(FreeLBTuneError, match=r"no padding-free path as it stands.*without bf16"):
        one.train()


def test_a_batch_that_holds_more_than_tokens_takes_the_general_path(tmp_path):
    def with_more(rows):
        return collate(rows) | {"head_weights": torch.linspace(0, 1, 40).expand(len(rows), 40)}

    class Model(type(fresh())):
        def forward(self, input_ids=None, attention_mask=None, labels=None, head_weights=None):
            scale = 1 + head_weights[:, -1:].double()  # cut at the batch's width it would be less
            output = super().forward(input_ids, attention_mask)
            output.logits = output.logits * scale
            if labels is not None:
                output.loss = torch.nn.functional.cross_entropy(output.logits, labels)
            return output

    runs = []
    for kind in (Trainer, AdversarialTrainer):
        model = fresh()
        model.__class__ = Model
        one = trainer(kind, tmp_path, model)
        one.data_collator = with_more
        runs.append(learnt(one))
    assert_learnt(runs[1], runs[0], fresh().state_dict())


@pytest.mark.parametrize("optim", ["schedule_free_sgd", "schedule_free_adamw"])
def test_an_optimizer_that_has_to_be_told_of_training_and_evaluation_is(tmp_path, optim):
    given = {"optim": optim, "learning_rate": 0.1, "lr_scheduler_type": "constant",
             "eval_strategy": "steps", "eval_steps": 1}  # fmt: skip
    runs = [run(kind, tmp_path, given) for kind in (Trainer, AdversarialTrainer)]
    assert_same(*runs[::-1])


def test_prediction_by_length_evaluates_with_the_weights_that_such_an_optimizer_averaged(tmp_path):
    given = {"optim": "schedule_free_sgd", "learning_rate": 0.1}
    one = trainer(AdversarialTrainer, tmp_path, fresh(), given=given)
    one.train()
    by_length = one.predict_by_length(Rows(count=11))
    np.testing.assert_allclose(by_length.logits, one.predict(Rows(count=11)).predictions, rtol=1e-6)


@pytest.mark.parametrize("settings", [PGDSettings(adv_steps=2), SMARTSettings(adv_lr=0.1)])
def test_reentrant_checkpointing_changes_no_gradient(settings):
    found = []
    for reentrant in (None, True, False):
        model = fresh()
        if reentrant is not None:
            model.gradient_checkpointing_enable({"use_reentrant": reentrant})
        try_out(settings, model, made_up_batch(model))
        found.append(gradients(model))
    for other in found[1:]:
        for name, value in found[0].items():
            torch.testing.assert_close(other[name], value, rtol=1e-9, atol=1e-12)


def test_token_types_that_share_the_words_matrix_are_not_perturbed():
    """GPT-2 looks both up in one table: only the words' lookup is the adversary's."""
    sizes = {"n_embd": 16, "n_layer": 1, "n_head": 2, "vocab_size": 60, "n_positions": 40}
    rates = dict.fromkeys(("attn_pdrop", "embd_pdrop", "resid_pdrop"), 0.0)
    model = GPT2ForSequenceClassification(GPT2Config(**sizes, **rates, pad_token_id=0)).double()
    batch = padded_batch()
    batch["token_type_ids"] = (batch["input_ids"] > 30).long()
    model(**batch).loss.backward()
    want = gradients(model)
    step(model, batch, FreeLBSettings(adv_steps=1, init_mag=0.0), largest=2)
    got = gradients(model)
    for name, value in want.items():
        torch.testing.assert_close(got[name], value, rtol=1e-9, atol=1e-12)
    passes = open_passes(model, batch)
    delta = torch.randn(6, 12, 16, dtype=torch.float64) * passes.mask[..., None]
    words = model.transformer.wte(batch["input_ids"]) + delta
    kinds = model.transformer.wte(batch["token_type_ids"])
    inputs = {"inputs_embeds": words + kinds, "attention_mask": batch["attention_mask"]}
    told = model.config.pad_token_id
    try:
        model.config.pad_token_id = None
        rows = [
            {name: value[row : row + 1, :length] for name, value in inputs.items()}
            for row, length in enumerate(batch["attention_mask"].sum(1).tolist())
        ]
        want_logits = torch.cat([model(**row).logits for row in rows])
    finally:
        model.config.pad_token_id = told
    got_logits = passes.run(delta, ascend=False).logits[0]
    torch.testing.assert_close(got_logits, want_logits.detach(), rtol=1e-9, atol=1e-12)


def odd_models():
    from transformers import (
        DebertaConfig,
        DebertaForSequenceClassification,
        LongformerConfig,
        LongformerForSequenceClassification,
        XLNetConfig,
        XLNetForSequenceClassification,
    )

    sizes = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "vocab_size": 60}
    still = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    both = {"relative_attention": True, "pos_att_type": ["c2p", "p2c"]}
    window = {"attention_window": [8], "max_position_embeddings": 66}
    own = {"d_model": 32, "n_layer": 1, "n_head": 2, "d_inner": 64, "vocab_size": 60}
    rates = {"dropout": 0.0, "summary_last_dropout": 0.0}
    return {
        "changes in place": lambda: DebertaForSequenceClassification(
            DebertaConfig(**sizes, **still, **both)
        ),
        "pads": lambda: LongformerForSequenceClassification(
            LongformerConfig(**sizes, **still, **window)
        ),
        "transposes": lambda: XLNetForSequenceClassification(XLNetConfig(**own, **rates)),
    }


@pytest.mark.parametrize("kind", ["changes in place", "pads", "transposes"])
def test_a_model_that_takes_no_cut_batch_is_given_whole_ones(tmp_path, kind):
    runs = []
    for trainer_kind in (Trainer, AdversarialTrainer):
        torch.manual_seed(0)
        model = odd_models()[kind]().double()
        one = trainer(trainer_kind, tmp_path, model)
        one.train()
        runs.append(model.state_dict())
    for name, value in runs[0].items():
        torch.testing.assert_close(runs[1][name], value, rtol=1e-8, atol=1e-8, msg=name)


def test_labels_of_another_name_beside_ours_change_what_a_prediction_holds_as_in_trainer(tmp_path):
    given = {**SGD, "label_names": ["labels", "other"]}  # a batch without `other` has no labels
    want, got = (
        trainer(kind, tmp_path, tiny_encoder("bert").double(), given=given).predict(Rows(count=5))
        for kind in (Trainer, AdversarialTrainer)
    )
    assert got.label_ids is want.label_ids is None
    for ours, theirs in zip(got.predictions, want.predictions, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-7)


class Own(AdversarialTrainer):
    """A step of somebody's own."""

    calls_ours = True

    def training_step(self, model, inputs, num_items_in_batch=None):
        if self.calls_ours:
            return super().training_step(model, inputs)
        loss = model(**self._prepare_inputs(inputs)).loss
        self.accelerator.backward(loss)
        return loss.detach()


def test_a_step_of_ones_own_that_never_perturbs_is_refused(tmp_path):
    own = trainer(Own, tmp_path, tiny_encoder("bert"))
    own.calls_ours = False
    with pytest.raises(FreeLBTuneError, match="Own.training_step takes a step without Adversarial"):
        own.train()


@pytest.mark.parametrize("padding_free", [None, False], ids=["auto", "general"])
def test_a_step_that_hands_on_no_count_takes_the_mean_over_the_update_as_trainer_does(
    tmp_path, padding_free
):
    class Theirs(Trainer):
        def training_step(self, model, inputs, num_items_in_batch=None):
            return super().training_step(model, inputs)

    given = {**SGD, "gradient_accumulation_steps": 2, "per_device_train_batch_size": 3}
    model = tiny_encoder("bert").double()
    start = {name: value.clone() for name, value in model.state_dict().items()}
    want = learnt(trainer(Theirs, tmp_path, tiny_encoder("bert").double(), given=given))
    got = learnt(trainer(Own, tmp_path, model, given=given, padding_free=padding_free))
    assert_learnt(got, want, start)


@pytest.mark.parametrize("classes", [1, 3])
def test_a_config_that_says_another_number_of_classes_than_the_head_has_is_refused(
    tmp_path, classes
):
    model = tiny_encoder("bert")
    model.config.num_labels = classes
    one = trainer(AdversarialTrainer, tmp_path, model)
    with pytest.raises(FreeLBTuneError, match=f"num_labels is {classes} and its head gives 2"):
        one.train()


def test_a_batch_of_embeddings_without_tokens_is_refused(tmp_path):
    def collated(rows):
        batch = collate(rows)
        batch["inputs_embeds"] = torch.zeros(*batch.pop("input_ids").shape, 16)
        return batch

    one = trainer(AdversarialTrainer, tmp_path, tiny_encoder("bert"))
    one.data_collator = collated
    with pytest.raises(FreeLBTuneError, match="inputs_embeds and no input_ids; a perturbation"):
        one.train()
