"""The step that `AdversarialTrainer` takes is the published algorithm, however it is computed."""

import contextlib
import itertools

import pytest
import torch
from batches import pad_id_of, padded_batch
from conftest import ENCODERS, tiny_encoder
from reference import freelb, losses_of
from torch.nn.functional import cross_entropy, mse_loss
from transformers import TrainingArguments

from freelb_tune.adversary import make_adversary
from freelb_tune.errors import DivergedError, FreeLBTuneError
from freelb_tune.space.settings.adversaries import FreeLBSettings, NoneSettings
from freelb_tune.training import AdversarialTrainer
from freelb_tune.training.passes.minibatch import Machinery, PaddedPasses
from freelb_tune.training.passes.pieces import cut_by_length

SETTINGS = list(
    itertools.product(("l2", "linf"), (1, 2, 3, 4), (0.0, 0.3), (None, 0.25))
)  # norm, K, init_mag, max_norm
ADV_LR = 0.2


def example_losses(logits, labels):
    if logits.shape[-1] == 1:
        return mse_loss(logits[:, 0], labels, reduction="none")
    return cross_entropy(logits, labels, reduction="none")


TOOLS = Machinery(
    contextlib.nullcontext, lambda loss: loss.backward(), example_losses, lambda: None
)


class Watched:
    """Passes that remember which perturbations went through the model."""

    def __init__(self, passes):
        self._passes, self.seen = passes, []

    def __getattr__(self, name):
        return getattr(self._passes, name)

    def run(self, *deltas, **wanted):
        self.seen += [d.clone() for d in deltas if d is not None]
        return self._passes.run(*deltas, **wanted)


def open_passes(model, batch, *, items=None, largest=None, seed=5):
    inputs = {name: value for name, value in batch.items() if name != "labels"}
    return PaddedPasses(
        model,
        inputs,
        batch["labels"],
        items=items or len(batch["labels"]),
        generator=torch.Generator().manual_seed(seed),
        tools=TOOLS,
        largest=largest,
    )


def step(model, batch, settings, **options):
    """One adversarial step; returns its loss and the perturbations it tried."""
    passes = open_passes(model, batch, **options)
    watched = Watched(passes)
    outcome = make_adversary(settings)(watched)
    passes.close()
    return outcome.losses.mean().item(), watched.seen


def assert_same_gradients(got, want, rtol=1e-5):
    largest = max(p.grad.abs().max() for p in want.parameters() if p.grad is not None)
    for (name, a), b in zip(got.named_parameters(), want.parameters(), strict=True):
        if b.grad is None:
            assert a.grad is None or not a.grad.any(), name
        else:
            gap = (a.grad - b.grad).abs().max()
            assert gap <= rtol * largest, f"{name}: {gap} of {largest}"


@pytest.mark.parametrize("kind", ENCODERS)
@pytest.mark.parametrize("largest", [None, 2])
def test_a_step_is_the_published_algorithm(kind, largest):
    for norm, k, init_mag, max_norm in SETTINGS:
        settings = FreeLBSettings(
            adv_steps=k, adv_lr=ADV_LR, init_mag=init_mag, max_norm=max_norm, norm=norm
        )
        batch = padded_batch(pad_id=pad_id_of(kind))
        got, want = tiny_encoder(kind), tiny_encoder(kind)
        loss, seen = step(got, batch, settings, largest=largest)
        wanted, trajectory = freelb(
            want, batch, seen[0], adv_steps=k, adv_lr=ADV_LR, max_norm=max_norm, norm=norm
        )
        assert loss == pytest.approx(wanted, rel=1e-5)
        assert len(seen) == len(trajectory) == k
        for ours, theirs in zip(seen, trajectory, strict=True):
            assert (ours - theirs).abs().max() <= 1e-5 * max(theirs.abs().max(), 1e-3)
        assert_same_gradients(got, want)


@pytest.mark.parametrize("kind", ["bert", "deberta-v2"])
def test_in_double_precision_a_step_is_the_published_algorithm_to_ten_digits(kind):
    settings = FreeLBSettings(adv_steps=3, adv_lr=ADV_LR, init_mag=0.3, max_norm=0.25)
    got, want = tiny_encoder(kind).double(), tiny_encoder(kind).double()
    batch = padded_batch()
    _, seen = step(got, batch, settings, largest=2)
    freelb(want, batch, seen[0], adv_steps=3, adv_lr=ADV_LR, max_norm=0.25, norm="l2")
    assert_same_gradients(got, want, rtol=1e-10)


