"""One trial's settings as a user of Ray Tune writes them: flat, by dotted name; and their cell.

Room: search, without Ray. They are read as a search-space file is, and say the same of what is
wrong.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import PurePath
from typing import Any

from freelb_tune.errors import FreeLBTuneError, unknown_name
from freelb_tune.space import ADVERSARIES, Cell, Space, plan_cells
from freelb_tune.space.checking.checks import known_settings
from freelb_tune.space.problems import Problems, shown
from freelb_tune.space.reading.document import document_of
from freelb_tune.space.settings.domains import is_domain
from freelb_tune.space.settings.sections import SEARCHED, Inputs
from freelb_tune.tasks import check_data, data_fingerprint, task_metrics

__all__ = ["cell_of", "check_base"]

BASE = "the trainable's base"
CONFIG = "this trial's config"
_METHOD = "adversary.method"
_LARGEST_SEED = 2**32 - 1
_SEARCH_IT = "search it in the Tuner's param_space"

Flat = dict[str, Any]


def check_base(base: Mapping[str, Any]) -> Flat:
    """What is the same in all trials, checked; what it leaves open, a trial's config may say.

    Args:
        base: by dotted name, or in sections as in a file; `task`, `model` and `seed` stand alone.

    Returns:
        The same by dotted name, with local paths made absolute: a trial runs in another folder.

    Raises:
        FreeLBTuneError: a key or value that cannot stand there; the message lists all.
    """
    flat = _flat(base, BASE)
    open_ = {
        "task": next(iter(task_metrics())),
        "model.name": "open",
        _METHOD: {"grid": list(ADVERSARIES)},  # any may read what is set here
    }
    space = _read({**open_, **flat}, BASE)
    return {key: _resolved(space, key, value) for key, value in flat.items()}


def cell_of(base: Flat, config: Mapping[str, Any], say: Callable[[str], None]) -> Cell:
    """The cell of one trial; its data is read and, where the Hub has it, fetched.

    Args:
        base: of `check_base`.
        config: what Ray Tune gives this trial, laid over the base. Where it names the adversary,
            settings that this one does not read, and another does, are left out.
        say: is told what a user should know of the data.

    Raises:
        FreeLBTuneError: a key or value that cannot stand there, or the data cannot be read.
    """
    own = _flat(config, CONFIG)
    whole = {**base, **own}
    method = own.get(_METHOD)
    if isinstance(method, str) and method in ADVERSARIES:
        whole = {key: value for key, value in whole.items() if not _is_anothers(key, method)}
    space = _read(whole, CONFIG)

    def fingerprint(inputs: Inputs) -> str:
        for note in check_data(inputs.task, inputs.data):
            say(note)
        return data_fingerprint(inputs)

    plan = plan_cells(space, data_fingerprint=fingerprint, model_fingerprint=lambda _: "")
    return plan.cells[0]


def _flat(given: Mapping[str, Any], source: str) -> Flat:
    """Settings by dotted name, each of them known as a trial's, and of one value."""
    if not isinstance(given, Mapping):
        raise FreeLBTuneError(f"{source}: expected a mapping of settings, got {shown(given)}")
    problems = Problems(source, {})
    flat: Flat = {}
    for key, value in given.items():
        own = {str(key): value.item() if hasattr(value, "item") else value}  # numpy's numbers
        if key == "model" and isinstance(value, str):
            own = {"model.name": value}
        elif key in SEARCHED and isinstance(value, Mapping) and not _is_searched(value):
            own = {f"{key}.{name}": inner for name, inner in value.items()}
        for name in flat.keys() & own.keys():
            problems.add(name, "stands twice, by itself and in its section; take one out")
        flat |= own
    for key, value in flat.items():
        section, dot, _ = key.partition(".")
        if _is_searched(value):
            problems.add(key, f"a trial has one value here; {_SEARCH_IT}")
        if key in SEARCHED:
            problems.add(key, f"expected a mapping, got {shown(value)}")
        elif key not in ("task", "seed") and not (dot and section in SEARCHED):
            problems.add(key, _unknown(key))
    if flat.get("data.folds") is not None:
        problems.add(
            "data.folds", "a Tuner's trial has one dev set; cut it with data.dev_share instead"
        )
    if not _is_seed(flat.get("seed", 1)):
        problems.add(
            "seed",
            f"expected a whole number from 0 to {_LARGEST_SEED}, got {shown(flat['seed'])}",
        )
    problems.raise_if_any()
    return flat


def _read(flat: Flat, source: str) -> Space:
    """The space of one configuration and one seed."""
    content: dict[str, Any] = {"clean_arm": False, "seeds": [flat.get("seed", 1)]}
    for key, value in flat.items():
        section, dot, name = key.partition(".")
        if dot:
            content.setdefault(section, {})[name] = value
        elif key != "seed":
            content[key] = value
    document = replace(document_of(content), source=source, several=_SEARCH_IT)
    return Space.read(document, tasks=task_metrics())


def _resolved(space: Space, key: str, value: Any) -> Any:
    """A setting's text as the reader left it, with a local path made absolute."""
    section, dot, name = key.partition(".")
    has_paths = isinstance(value, str | PurePath) or key == "data.also"
    return space.content[section][name] if dot and has_paths else value


def _is_anothers(key: str, method: str) -> bool:
    """Whether only other adversaries than this read a setting."""
    section, _, name = key.partition(".")
    if section != "adversary" or name in ADVERSARIES[method].model_fields:
        return False
    return any(name in kind.model_fields for kind in ADVERSARIES.values())


def _is_searched(value: Any) -> bool:
    """Whether it is no value but a choice of values: ours, or one of Ray Tune's."""
    in_ray = isinstance(value, Mapping) and set(value) == {"grid_search"}
    return is_domain(value) or in_ray or callable(getattr(value, "sample", None))


def _is_seed(value: Any) -> bool:
    return type(value) is int and 0 <= value <= _LARGEST_SEED


def _unknown(key: str) -> str:
    """Why a trial has no such setting."""
    homes = [section for section in SEARCHED if key in known_settings(section)]
    if homes:
        return f"write the section too: {' or '.join(f'{home}.{key}' for home in homes)}"
    known = ["task", "seed", *SEARCHED]
    return f"{unknown_name(key, known)}; a setting is written with its section, adversary.adv_lr"
