"""A cell's sections: typed, read once from what is stored, and refused in words."""

import json
import pickle
from dataclasses import replace

import pytest
from space_fixtures import cells_of
from store_fixtures import cell

from freelb_tune.errors import FreeLBTuneError
from freelb_tune.space.cells.cell import Cell
from freelb_tune.space.settings.adversaries import FreeLBSettings, NoneSettings

SPACE = """\
task: mrpc
model: {name: some/encoder, revision: v1}
data: {max_train_examples: 9, text: [one, two]}
trainer: {learning_rate: 1, per_device_train_batch_size: 8}
adversary: {adv_lr: 0.2, max_norm: null}
search: {metric: f1}
"""


def stored(one):
    """The cell as it comes back from the journal."""
    return Cell.from_json(json.loads(json.dumps(one.to_json())))


def test_a_cells_sections_are_typed_and_the_same_after_the_journal(tmp_path):
    clean, adversarial = cells_of(tmp_path, SPACE)
    for one in (adversarial, stored(adversarial), pickle.loads(pickle.dumps(adversarial))):
        assert (one, one.adversary) == (adversarial, FreeLBSettings(adv_lr=0.2))
        assert (one.task, one.metric) == ("mrpc", "f1")
        assert (one.data.text, one.data.max_train_examples, one.data.dev) == (
            ["one", "two"],
            9,
            None,
        )
        assert (one.model.name, one.model.revision) == ("some/encoder", "v1")
        assert (one.trainer.batch_size, one.trainer.fields["learning_rate"]) == (8, 1.0)
        assert one.run.padding_free == "auto"
    assert clean.adversary == NoneSettings()


def test_a_cell_travels_without_its_sections_classes(tmp_path):
    one = cells_of(tmp_path, SPACE)[1]
    assert one.adversary
    assert b"FreeLBSettings" not in pickle.dumps(one)  # a worker may have to load a plugin first


@pytest.mark.parametrize(
    ("changed", "section", "message"),
    [
        ({"data.max_length": "128"}, "data", "data.max_length: expected a whole number, got the"),
        ({"data.tran": "x.csv"}, "data", "data.tran: unknown name 'tran'; did you mean 'train'"),
        ({"trainer.num_train_epochs": [3]}, "trainer", "trainer.num_train_epochs: expected a numb"),
        ({"trainer.epoch": 3}, "trainer", "trainer.epoch: unknown name 'epoch'"),
        ({"trainer.output_dir": "x"}, "trainer", "trainer.output_dir: is not for the space to set"),
        ({"adversary.adv_lr": -1.0}, "adversary", "adv_lr: expected at least 0.0, got -1.0"),
        ({"adversary.method": "frelb"}, "adversary", "did you mean 'freelb'"),
        ({"adversary.method": ["a"]}, "adversary", "adversary.method: unknown name"),
        ({"model.name": None}, "model", "model.name: expected text, got nothing"),
        ({"run.padding_free": "yes"}, "run", "cell .*run.padding_free: expected 'auto' or true or"),
    ],
)  # fmt: skip
def test_a_section_that_no_space_could_have_said_is_one_message(changed, section, message):
    one = cell(adv_lr=0.1)
    edited = stored(replace(one, settings={**one.settings, **changed}))
    with pytest.raises(FreeLBTuneError, match=message):
        getattr(edited, section)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"seed": "1"}, "seed: expected a whole number, got the text '1'"),
        ({"arm": "dirty"}, "arm: expected 'adversarial' or 'clean', got the text 'dirty'"),
        ({"settings": []}, r"settings: expected a mapping, got \[\]"),
    ],
)
def test_a_line_that_is_no_cell_is_refused(changed, message):
    with pytest.raises(ValueError, match=message):
        Cell.from_json({**cell().to_json(), **changed})
    lacking = {k: v for k, v in cell().to_json().items() if k not in changed}
    with pytest.raises(ValueError, match=f"{next(iter(changed))} is missing"):
        Cell.from_json(lacking)


def test_a_newer_versions_cell_with_a_field_more_is_read():
    assert Cell.from_json({**cell().to_json(), "site": "x"}) == cell()


@pytest.mark.parametrize(
    ("fields", "examples", "updates", "epochs"),
    [
        # 100 examples in batches of 8 are 13 batches, and 7 updates of two batches each
        ({"per_device_train_batch_size": 8, "gradient_accumulation_steps": 2}, 100, 21, 3),
        ({"per_device_train_batch_size": 8, "num_train_epochs": 2.5}, 100, 33, 3),
        ({"per_device_train_batch_size": 8, "max_steps": 14}, 100, 14, 2),
        ({"per_device_train_batch_size": 8, "max_steps": -1}, 3, 3, 3),
        # 12 whole batches, as the last, of 4 examples, is left out
        ({"per_device_train_batch_size": 8, "dataloader_drop_last": True}, 100, 36, 3),
    ],
)
def test_updates_and_epochs_are_counted_as_trainer_does(fields, examples, updates, epochs):
    one = cell(adv_lr=0.1)
    named = {f"trainer.{name}": value for name, value in fields.items()}
    trainer = replace(one, settings={**one.settings, **named}).trainer
    assert (trainer.updates(examples), trainer.epochs(examples)) == (updates, epochs)