def test_regression_takes_the_squared_error():
    settings = FreeLBSettings(adv_steps=2, adv_lr=ADV_LR, init_mag=0.3)
    got, want = (tiny_encoder("bert", num_labels=1) for _ in range(2))
    batch = padded_batch(labels=1)
    loss, seen = step(got, batch, settings)
    wanted, _ = freelb(want, batch, seen[0], adv_steps=2, adv_lr=ADV_LR, max_norm=None, norm="l2")
    assert loss == pytest.approx(wanted, rel=1e-5)
    assert_same_gradients(got, want)


STANDING_STILL = [
    pytest.param(FreeLBSettings(adv_steps=1, init_mag=0.0), id="one-clean-pass"),
    pytest.param(FreeLBSettings(adv_steps=4, init_mag=0.0, adv_lr=0.0), id="four-clean-passes"),
    pytest.param(FreeLBSettings(init_mag=0.0, max_norm=1e-9), id="no-room-to-move"),
    pytest.param(NoneSettings(), id="none"),
]


@pytest.mark.parametrize("settings", STANDING_STILL)
def test_without_a_perturbation_a_step_is_plain_training(settings):
    got, want = tiny_encoder("bert"), tiny_encoder("bert")
    batch = padded_batch()
    step(got, batch, settings)
    want(**batch).loss.backward()
    assert_same_gradients(got, want)


@pytest.mark.parametrize("kind", ENCODERS)
def test_every_pass_drops_the_same_units(kind):
    # adv_lr 0 fixes delta, so passes differ only if their masks do
    model = tiny_encoder(kind, dropout=0.3)
    passes = open_passes(model, padded_batch(pad_id=pad_id_of(kind)), largest=2)
    first, second = (passes.run(None).losses for _ in range(2))
    torch.testing.assert_close(first, second, rtol=0, atol=0)
    fresh = open_passes(model, padded_batch(pad_id=pad_id_of(kind)), largest=2).run(None).losses
    assert not torch.equal(first, fresh)  # the next mini-batch draws others


def test_the_perturbation_is_zero_on_padding():
    settings = FreeLBSettings(adv_steps=3, adv_lr=ADV_LR, init_mag=0.3)
    batch = padded_batch()
    _, seen = step(tiny_encoder("bert"), batch, settings)
    for delta in seen:
        assert not delta[batch["attention_mask"] == 0].any()
        assert (delta[batch["attention_mask"] == 1] != 0).any()


def test_a_pass_without_parameter_gradients_still_finds_the_way_up():
    model, other = tiny_encoder("bert"), tiny_encoder("bert")
    batch = padded_batch()
    passes = open_passes(model, batch)
    delta = torch.zeros(6, 12, 16)
    (grad,) = passes.run(delta, parameters=False).grads
    passes.close()
    assert all(p.grad is None for p in model.parameters())
    leaf = delta.clone().requires_grad_()
    losses_of(other, batch, leaf).mean().backward()
    torch.testing.assert_close(grad, leaf.grad, rtol=1e-4, atol=1e-8)


def test_a_cut_loses_no_example_and_saves_padding():
    lengths = [90, 20, 128, 22, 64, 25, 128, 30]
    pieces = cut_by_length(lengths)
    assert sorted(row for piece in pieces for row in piece) == list(range(8))
    work = sum(len(piece) * max(lengths[row] for row in piece) for piece in pieces)
    assert work < 0.75 * 8 * 128
    assert max(len(piece) for piece in cut_by_length(lengths, largest=3)) <= 3


# --- the trainer around the step


class Rows(torch.utils.data.Dataset):
    """Examples of different lengths for `Trainer`'s own loader."""

    def __init__(self, count=8):
        batch = padded_batch(lengths=[3 + (5 * i) % 9 for i in range(count)])
        self.rows = [
            {
                "input_ids": ids[mask == 1].tolist(),
                "attention_mask": mask[mask == 1].tolist(),
                "labels": label.item(),
            }
            for ids, mask, label in zip(
                batch["input_ids"], batch["attention_mask"], batch["labels"], strict=True
            )
        ]
        self.lengths = [len(row["input_ids"]) for row in self.rows]

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, i):
        return self.rows[i]


def collate(rows):
    width = max(len(row["input_ids"]) for row in rows)
    batch = {
        name: torch.tensor([row[name] + [0] * (width - len(row[name])) for row in rows])
        for name in ("input_ids", "attention_mask")
    }
    return batch | {"labels": torch.tensor([row["labels"] for row in rows])}


