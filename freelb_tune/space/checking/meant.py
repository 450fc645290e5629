"""Which setting a wrong name is likely to mean, and what to write for a value that may not be.

Room: space. For messages alone: nothing here is ever taken for what was written.
"""

import difflib
import re
from collections.abc import Collection
from functools import cache
from typing import Any

from freelb_tune.errors import unknown_name
from freelb_tune.space.settings.adversaries import ADVERSARIES
from freelb_tune.space.settings.algorithms import ALGORITHMS
from freelb_tune.space.settings.domains import DOMAINS
from freelb_tune.space.settings.sections import (
    DataFields,
    LossFields,
    ModelFields,
    ResourcesConfig,
    RunFields,
    TableConfig,
)
from freelb_tune.space.settings.trainer_fields import trainer_fields

__all__ = [
    "broken_text",
    "grid_meant",
    "meant",
    "model_advice",
    "section_value",
    "unknown_setting",
    "value_advice",
]

_ALIASES = {
    "trainer.learning_rate": "lr rate",
    "trainer.per_device_train_batch_size": "bs bsz batch batchsize batch_size train_batch_size",
    "trainer.num_train_epochs": "epoch epochs num_epochs n_epochs max_epochs",
    "trainer.weight_decay": "wd decay",
    "trainer.warmup_steps": "warmup warmup_ratio warmup_proportion",
    "adversary.adv_steps": "k steps adv_k ascent_steps",
    "adversary.adv_lr": "alpha step_size adv_learning_rate",
    "adversary.init_mag": "noise adv_init_mag init init_magnitude",
    "adversary.max_norm": "eps epsilon radius adv_max_norm",
    "data.max_length": "max_len max_seq_length max_seq_len seq_len",
    "data.file": "csv dataset_file train_file",
    "search.samples": "num_samples n_samples trials n_trials num_trials",
    "search.algorithm": "scheduler sampler_algorithm",
    "resources.gpu": "gpus num_gpus n_gpus",
    "resources.cpu": "cpus num_cpus cores threads",
    "resources.max_concurrent": "workers num_workers jobs n_jobs concurrency max_concurrent_trials",
    "seeds": "seed num_seeds n_seeds random_seed",
    "task": "dataset dataset_name task_name",
    "model": "model_name model_name_or_path pretrained checkpoint",
}
_MODELS = {
    "bert": "bert-base-uncased",
    "roberta": "roberta-base",
    "albert": "albert-base-v2",
    "distilbert": "distilbert-base-uncased",
    "electra": "google/electra-small-discriminator",
    "deberta": "microsoft/deberta-v3-base",
    "modernbert": "answerdotai/ModernBERT-base",
    "xlm-roberta": "xlm-roberta-base",
}
_LEADS = {"adversary": "method", "search": "algorithm", "data": "file"}


def meant(name: str, section: str = "") -> str | None:
    """The dotted name of the setting that a name is likely to mean; None for no idea.

    Args:
        name: as it was written, maybe as an option (`--batch-size`).
        section: the section that it stands in.
    """
    last = name.lstrip("-").replace("-", "_").rpartition(".")[2]
    places = _places()
    for each in (f"{section}.{last}", f"{section}.adv_{last}"):
        if each in places.values():
            return each
    aliases = {alias: key for key, many in _ALIASES.items() for alias in many.split()}
    found = aliases.get(last.lower()) or places.get(last)
    if found:
        return found
    close = difflib.get_close_matches(last.lower(), places, n=1, cutoff=0.8)
    return places[close[0]] if close else None


@cache
def _places() -> dict[str, str]:
    """Every setting's dotted name by its last part; the adversary's and the trainer's first."""
    kinds: dict[str, Collection[str]] = {
        "adversary": [name for kind in ADVERSARIES.values() for name in kind.model_fields],
        "trainer": trainer_fields(),
        "data": DataFields.model_fields,
        "loss": LossFields.model_fields,
        "run": RunFields.model_fields,
        "search": [name for kind in ALGORITHMS.values() for name in kind.model_fields],
        "resources": ResourcesConfig.model_fields,
        "table": TableConfig.model_fields,
        "model": ModelFields.model_fields,
    }
    found: dict[str, str] = {}
    for section, names in kinds.items():
        for name in names:
            found.setdefault(name, f"{section}.{name}")
    return found


