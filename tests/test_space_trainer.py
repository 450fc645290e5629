"""The trainer section takes what the installed transformers takes; and the JSON Schema."""

import json
import subprocess
import sys

import pytest
from jsonschema import Draft202012Validator
from ruamel.yaml import YAML
from space_fixtures import HEAD, SHIPPED, opened

from freelb_tune.space import json_schema
from freelb_tune.space.checking.unread import DEPENDENT
from freelb_tune.space.settings.trainer_fields import (
    DEFAULTS,
    LIMITS,
    OURS,
    THEIRS,
    defaults_sentence,
    trainer_fields,
)
from freelb_tune.training.inputs.arguments import OF_OPTIMIZERS


@pytest.fixture(scope="module")
def validator():
    schema = json_schema()
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def test_every_property_of_the_schema_says_what_it_means():
    def silent(node, path):
        if isinstance(node, dict):
            for name, value in node.get("properties", {}).items():
                if isinstance(value, dict) and not value.get("description"):
                    yield f"{path}.{name}"
        items = node.items() if isinstance(node, dict) else enumerate(node)
        for name, value in items:
            if isinstance(value, dict | list):
                yield from silent(value, f"{path}.{name}")

    assert list(silent(json_schema(), "")) == []


def test_the_fields_are_those_of_training_arguments():
    from dataclasses import fields

    from transformers import TrainingArguments

    real = {field.name for field in fields(TrainingArguments) if field.init}
    ours = set(trainer_fields())
    assert ours < real
    assert {"learning_rate", "max_steps", "lr_scheduler_type", "optim", "bf16"} <= ours
    assert not ours & OURS.keys()
    assert not {name for name in ours if name.startswith(("hub_", "save_", "logging_", "ddp_"))}
    assert LIMITS.keys() <= real
    assert OURS.keys() <= real
    assert DEFAULTS.keys() <= ours
    theirs = TrainingArguments()
    for name, value in DEFAULTS.items():
        assert getattr(theirs, name) == THEIRS.get(name, value), name
        assert THEIRS.get(name) != value


def test_a_field_that_goes_with_another_is_refused_or_known_to_do_nothing_alone():
    """Where this fails after an upgrade, see beside what the new field acts.

    What is known of it stands in space/checking/unread.py.
    """
    from dataclasses import fields

    from transformers import TrainingArguments

    known = {field.name for field in fields(TrainingArguments) if field.init}
    ours = set(trainer_fields())
    beside = {
        name
        for name in ours
        if name.endswith(("_kwargs", "_config", "_modules"))
        or any(name.startswith(f"{other}_") for other in known - {"fp16", "bf16"})
    }
    whole = {"accelerator_config"}  # its parts act by themselves
    of_optimizers = {"optim_args"}  # tests/test_training_checks.py
    assert beside - whole - of_optimizers <= DEPENDENT.keys()
    assert DEPENDENT.keys() <= ours
    by_workers = {name for name in ours if name.startswith("dataloader_")} - {
        *("dataloader_num_workers", "dataloader_drop_last", "dataloader_pin_memory")
    }
    assert by_workers <= DEPENDENT.keys()
    of_one_optimizer = {name for name in ours if name.startswith(("adam_", "optim_"))}
    assert of_one_optimizer - {"optim_target_modules", "optim_args"} == OF_OPTIMIZERS


def test_defaults_that_are_not_those_of_training_arguments_are_said_of_what_is_left_out(tmp_path):
    space = opened(tmp_path, HEAD + "trainer: {weight_decay: {grid: [0, 0.1]}}\n")
    said = defaults_sentence(space.trainer_given)
    assert said.endswith(
        "learning_rate 2e-05 (there 5e-05), per_device_train_batch_size 16 (there 8), "
        "warmup_steps 0.06 (there 0)."
    )
    assert defaults_sentence(THEIRS) == ""


def test_a_space_of_ten_thousand_cells_loads_no_heavy_library(tmp_path):
    grid = "{grid: [" + ", ".join(f"0.{n:03}" for n in range(100, 200)) + "]}"
    path = tmp_path / "space.yaml"
    path.write_text(HEAD + f"adversary: {{adv_lr: {grid}, init_mag: {grid}}}\n")
    code = (
        "import sys\nfrom pathlib import Path\n"
        "from freelb_tune.space import json_schema, list_plan, load_space, plan_cells\n"
        f"space = load_space(Path({str(path)!r}))\n"
        "plan = plan_cells(space, data_fingerprint=lambda s: 'd', model_fingerprint=str)\n"
        "list_plan(space, plan, {}), json_schema()\n"
        "heavy = {'torch', 'ray', 'transformers', 'datasets', 'pandas', 'numpy', 'omegaconf'}\n"
        "print(len(plan.cells), sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "10001 []"


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_the_schema_takes_every_shipped_space(validator, path):
    content = YAML(typ="safe", pure=True).load(path.read_text("utf-8"))
    assert list(validator.iter_errors(json.loads(json.dumps(content)))) == []


@pytest.mark.parametrize(
    "added",
    [
        {"tsk": "rte"},
        {"trainer": {"lerning_rate": 1e-5}},
        {"trainer": {"seed": 1}},
        {"trainer": {"per_device_train_batch_size": 0}},
        {"trainer": {"lr_scheduler_type": "polinomial"}},
        {"trainer": {"learning_rate": {"gird": [1]}}},
        {"adversary": {"adv_lr": -1}},
        {"adversary": {"adv_lr": {"grid": []}}},
        {"adversary": {"method": "frelb"}},
        {"seeds": []},
        {"search": {"algorithm": "gird"}},
        {"search": {"algorithm": "grid", "budget": 3}},
        {"search": {"samples": 3}},
        {"resources": {"gpus": 1}},
    ],
)
def test_the_schema_refuses_what_the_reader_refuses(validator, added):
    assert validator.is_valid({"task": "rte", "model": "x"})
    assert not validator.is_valid({"task": "rte", "model": "x", **added})


def test_the_schema_lets_every_setting_be_searched(validator):
    searched = {
        "trainer": {name: {"grid": [1]} for name in trainer_fields()},
        "adversary": {"adv_lr": {"loguniform": [0.1, 1]}, "max_norm": "${adversary.init_mag}"},
        "model": {"name": {"grid": ["a", "b"]}},
    }
    assert list(validator.iter_errors({"task": "rte", **searched})) == []
