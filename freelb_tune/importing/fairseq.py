"""What a `train.py` command of the FreeLB repository's fairseq means here.

Room: space, importing. Read in zhuchen03/FreeLB, fairseq-RoBERTa: train.py,
fairseq/tasks/sentence_prediction.py, fairseq/models/roberta/model.py and launch/.
"""

import re

from freelb_tune.errors import FreeLBTuneError
from freelb_tune.importing.runs import (
    Command,
    Flags,
    Known,
    Notes,
    Run,
    freelb_settings,
    rate_settings,
    steps_in_epochs,
    whole_batch,
)
from freelb_tune.space.cells.cell import Value

__all__ = ["read_fairseq"]

_ARCHITECTURES = {"roberta_base": "roberta-base", "roberta_large": "roberta-large"}
_HARMLESS = re.compile(
    r"--(save-|keep-|no-save|no-epoch|log-|tensorboard|restore-file|task$|criterion$|reset-|"
    r"required-batch-size|init-token|separator-token|num-classes|num-workers|comet|no-progress|"
    r"find-unused|maximize-best|ddp-backend|regression-target|fp16|threshold-loss|"
    r"validate-interval|skip-invalid|truncate-sequence|disable-validation)"
)


def read_fairseq(command: Command, known: Known, notes: Notes) -> Run:
    """Translate one command.

    Raises:
        FreeLBTuneError: a flag is missing or wrong, or asks for YOPO, which is no adversary here.
    """
    flags = Flags(command)
    task = _task(command, known)
    settings = _model(flags, notes)
    batch = _batch(flags, notes)
    settings["trainer.per_device_train_batch_size"] = batch
    settings |= _rate(flags, known.train_sizes[task], batch, notes)
    settings |= _optimizer(flags, notes)
    settings |= _adversary(flags, notes)
    metric = known.metric(task, flags.get(str, "--best-checkpoint-metric"), command.place, notes)
    seed = flags.get(int, "--seed")
    if task == "cola" and settings["trainer.max_steps"] != 5336:
        notes.add(
            f"CoLA: {settings['trainer.max_steps']} updates, where fairseq's own README trains "
            "5,336"
        )
    if flags.has("--fp16"):
        notes.add("--fp16: here bf16 is the default on GPUs that have it, float32 elsewhere")
    unread = flags.unread(_HARMLESS.match, notes)
    return Run(task, settings, 1 if seed is None else seed, metric, unread, command.place)


def _task(command: Command, known: Known) -> str:
    if not command.words:
        raise FreeLBTuneError(f"{command.place}: names no data folder, such as RTE-bin/")
    name = command.words[0].rstrip("/").rpartition("/")[2]
    return known.task(name.removesuffix("-bin"), command.place)


def _model(flags: Flags, notes: Notes) -> dict[str, Value]:
    arch = flags.need(str, "--arch")
    if arch not in _ARCHITECTURES:
        raise flags.refusal(f"--arch: expected {' or '.join(sorted(_ARCHITECTURES))}, got {arch!r}")
    name = _ARCHITECTURES[arch]
    start = flags.get(str, "--restore-file") or ""
    if "mnli" in start:
        name = f"{name}-mnli"
        notes.add(f"--restore-file {start}: taken for the Hub's {name}; its head is replaced")
    elif start:
        notes.add(f"--restore-file {start}: taken for the pretrained {name}")
    fields = {
        "hidden_dropout_prob": flags.get(float, "--dropout"),
        "attention_probs_dropout_prob": flags.get(float, "--attention-dropout"),
        "classifier_dropout": flags.get(float, "--pooler-dropout"),
    }
    config: dict[str, Value] = {
        name: value for name, value in fields.items() if value not in (None, 0.1)
    }
    config.setdefault("classifier_dropout", 0.0)
    if fields["classifier_dropout"] is None:
        notes.add(
            "the head has no dropout (fairseq's --pooler-dropout is 0); transformers would use "
            "hidden_dropout_prob there, so model.config sets classifier_dropout to 0"
        )
    elif fields["classifier_dropout"] == 0.1:
        config["classifier_dropout"] = 0.1
    length = flags.get(int, "--max-positions")
    return {
        "model.name": name,
        "model.config": config,
        "data.max_length": 512 if length is None else length,
    }


