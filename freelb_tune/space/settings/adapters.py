"""What `model.adapter` may say: the types of the installed peft and their own settings.

Room: space. Importing peft takes seconds; its source says the names and types as well. A file's
adapter becomes settings of its own, `model.adapter.type`, `model.adapter.r` and so on, which are
searched as any other; a whole fine-tuning has the type `none`.
"""

import ast
from collections.abc import Collection, Iterable, Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Union

from freelb_tune.errors import FreeLBTuneError, unknown_name
from freelb_tune.space.problems import Problems, shown
from freelb_tune.space.settings.domains import is_domain
from freelb_tune.space.settings.trainer_fields import annotated_type
from freelb_tune.space.values import Value

__all__ = [
    "ADAPTER",
    "ADAPTER_TYPE",
    "FULL",
    "adapter_settings",
    "adapter_type_of",
    "adapter_types",
    "kept_adapter",
    "spread_adapter",
    "tied_adapters",
    "wrong_adapter_setting",
    "wrong_adapter_type",
]

ADAPTER = "model.adapter"
ADAPTER_TYPE = f"{ADAPTER}.type"
FULL = "none"

_SETTLED = (
    "task_type",
    "peft_type",
    "auto_mapping",
    "peft_version",
    "base_model_name_or_path",
    "revision",
    "inference_mode",
)
_OTHERWISE = {
    "adalora": "it needs more of each step than a loss and its gradient",
    "lily": "its weights belong to no one layer",
    "poly": "it wants a task's number beside each text",
    "shadow": "it is for decoders alone",
}
_WORDS = "it puts trained words before the text"
_HEADLESS = "peft trains no head beside it"
"""Why some types are not taken."""


def adapter_types() -> Collection[str]:
    """The types that a space may name: those that put trained layers into a whole model.

    Raises:
        FreeLBTuneError: peft is not installed.
    """
    return _types().keys()


def wrong_adapter_type(name: str) -> str | None:
    """Why a space may not name a type; None if it may.

    Raises:
        FreeLBTuneError: peft is not installed.
    """
    known = (FULL, *adapter_types())
    if name in known:
        return None
    why = _registry()[1].get(name)
    if why is None:
        return unknown_name(name, known)
    return f"{name} is not taken, as {why}; known: {', '.join(sorted(known))}"


def adapter_settings(kinds: Iterable[str] = ()) -> Collection[str]:
    """The settings that any of some types has; of all types where none of them is one."""
    types = _types()
    own = [types[kind] for kind in kinds if kind in types]
    return {"type"} | {name for fields in own or types.values() for name in fields}


def wrong_adapter_setting(name: str, kinds: Collection[str] = ()) -> str | None:
    """Why none of some types has a setting of this name; None if one of them has."""
    if name == "type" or name in (known := adapter_settings(kinds)):
        return None
    if name in _SETTLED:
        return "is not for the space to set: the model and the task settle it"
    said = unknown_name(name, known)
    own = [kind for kind in kinds if kind != FULL]
    return f"{said} (of peft's {' and '.join(sorted(own))})" if own else said


@cache
def adapter_type_of(name: str) -> Any:
    """The type that a setting's values are checked against: what any adapter takes."""
    found = [annotated_type(fields[name]) for fields in _types().values() if name in fields]
    return Any if not found or Any in found else Union[(*found, None)]


def spread_adapter(given: Any, place: str, problems: Problems) -> dict[str, Any]:
    """What a file says of an adapter as settings by dotted name.

    Args:
        given: `none`, a type, a domain of those, or a mapping of peft's own names.
        place: where it stands.
        problems: takes down what is wrong.
    """
    if given is None or given == FULL:
        return {ADAPTER_TYPE: FULL}
    try:
        adapter_types()
    except FreeLBTuneError as err:
        problems.add(place, str(err))
        return {}
    if is_domain(given):
        body = next(iter(given.values()))
        whole = [each for each in body if isinstance(each, dict)] if isinstance(body, list) else []
        twice = [said for each in whole for said in _twice(each)]
        if whole:
            problems.add(place, "; ".join(twice) or "whole adapters stand in a grid outside of "
                                "branches, or each in a branch of its own")  # fmt: skip
            return {}
        return {ADAPTER_TYPE: given}
    if isinstance(given, str):
        return {ADAPTER_TYPE: given}
    if not isinstance(given, dict):
        problems.add(
            place,
            f"expected none or an adapter such as {{type: lora, r: 8}}, got {shown(given)}",
        )
        return {}
    if "type" not in given:
        problems.add(place, f"names no type; known: {', '.join(sorted(adapter_types()))}")
        return {}
    kind = given["type"]
    if not (kind is None or isinstance(kind, str) or is_domain(kind)):
        wanted = "expected one type, or several as {grid: [lora, ia3]}"
        problems.add(f"{place}.type", f"{wanted}, got {shown(kind)}")
        return {}
    for said in _twice(given):
        problems.add(place, said)
    return {f"{ADAPTER}.{_own_name(n, _named(kind))}": value for n, value in given.items()}


