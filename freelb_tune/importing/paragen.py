"""What a `paragen-run` command means here: its configuration file with its dotted flags on top.

Room: space, importing. Read in bytedance/ParaGen@4e33a900: paragen/trainers/trainer.py,
paragen/optim/optimizer.py, paragen/utils/ and examples/adversarial_sequence_classification.
"""

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from freelb_tune.errors import FreeLBTuneError
from freelb_tune.importing.runs import Command, Flags, Known, Notes, Run, rate_settings
from freelb_tune.space.cells.cell import Value
from freelb_tune.space.reading.document import read_document

__all__ = ["read_paragen"]

_ADVERSARIAL = "AdvHuggingfaceSequenceClassificationModel"
_MODEL, _TRAINER = "task.model.", "task.trainer."
_OPTIMIZER, _RATE = "task.trainer.optimizer.", "task.trainer.optimizer.lr."
_DEFAULTS = {"init_mag": 0.05, "adv_lr": 0.1, "max_norm": 0.06}  # of the model class
_HARMLESS = re.compile(
    r"(env\.(device|fp16|no_|slow_|debug|log|profil|pb_|custom_libs)|"
    r"task\.(class|mode|label_name|target_name|tokenizer|criterion|generator|evaluator)|"
    r"task\.(data|dataloader)\..*(class|path|sort_samples|sampler)|task\.model\.num_labels|"
    r"task\.trainer\.(class|validate_|assess_reverse|save_|tensorboard|log_|force_restart|no_best)|"
    r"task\.trainer\.optimizer(\.lr)?\.class|lib)"
)
_RTE: dict[str, Any] = {
    "task.model.class": _ADVERSARIAL,
    "task.model.pretrained_model": "roberta-base",
    "task.model.init_mag": 0.05,
    "task.model.adv_lr": 0.01,
    "task.model.max_norm": 0.01,
    "task.trainer.class": "AdvTrainer",
    "task.trainer.optimizer.class": "AdamW",
    "task.trainer.optimizer.lr.class": "PolynomialDecayScheduler",
    "task.trainer.optimizer.lr.max_rate": 2e-5,
    "task.trainer.optimizer.lr.warmup_steps": 122,
    "task.trainer.optimizer.lr.total_steps": 2036,
    "task.trainer.optimizer.betas": "(0.9, 0.98)",
    "task.trainer.optimizer.weight_decay": 0.001,
    "task.trainer.max_steps": 2036,
    "task.data.train.sampler.max_samples": 16,
}
"""glue/configs/RTE.yaml of the adversarial example, for a search.json that comes without it."""


def read_paragen(command: Command, known: Known, notes: Notes, folder: Path) -> Run:
    """Translate one command.

    Args:
        command: its flags are dotted names of the configuration.
        known: the tasks.
        notes: takes down what means something else here.
        folder: where the configuration file is looked for.

    Raises:
        FreeLBTuneError: the configuration is not there or lacks something, or its model class does
            not read what the flags set.
    """
    config = Flags(command).need(str, "--config")
    given = {k.lstrip("-"): v for k, v in command.flags.items() if k != "--config"}
    content = _configuration(config, folder, command.place, notes)
    whole = {name: None if v is None else str(v) for name, v in (content | given).items()}
    flags = Flags(Command(command.program, whole, (), command.place, command.gpus))
    task = known.task(_task_name(config, whole), command.place)
    settings: dict[str, Value] = {
        "model.name": flags.need(str, f"{_MODEL}pretrained_model"),
        "data.max_length": min(flags.get(int, "task.maxlen") or 512, 512),
        "trainer.per_device_train_batch_size": _batch(flags),
        **_rate(flags),
        **_optimizer(flags, notes),
        **_adversary(flags, given, notes),
    }
    by = flags.get(str, f"{_TRAINER}assess_by")
    metric = known.metric(task, None if by == "criterion" else by, command.place, notes)
    seed = flags.get(int, "env.seed")
    if seed is None:
        notes.add("no env.seed: ParaGen's default, 0")
    unread = flags.unread(_HARMLESS.match, notes)
    return Run(task, settings, seed or 0, metric, unread, command.place)


def _configuration(config: str, folder: Path, place: str, notes: Notes) -> dict[str, Any]:
    for path in (folder / config, Path(config)):
        if path.is_file():
            notes.add(f"settings that the flags do not name are those of {config}")
            return _read(path, path.stat().st_mtime_ns)
    if config.endswith("glue/configs/RTE.yaml"):
        notes.add(
            f"{config} is not beside the file: its settings are those of "
            "bytedance/ParaGen@4e33a900, examples/adversarial_sequence_classification"
        )
        return dict(_RTE)
    raise FreeLBTuneError(
        f"{place}: --config {config} is not to be found in {folder} or here; it holds the model, "
        "the learning rate and the updates: put it there, at the same relative path"
    )


@cache
def _read(path: Path, changed: int) -> dict[str, Any]:
    return _dotted(read_document(path, ()).content)


