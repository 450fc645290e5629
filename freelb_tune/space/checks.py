"""Whether one value may stand at one setting, and how to say that it may not.

Room: space. Every value a file can lead to is checked here before anything runs: each value of a
grid and both ends of a range.
"""

from collections.abc import Iterable
from functools import cache
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from freelb_tune.errors import unknown_name
from freelb_tune.space.adversary import ADVERSARIES
from freelb_tune.space.problems import shown
from freelb_tune.space.sections import DataFields, ModelFields, RunFields
from freelb_tune.space.trainer_fields import AT_LEAST, OURS, trainer_fields

__all__ = ["check_value", "known_settings", "say", "wrong_key"]

FIELDS: dict[str, type[BaseModel]] = {"model": ModelFields, "data": DataFields, "run": RunFields}
_KINDS = {
    "float_type": "a number",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "bool_type": "true or false",
    "string_type": "text",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
}


def known_settings(section: str, methods: Iterable[str] = ()) -> set[str]:
    """The settings that a section has; of `adversary`, those that any of the methods reads."""
    if section == "trainer":
        return set(trainer_fields())
    if section == "adversary":
        kinds = [ADVERSARIES[method] for method in methods if method in ADVERSARIES]
        return {name for kind in kinds or ADVERSARIES.values() for name in kind.model_fields}
    return set(FIELDS[section].model_fields)


def wrong_key(section: str, name: str, methods: Iterable[str] = ()) -> str | None:
    """Why a section has no such setting, or None if it has it."""
    if section == "trainer" and name in OURS:
        return f"is not for the space to set: {OURS[name]}"
    known = known_settings(section, methods)
    if name in known:
        return None
    readers = sorted(m for m, kind in ADVERSARIES.items() if name in kind.model_fields)
    if section == "adversary" and readers:
        chosen = ", ".join(sorted(set(methods)))
        return f"{chosen} does not read it; take it out (it is read by {', '.join(readers)})"
    if section == "trainer":
        return _short_unknown(name, known - set(OURS))
    return unknown_name(name, known)


def _short_unknown(name: str, known: set[str]) -> str:
    """As `unknown_name`, without its list of a hundred names."""
    hint = unknown_name(name, known).split("known:")[0].rstrip("; ")
    return f"{hint}; any field of transformers.TrainingArguments may stand here"


def check_value(section: str, name: str, value: Any, methods: Iterable[str] = ()) -> str | None:
    """Why a value may not stand at a setting, or None if it may."""
    if section == "trainer":
        return _check_trainer(name, value)
    if section != "adversary":
        return _refusal(_adapter(FIELDS[section], name), value)
    if name == "method":
        known = isinstance(value, str) and value in ADVERSARIES
        return None if known else unknown_name(str(value), ADVERSARIES)
    kinds = [ADVERSARIES[m] for m in methods if m in ADVERSARIES]
    refusals = [
        _refusal(_adapter(kind, name), value) for kind in kinds if name in kind.model_fields
    ]
    return refusals[0] if refusals and None not in refusals else None


def _check_trainer(name: str, value: Any) -> str | None:
    kind = trainer_fields()[name]
    if kind is not Any:
        refusal = _refusal(TypeAdapter(kind, config=ConfigDict(strict=True)), value)
        if refusal:
            return refusal
    if name == "max_steps" and value != -1 and value < 1:
        return f"expected a whole number of 1 or more (-1 for none), got {shown(value)}"
    if name in AT_LEAST and value is not None:
        least, open_ = AT_LEAST[name]
        if not (value > least or (value == least and not open_)):
            return f"expected {'above' if open_ else 'at least'} {least}, got {shown(value)}"
    return None


@cache
def _adapter(kind: type[BaseModel], name: str) -> TypeAdapter[Any]:
    field = kind.model_fields[name]
    kind_: Any = field.annotation
    whole: Any = Annotated[kind_, *field.metadata] if field.metadata else kind_
    return TypeAdapter(whole, config=ConfigDict(strict=True))


def _refusal(adapter: TypeAdapter[Any], value: Any) -> str | None:
    try:
        adapter.validate_python(value)
    except ValidationError as err:
        return say(err.errors(), value)
    return None


def say(errors: list[ErrorDetails], value: Any) -> str:
    """pydantic's findings about one value, as one clause in our words."""
    clauses = []
    for error in errors:
        if error["type"] == "none_required":
            continue
        clauses.append(_clause(error))
    what = " or ".join(dict.fromkeys(clauses))
    trap = ""
    if isinstance(value, str) and value.lower() in ("yes", "no", "on", "off"):
        trap = f"; {value!r} is text in YAML 1.2: write true or false"
    return f"expected {what}, got {shown(value)}{trap}"


def _clause(error: ErrorDetails) -> str:
    kind, limits = error["type"], error.get("ctx", {})
    if kind in _KINDS:
        return _KINDS[kind]
    if kind == "literal_error":
        return str(limits["expected"])
    for name, words in (("gt", "above"), ("ge", "at least"), ("lt", "below"), ("le", "at most")):
        if name in limits:
            return f"{words} {limits[name]}"
    if kind == "finite_number":
        return "a finite number"
    return str(error["msg"])
