"""What a `run_glue.py`-like command of transformers means here, adversarial or not.

Room: space, importing. Read in zhuchen03/FreeLB, huggingface-transformers:
examples/run_glue_freelb.py and launch/run_glue.sh. Flags may be written with dashes or
underscores, and any field of `TrainingArguments` is a flag.
"""

import re
from io import StringIO

from ruamel.yaml import YAML

from freelb_tune.importing.runs import (
    Command,
    Flags,
    Known,
    Notes,
    Run,
    freelb_settings,
    whole_batch,
)
from freelb_tune.space.cells.cell import Value
from freelb_tune.space.checking.checks import read_value
from freelb_tune.space.checking.refusal import Refusal
from freelb_tune.space.settings.trainer_fields import trainer_fields

__all__ = ["read_run_glue"]

_DEFAULTS: dict[str, Value] = {
    "learning_rate": 5e-5,
    "weight_decay": 0.0,
    "adam_epsilon": 1e-8,
    "max_grad_norm": 1.0,
    "warmup_steps": 0,
    "lr_scheduler_type": "linear",
}
_HARMLESS = re.compile(
    r"(output_dir|load_best|greater_is|overwrite_|logging_|log_|save_|eval_|evaluate_|do_|cache_dir|comet|expname|"
    r"exp_name|run_name|report_to|model_type|tokenizer_name|gpu$|data_dir|local_rank|server_|"
    r"fp16|bf16|tf32|disable_tqdm|push_to_hub|hub_|no_cuda|use_cpu|name$|tag$|save$|logdir)"
)


def read_run_glue(command: Command, known: Known, notes: Notes) -> Run:
    """Translate one command.

    Raises:
        FreeLBTuneError: the task or the model is missing, or a flag's value may not stand here.
    """
    plain = {k.lstrip("-").replace("-", "_"): value for k, value in command.flags.items()}
    command = Command(command.program, plain, command.words, command.place, command.gpus)
    flags = Flags(command)
    task = known.task(flags.need(str, "task_name", "task"), command.place)
    settings: dict[str, Value] = {
        "model.name": flags.need(str, "model_name_or_path", "model_name", "model"),
        **_dropout(flags, notes),
        "data.max_length": flags.get(int, "max_seq_length", "max_length") or 128,
        "trainer.per_device_train_batch_size": _batch(flags, notes),
        **_trainer(flags, notes),
        **_adversary(flags, notes),
    }
    if flags.has("data_dir"):
        notes.add("--data_dir: GLUE is taken from the Hub; --data FOLDER takes a local copy")
    if {"fp16", "bf16"} & plain.keys():
        notes.add("--fp16: here bf16 is the default on GPUs that have it, float32 elsewhere")
    if {"logging_steps", "evaluate_during_training"} <= plain.keys():
        notes.add(
            f"the dev set was looked at every {plain['logging_steps']} updates; here after each "
            "epoch"
        )
    metric = known.metric(task, flags.get(str, "metric_for_best_model"), command.place, notes)
    seed = flags.get(int, "seed")
    unread = flags.unread(_HARMLESS.match, notes, ("fp16", "bf16"))
    return Run(task, settings, 42 if seed is None else seed, metric, unread, command.place)


def _dropout(flags: Flags, notes: Notes) -> dict[str, Value]:
    names = ("hidden_dropout_prob", "attention_probs_dropout_prob")
    config: dict[str, Value] = {
        name: value for name in names if (value := flags.get(float, name)) is not None
    }
    if "freelb" in flags.command.program:  # its own defaults, not the checkpoint's
        config = {"hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.0, **config}
    if not config:
        return {}
    notes.add("dropout is laid over the checkpoint's own config by model.config")
    return {"model.config": config}


def _batch(flags: Flags, notes: Notes) -> int:
    size = flags.get(int, "per_gpu_train_batch_size", "per_device_train_batch_size", "batch_size")
    steps = flags.get(int, "gradient_accumulation_steps") or 1
    size = 8 if size is None else size
    return whole_batch(str(size), size, f"{steps} accumulated", steps, _gpus(flags), notes)


def _gpus(flags: Flags) -> int:
    listed = flags.command.flags.get("gpu")
    return max(flags.command.gpus, len(listed.split(",")) if listed else 1)


def _trainer(flags: Flags, notes: Notes) -> dict[str, Value]:
    """Every flag that is a field of `TrainingArguments`, and the script's own defaults."""
    found: dict[str, Value] = {f"trainer.{k}": v for k, v in _DEFAULTS.items()}
    for name, text in flags.command.flags.items():
        if name in flags.read or name not in trainer_fields() or _HARMLESS.match(name):
            continue
        flags.read.add(name)
        value = True if text is None else YAML(typ="safe", pure=True).load(StringIO(text))
        try:
            found[f"trainer.{name}"] = read_value(f"trainer.{name}", value)
        except Refusal as refusal:
            raise flags.refusal(f"--{name}: {refusal}") from refusal
    if found.get("trainer.max_steps", -1) == -1:
        found.pop("trainer.max_steps", None)
        found.setdefault("trainer.num_train_epochs", 3.0)
    else:
        found.pop("trainer.num_train_epochs", None)
    return found


def _adversary(flags: Flags, notes: Notes) -> dict[str, Value]:
    steps = flags.get(int, "adv_steps")
    rate = flags.get(float, "adv_lr") or 0.0
    start = flags.get(float, "adv_init_mag", "init_mag") or 0.0
    radius = flags.get(float, "adv_max_norm", "max_norm")
    norm = flags.get(str, "norm_type", "adv_norm_type")
    steps = 1 if steps is None else steps
    if steps == 1 and not start:
        return {"adversary.method": "none"}
    notes.add(f"--adv-steps {steps} counts the passes, as adv_steps does here")
    if not radius or radius < 0:
        notes.add("--adv-max-norm 0 is no ball: max_norm null")
    return freelb_settings("freelb", steps, rate, start, radius, norm)