def _dotted(content: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in content.items():
        if isinstance(value, Mapping):
            flat |= _dotted(value, f"{prefix}{key}.")
        elif value is not None:
            flat[f"{prefix}{key}"] = value
    return flat


def _task_name(config: str, content: Mapping[str, str | None]) -> str:
    """The folder that the training rows lie in, or else the configuration's own name."""
    for name, value in content.items():
        if re.match(r"task\.data\.train.*path", name) and value and "/" in value:
            return value.split("/")[-2]
    return Path(config).stem


def _batch(flags: Flags) -> int:
    places = [
        f"task.{section}.{name}"
        for section in ("data.train", "dataloader.train")
        for name in ("sampler.max_samples", "max_samples")
    ]
    return flags.need(int, *places) * (flags.get(int, f"{_OPTIMIZER}update_frequency") or 1)


def _rate(flags: Flags) -> dict[str, Value]:
    end = flags.need(int, f"{_RATE}total_steps")
    kind = flags.get(str, f"{_RATE}class") or "PolynomialDecayScheduler"
    if kind != "PolynomialDecayScheduler":
        raise flags.refusal(f"{_RATE}class: expected PolynomialDecayScheduler, got {kind!r}")
    power, low = flags.get(float, f"{_RATE}power"), flags.get(float, f"{_RATE}end_rate")
    if power not in (None, 1.0) or low:
        raise flags.refusal(
            f"{_RATE}power and end_rate: only 1 and 0 are read; write "
            "trainer.lr_scheduler_kwargs by hand"
        )
    warmup = flags.get(int, f"{_RATE}warmup_steps")
    epochs, stop = flags.get(int, f"{_TRAINER}max_epochs"), flags.get(int, f"{_TRAINER}max_steps")
    if epochs is not None:
        raise flags.refusal(f"{_TRAINER}max_epochs is not read; write max_steps")
    return rate_settings(
        flags.need(float, f"{_RATE}max_rate"),
        4000 if warmup is None else warmup,
        end,
        end if stop is None else stop,
        flags.command.place,
    )


def _optimizer(flags: Flags, notes: Notes) -> dict[str, Value]:
    kind = flags.get(str, f"{_OPTIMIZER}class")
    if kind != "AdamW":
        raise flags.refusal(f"{_OPTIMIZER}class: expected AdamW, got {kind!r}")
    betas = re.findall(r"[\d.]+", flags.get(str, f"{_OPTIMIZER}betas") or "(0.9, 0.999)")
    decay = flags.get(float, f"{_OPTIMIZER}weight_decay")
    notes.add("weight decay: ParaGen decays every weight; here biases and LayerNorm are spared")
    return {
        "trainer.weight_decay": 0.01 if decay is None else decay,  # torch's default
        "trainer.adam_beta1": float(betas[0]),
        "trainer.adam_beta2": float(betas[-1]),
        "trainer.adam_epsilon": flags.get(float, f"{_OPTIMIZER}eps") or 1e-8,
        "trainer.max_grad_norm": flags.get(float, f"{_OPTIMIZER}clip_norm") or 0.0,
    }


def _adversary(flags: Flags, given: Mapping[str, str | None], notes: Notes) -> dict[str, Value]:
    kind, trainer = flags.get(str, f"{_MODEL}class"), flags.get(str, f"{_TRAINER}class")
    lengths = {name: flags.get(float, f"{_MODEL}{name}") for name in _DEFAULTS}
    if kind != _ADVERSARIAL:
        asked = [f"{_MODEL}{n}" for n in _DEFAULTS if f"{_MODEL}{n}" in given]
        if asked:
            raise flags.refusal(
                f"{asked[0]}: the configuration's model class, {kind}, does "
                f"not perturb; only {_ADVERSARIAL} reads it"
            )
        if trainer == "AdvTrainer":
            notes.add(
                f"AdvTrainer with {kind}, which does not perturb: three clean passes, their "
                "gradients added up; method none here"
            )
        return {"adversary.method": "none"}
    values = {n: _DEFAULTS[n] if v is None else v for n, v in lengths.items()}
    if values["max_norm"] <= 0:
        raise flags.refusal(
            f"{_MODEL}max_norm {values['max_norm']:g}: ParaGen always "
            "projects, onto nothing here; there is no counterpart (null would mean no ball)"
        )
    notes.add("ParaGen always makes 3 passes, one of them before the first ascent: adv_steps 3")
    notes.add(
        "ParaGen adds the gradients of its 3 passes up, where they are averaged here: Adam takes "
        "the factor out but for its epsilon"
    )
    notes.add("ParaGen always projects onto the ball; max_norm does so here too, null would not")
    notes.add(
        "ParaGen takes token 1 for padding, which is so in RoBERTa; with BERT its noise lands on "
        "padding too, here it never does"
    )
    notes.add("ParaGen draws new dropout masks in each pass; here the passes share them")
    return {
        "adversary.method": "freelb",
        "adversary.adv_steps": 3,
        **{f"adversary.{name}": value for name, value in values.items()},
    }