def trainer(tmp_path, model, adversary, *, padding_free=False, rows=None, **arguments):
    arguments = {"max_steps": 1, "per_device_train_batch_size": 8, **arguments}
    return AdversarialTrainer(
        model=model,
        args=TrainingArguments(
            output_dir=str(tmp_path), use_cpu=True, report_to=[], disable_tqdm=True, **arguments
        ),
        train_dataset=rows or Rows(),
        data_collator=collate,
        adversary=adversary,
        padding_free=padding_free,
    )


@pytest.mark.parametrize("padding_free", [False, True])
def test_one_batch_of_8_trains_like_4_accumulated_batches_of_2(tmp_path, padding_free):
    # init_mag 0: the noise belongs to a batch, the ascent to an example
    settings = FreeLBSettings(adv_steps=3, adv_lr=ADV_LR, init_mag=0.0)
    weights = []
    for size, steps in ((8, 1), (2, 4)):
        model = tiny_encoder("bert")
        trainer(
            tmp_path,
            model,
            settings,
            padding_free=padding_free,
            per_device_train_batch_size=size,
            gradient_accumulation_steps=steps,
            optim="sgd",
            learning_rate=0.1,
            lr_scheduler_type="constant",
        ).train()
        weights.append(model.state_dict())
    for name, value in weights[0].items():
        torch.testing.assert_close(weights[1][name], value, rtol=1e-5, atol=1e-6)


def test_running_out_of_memory_halves_the_micro_batch_and_keeps_the_update(tmp_path):
    settings = FreeLBSettings(adv_steps=2, adv_lr=ADV_LR, init_mag=0.0)
    weights, sizes = [], []
    for limit in (8, 3):
        model = tiny_encoder("bert")

        def full(module, args, kwargs, limit=limit):
            if len(kwargs["input_ids"]) > limit:
                raise torch.OutOfMemoryError("no room")

        model.register_forward_pre_hook(full, with_kwargs=True)
        run = trainer(tmp_path, model, settings, optim="sgd", learning_rate=0.1)
        run.train()
        weights.append(model.state_dict())
        sizes.append(run.micro_batch)
    assert sizes == [8, 2]
    for name, value in weights[0].items():
        torch.testing.assert_close(weights[1][name], value, rtol=1e-5, atol=1e-6)


def test_predictions_come_back_in_the_datas_order(tmp_path):
    model, rows = tiny_encoder("bert"), Rows(count=11)
    run = trainer(tmp_path, model, NoneSettings(), per_device_eval_batch_size=4)
    output = run.predict(rows)
    model.eval()
    for row, logits, label in zip(rows, output.predictions, output.label_ids, strict=True):
        alone = {k: torch.tensor([row[k]]) for k in ("input_ids", "attention_mask")}
        torch.testing.assert_close(model(**alone).logits[0].detach(), torch.tensor(logits))
        assert label == row["labels"]
    assert output.metrics["test_loss"] > 0


def test_a_loss_that_is_not_finite_ends_training_with_a_sentence(tmp_path):
    model = tiny_encoder("bert")
    model.classifier.weight.data.fill_(float("nan"))
    with pytest.raises(DivergedError, match=r"training loss is nan at step 1.*learning_rate"):
        trainer(tmp_path, model, FreeLBSettings()).train()


def test_a_perturbation_that_does_nothing_is_told(tmp_path):
    run = trainer(tmp_path, tiny_encoder("bert"), FreeLBSettings(init_mag=0.0, adv_lr=0.0))
    run.train()
    with pytest.raises(FreeLBTuneError, match="stayed zero for 8 examples"):
        run.health.read()


def test_a_model_with_a_decoder_is_refused(tmp_path):
    from transformers import BartConfig, BartForSequenceClassification

    sizes = {"encoder_layers": 1, "decoder_layers": 1, "d_model": 8, "vocab_size": 60}
    heads = {"encoder_attention_heads": 1, "decoder_attention_heads": 1}
    model = BartForSequenceClassification(BartConfig(**sizes, **heads))
    with pytest.raises(FreeLBTuneError, match="has a decoder"):
        trainer(tmp_path, model, FreeLBSettings()).train()


def test_health_tells_length_ball_and_gain(tmp_path):
    # steps of 0.2 from within 0.3 leave the ball of 0.05 in every example
    settings = FreeLBSettings(adv_steps=3, adv_lr=0.2, init_mag=0.3, max_norm=0.05)
    run = trainer(tmp_path, tiny_encoder("bert"), settings)
    run.train()
    report = run.health.read()
    assert report.delta_norm == pytest.approx(0.05, rel=1e-4)
    assert report.delta_ratio == pytest.approx(1.0, rel=1e-4)
    assert report.bound_share == 1.0
    assert report.adv_loss_gain > 0
    assert run.passes == 3