def _batch(flags: Flags, notes: Notes) -> int:
    sentences, freq = flags.need(int, "--max-sentences"), flags.get(int, "--update-freq") or 1
    tokens, gpus = flags.get(int, "--max-tokens"), flags.command.gpus
    written = f"--max-sentences {sentences}", f"--update-freq {freq}"
    batch = whole_batch(written[0], sentences, written[1], freq, gpus, notes)
    if tokens is not None:
        notes.add(
            f"--max-tokens {tokens} made batches of long examples smaller; here all have the same "
            "number of examples"
        )
    return batch


def _rate(flags: Flags, examples: int, batch: int, notes: Notes) -> dict[str, Value]:
    scheduler = flags.get(str, "--lr-scheduler")
    if scheduler != "polynomial_decay":
        raise flags.refusal(f"--lr-scheduler: expected polynomial_decay, got {scheduler!r}")
    end = flags.need(int, "--total-num-update")
    epochs, most = flags.get(int, "--max-epoch"), flags.get(int, "--max-update")
    stop = end if most is None else most
    if epochs is not None:
        made = steps_in_epochs(examples, batch, epochs)
        stop = min(stop if most else made, made)
        if made < end:
            notes.add(
                f"--total-num-update {end} only shapes the learning rate; --max-epoch {epochs} "
                f"ends the run after {made} updates of {batch}, with the rate still above 0, and "
                "so does max_steps with lr_end here"
            )
    warmup = flags.get(int, "--warmup-updates") or 0
    return rate_settings(flags.need(float, "--lr"), warmup, end, stop, flags.command.place)


def _optimizer(flags: Flags, notes: Notes) -> dict[str, Value]:
    if flags.get(str, "--optimizer") not in ("adam", None):
        raise flags.refusal("--optimizer: only adam is read")
    decay, clip = flags.get(float, "--weight-decay"), flags.get(float, "--clip-norm")
    first, second = _betas(flags.get(str, "--adam-betas") or "(0.9, 0.999)", flags)
    if decay:
        notes.add("weight decay: fairseq decays every weight; here biases and LayerNorm are spared")
    return {
        "trainer.weight_decay": decay or 0.0,
        "trainer.adam_beta1": first,
        "trainer.adam_beta2": second,
        "trainer.adam_epsilon": flags.get(float, "--adam-eps") or 1e-8,
        "trainer.max_grad_norm": 25.0 if clip is None else clip,  # fairseq's default
    }


def _betas(text: str, flags: Flags) -> tuple[float, float]:
    numbers = re.findall(r"[\d.]+(?:e-?\d+)?", text)
    if len(numbers) != 2:
        raise flags.refusal(f"--adam-betas: expected two numbers, got {text!r}")
    return float(numbers[0]), float(numbers[1])


def _adversary(flags: Flags, notes: Notes) -> dict[str, Value]:
    steps = flags.get(int, "--adv-steps") or 0
    start = max(flags.get(float, "--rand-init-mag") or 0.0, 0.0)
    rate, radius = flags.get(float, "--adv-lr") or 0.0, flags.get(float, "--max-norm")
    norm = flags.get(str, "--norm-method") or None
    begin = flags.get(int, "--adv-begin-iter") or 0
    method = "freelb"
    if (flags.get(int, "--yopo-steps") or 1) > 1:
        raise flags.refusal(
            "--yopo-steps asks for YOPO, which is no adversary here; take "
            "the row out, or run it as freelb without that flag (every pass is then a whole one)"
        )
    if flags.has("--std-adv"):
        method = "pgd"
    elif flags.has("--per-step-adv"):
        method = "freeat"
    if not steps and not start:
        notes.add("--adv-steps 0 with no noise is the clean arm: method none")
        return {"adversary.method": "none"}
    if method == "freeat":
        notes.add(
            f"--per-step-adv: --adv-steps {steps} is the number of passes already, with an "
            "optimizer step each, and all of them count as one update"
        )
    else:
        notes.add(
            f"--adv-steps {steps} counts the ascents, after a first pass: it is adv_steps "
            f"{steps + 1} here, which counts the passes"
        )
    if radius is None or radius <= 0:
        notes.add("--max-norm of 0 or less, or none, is no ball: max_norm null")
    steps += method != "freeat"
    settings = freelb_settings(method, steps, rate, start, radius, norm)
    if begin > 0:
        settings["adversary.adv_begin_step"] = begin
    return settings