def unknown_setting(
    name: str, known: Collection[str], section: str = "", value: object = None
) -> str:
    """That there is no such setting, and which one it is likely to be.

    Args:
        name: as it was written.
        known: what may stand there.
        section: the section that it stands in; empty for the file's top.
        value: what was written for it.
    """
    near = difflib.get_close_matches(name.casefold(), known, n=1, cutoff=0.8)
    found = None if near else meant(name, section)
    inside, _, last = (found or "").rpartition(".")
    if found is None or (inside == section and last == name):
        return unknown_name(name, known)
    if inside == section:
        return f"unknown name {name!r}; did you mean {last!r}? known: {', '.join(sorted(known))}"
    text = _written(value)
    line = f"{found}={text}"
    line = f"'{line}'" if " " in line else line
    return f"unknown name {name!r}; write {line}, or in a file {inside}: {{{last}: {text}}}"


def _written(value: object) -> str:
    """A value as a setting would have it, several as a grid."""
    is_one = isinstance(value, str) or _is_number(value)
    return grid_meant(value) or (str(value) if is_one else "...")


def section_value(section: str, value: object) -> str:
    """What to write in place of one value for a whole section; empty for no idea."""
    name = _LEADS.get(section)
    if name is None or not isinstance(value, str) or not value:
        return ""
    word = value.lower() if section != "data" else value
    return f"; write {section}.{name}={word}, or in a file {section}: {{{name}: {word}}}"


def model_advice(name: str) -> str:
    """What to write for a model's name that is only its type; empty where it is not."""
    example = _MODELS.get(name.lower())
    if example is None:
        return ""
    return (
        f"{name!r} is a type of models and no model; write {example} or another Hub id, a folder, "
        f"or config:{name.lower()} and model.config for random weights"
    )


def grid_meant(value: object) -> str:
    """The grid that several numbers where one stands were meant for; empty where they are none."""
    if isinstance(value, str):
        parts = [part.strip() for part in value.strip().strip("[]()").split(",")]
        value = parts if len(parts) > 1 else []
    if isinstance(value, list) and value and all(map(_is_number, value)):
        return f"{{grid: [{', '.join(map(str, value))}]}}"
    return ""


def value_advice(value: object, expected: str) -> str:
    """What to write where a number was expected; empty for no idea."""
    if "number" not in expected:
        return ""
    if isinstance(value, dict) and value.keys() & set(DOMAINS):
        return "; its values stand in brackets: {grid: [0.1, 0.2]}"
    if not isinstance(value, str):
        return ""
    text = value.strip()
    share = re.fullmatch(r"([\d.]+)\s*%", text)
    if share and _is_number(share[1]):
        return f"; write {float(share[1]) / 100:g}"
    if re.match(rf"({'|'.join(DOMAINS)})\b", text):
        return "; a domain stands in braces, with a space after its colon: {grid: [0.1, 0.2]}"
    return "; take the quotes away" if _is_number(text) else ""


def broken_text(text: str, line: int, *, is_override: bool) -> str:
    """What is likely to be wrong with text that is no YAML; empty for no idea.

    Args:
        text: all of it.
        line: where it was found, 1 for the first.
        is_override: it stood on a command line, where a shell may have cut it.
    """
    lines = text.splitlines() or [""]
    here = lines[min(max(line, 1), len(lines)) - 1]
    near = lines[max(line - 2, 0) : line]
    if any("\t" in each[: len(each) - len(each.lstrip())] for each in near):
        return "a tab begins a line here, and YAML indents with spaces alone"
    if is_override and any(text.count(a) > text.count(b) for a, b in ("[]", "{}")):
        return "did the shell cut it at a space? Put all of it in quotes: 'seeds=[1, 2]'"
    if re.search(r"[{,]\s*\w+:[^\s/]", here):
        return "YAML wants a space after a colon: {grid: [0.1, 0.2]}"
    if re.search(rf":\s+({'|'.join(DOMAINS)})\s*:", here):
        return "a domain stands in braces: {grid: [0.1, 0.2]}"
    return "check the indentation, colons, quotes and brackets there and just above"


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return not isinstance(value, bool)