def tied_adapters(given: Any) -> dict[str, list[Any]] | None:
    """A grid of whole adapters as lists that advance together; None where it is no such grid."""
    body = given["grid"] if is_domain(given) and "grid" in given else None
    if not isinstance(body, list) or not any(isinstance(one, dict) for one in body):
        return None
    each = [one if isinstance(one, dict) else {"type": one} for one in body]
    try:
        rows = [{_own_name(n, _named(one.get("type"))): v for n, v in one.items()} for one in each]
        if any(map(_twice, each)):
            return None
    except FreeLBTuneError:
        return None  # peft is not here, as the reader says
    names = dict.fromkeys(["type", *(name for row in rows for name in row)])
    return {f"{ADAPTER}.{name}": [row.get(name) for row in rows] for name in names}


def kept_adapter(settings: dict[str, Value]) -> dict[str, Value]:
    """A configuration's settings without those of an adapter that its own type does not have.

    One that is null is left to peft, as one that a file does not say.
    """
    kind = settings.get(ADAPTER_TYPE)
    if kind is None:
        return settings
    own = {} if kind == FULL else _types()[str(kind)]
    return {
        key: value
        for key, value in settings.items()
        if not key.startswith(f"{ADAPTER}.")
        or key == ADAPTER_TYPE
        or (value is not None and key.removeprefix(f"{ADAPTER}.") in own)
    }


def _twice(given: Mapping[str, Any]) -> list[str]:
    """That a short name stands beside the long one that it stands for."""
    own = {name: _own_name(name, _named(given.get("type"))) for name in given}
    return [
        f"{name} stands for {long}, which is there too; take one out"
        for name, long in own.items()
        if name != long and long in given
    ]


def _named(given: Any) -> Collection[str]:
    body = next(iter(given.values())) if is_domain(given) else [given]
    return [each for each in body if isinstance(each, str)] if isinstance(body, list) else []


def _own_name(name: str, kinds: Iterable[str]) -> str:
    """Peft's name for a setting: `alpha` is `lora_alpha` where no other name ends so."""
    known = adapter_settings(kinds)
    ends = [each for each in known if each.endswith(f"_{name}")]
    return ends[0] if name not in known and len(ends) == 1 else name


def _types() -> Mapping[str, Mapping[str, ast.expr]]:
    """By type, the settings that a space may say and their annotations."""
    return _registry()[0]


@cache
def _registry() -> tuple[dict[str, dict[str, ast.expr]], dict[str, str]]:
    """The types that a space may name as `_types` has them, and why it may not name the others."""
    spec = find_spec("peft")  # looks for the package and does not import it
    if spec is None or not spec.submodule_search_locations:
        raise FreeLBTuneError(
            "an adapter needs the package peft, which is not installed; "
            "pip install 'freelb-tune[peft]'"
        )
    home = Path(next(iter(spec.submodule_search_locations)))
    classes = {
        node.name: node
        for path in (
            home / "config.py",
            *home.glob("tuners/*/config.py"),
            *home.glob("tuners/*.py"),
        )
        for node in ast.parse(path.read_text("utf-8")).body
        if isinstance(node, ast.ClassDef) and node.name.endswith("Config")
    }
    found, others = {}, {}
    for path in sorted(home.glob("tuners/*/__init__.py")):
        for name, kind in _registered(ast.parse(path.read_text("utf-8"))):
            fields = _fields(kind, classes)
            if why := _why_not(name, fields):
                others[name] = why
            else:
                found[name] = {n: note for n, note in fields.items() if n not in _SETTLED}
    return found, others


def _why_not(name: str, fields: Collection[str]) -> str | None:
    """Why a type with these settings is not taken; None if it is."""
    if "num_virtual_tokens" in fields:
        return _WORDS
    if not {"target_modules", "modules_to_save"} <= set(fields):
        return _HEADLESS
    return _OTHERWISE.get(name)


def _registered(tree: ast.Module) -> Iterable[tuple[str, str]]:
    """The types that a module registers, each with the name of its config's class."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "register_peft_method":
            said = {word.arg: word.value for word in node.keywords}
            name, kind = said.get("name"), said.get("config_cls")
            if isinstance(name, ast.Constant) and isinstance(kind, ast.Name):
                yield str(name.value), kind.id


def _fields(kind: str, classes: Mapping[str, ast.ClassDef]) -> dict[str, ast.expr]:
    """A dataclass's fields with their annotations, those of its bases first."""
    if kind not in classes:
        return {}
    found: dict[str, ast.expr] = {}
    for base in classes[kind].bases:
        found |= _fields(ast.unparse(base), classes)
    return found | {
        item.target.id: item.annotation
        for item in classes[kind].body
        if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name)
    }
