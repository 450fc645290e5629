"""Whether one value may stand at one setting, and how to say that it may not.

Room: space. Every value a file can lead to is checked here before anything runs: each value of a
grid and both ends of a range.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import cache
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from freelb_tune.errors import unknown_name
from freelb_tune.space.checking.meant import meant, section_value, unknown_setting
from freelb_tune.space.checking.refusal import Refusal, clause, read_as
from freelb_tune.space.problems import Problems, shown
from freelb_tune.space.settings.adapters import (
    ADAPTER,
    ADAPTER_TYPE,
    FULL,
    adapter_type_of,
    wrong_adapter_setting,
    wrong_adapter_type,
)
from freelb_tune.space.settings.adversaries import ADVERSARIES, AdversarySettings
from freelb_tune.space.settings.sections import DataFields, LossFields, ModelFields, RunFields
from freelb_tune.space.settings.trainer_fields import refused_field, trainer_fields, trainer_type
from freelb_tune.space.settings.trainer_section import TrainerFields
from freelb_tune.space.values import Value

__all__ = [
    "FIELDS",
    "known_settings",
    "read_section",
    "read_shape",
    "read_trainer",
    "read_value",
    "read_whole",
    "section_of",
    "wrong_key",
]

_Section = TypeVar("_Section", bound=BaseModel)
FIELDS: dict[str, type[BaseModel]] = {
    "model": ModelFields,
    "data": DataFields,
    "loss": LossFields,
    "run": RunFields,
}


def known_settings(section: str, methods: Iterable[str] = ()) -> Collection[str]:
    """The settings that a section has; of `adversary`, those that any of the methods reads."""
    if section == "trainer":
        return trainer_fields().keys()
    if section == "adversary":
        kinds = [ADVERSARIES[method] for method in methods if method in ADVERSARIES]
        return {name for kind in kinds or ADVERSARIES.values() for name in kind.model_fields}
    return FIELDS[section].model_fields.keys()


def wrong_key(
    section: str, name: str, methods: Collection[str] = (), adapters: Collection[str] = ()
) -> str | None:
    """Why a section has no such setting, or None if it has it.

    Args:
        section: one that is searched.
        name: the setting's, without the section.
        methods: the adversaries that may read it.
        adapters: the types of adapters that may.
    """
    if section == "trainer":
        told = refused_field(name)
        found = meant(name, section)
        if told is None or not told.startswith("unknown") or "write" in told or "mean" in told:
            return told
        return f"{told}; did you mean {found}?" if found else told
    if _is_adapters(f"{section}.{name}"):
        return wrong_adapter_setting(name.partition(".")[2], adapters)
    known = known_settings(section, methods)
    if name in known:
        return None
    readers = [method for method, kind in ADVERSARIES.items() if name in kind.model_fields]
    if section == "adversary" and readers:
        return (
            f"{' and '.join(sorted(methods))} does not read it; take it out "
            f"(it is read by {', '.join(sorted(readers))})"
        )
    return unknown_setting(name, known, section)


def read_value(key: str, value: Any, methods: Iterable[str] = ()) -> Value:
    """A value as its setting keeps it: 1 becomes 1.0 where fractions may stand.

    Args:
        key: the setting's dotted name, known to its section.
        value: what the file says.
        methods: the adversaries that the value may go to; it has to suit one of them.

    Raises:
        Refusal: it may not stand there.
    """
    section, _, name = key.partition(".")
    if section == "trainer":
        return read_as(_trainer_adapter(name), value)
    if _is_adapters(key):
        return _read_adapters(key, value)
    if section != "adversary":
        return read_as(_adapter(FIELDS[section], name), value)
    if name == "method":
        if isinstance(value, str) and value in ADVERSARIES:
            return value
        raise Refusal(unknown_name(value, ADVERSARIES) if isinstance(value, str) else
                      f"expected a method's name, got {shown(value)}")  # fmt: skip
    refusals = []
    for kind in _readers(name, methods):
        try:
            return read_as(_adapter(kind, name), value)
        except Refusal as refusal:
            refusals.append(refusal)
    if name == "max_norm" and type(value) is int and value == 0:  # as it is written by hand
        raise Refusal(f"{refusals[0]}; for no ball, the 0 of FreeLB's own scripts, write null")
    raise refusals[0]


def read_section(
    content: Mapping[str, Any], name: str, kind: type[_Section], problems: Problems
) -> _Section:
    """A section whose values are not searched; with its defaults where something is wrong."""
    section = content.get(name)
    if section is not None and not isinstance(section, dict):
        problems.add(
            name, f"expected a mapping, got {shown(section)}{section_value(name, section)}"
        )
        return kind()
    good = {}
    for key, value in (section or {}).items():
        if key not in kind.model_fields:
            problems.add(f"{name}.{key}", unknown_setting(key, kind.model_fields, name))
            continue
        try:
            good[key] = read_as(_adapter(kind, key), value)
        except Refusal as refusal:
            problems.add(f"{name}.{key}", str(refusal))
    return kind.model_validate(good)


def section_of(settings: Mapping[str, Value], name: str) -> dict[str, Value]:
    """The settings of one section, without its prefix; an adapter's are a mapping in it."""
    start, at = f"{name}.", len(name) + 1
    found: dict[str, Any] = {k[at:]: v for k, v in settings.items() if k.startswith(start)}
    for key in [key for key in found if "." in key]:
        outer, _, inner = key.partition(".")
        found.setdefault(outer, {})[inner] = found.pop(key)
    return found


def read_whole(section: str, kind: type[_Section], content: Mapping[str, Any]) -> _Section:
    """A section's settings as one typed object.

    Args:
        section: its name, for the message.
        kind: the class of the section.
        content: the settings by name, without the section.

    Raises:
        Refusal: a name or a value that may not stand there, or values that do not go together.
    """
    try:
        return kind.model_validate(content)
    except ValidationError as err:
        told = "; ".join(_wrong(section, kind, content)) or _apart(section, content, err)
        raise Refusal(told) from err


def read_trainer(content: Mapping[str, Any]) -> TrainerFields:
    """The trainer's settings as one typed object.

    Raises:
        Refusal: a field that `TrainingArguments` does not have or a space may not set, or a value
            that may not stand there.
    """
    fields = {}
    for name, value in content.items():
        wrong = refused_field(name)
        if wrong:
            raise Refusal(f"trainer.{name}: {wrong}")
        fields[name] = _at(f"trainer.{name}", _trainer_adapter(name), value)
    return TrainerFields(fields)


def read_shape(kind: type[_Section], content: Any) -> _Section:
    """What a file of ours holds, if it has this shape.

    Raises:
        Refusal: it has not; says the first thing that is wrong.
    """
    try:
        return kind.model_validate(content)
    except ValidationError as err:
        first = err.errors()[0]
        place = ".".join(map(str, first["loc"])) or "it"
        if first["type"] == "missing":
            raise Refusal(f"{place} is missing") from err
        told = f"{place}: expected {clause(first)}, got {shown(first['input'])}"
        raise Refusal(told) from err


def _wrong(section: str, kind: type[BaseModel], content: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with the settings of a section, one by one."""
    for name, value in content.items():
        if name not in kind.model_fields:
            yield f"{section}.{name}: {unknown_name(name, kind.model_fields)}"
            continue
        try:
            _at(f"{section}.{name}", _adapter(kind, name), value)
        except Refusal as refusal:
            yield str(refusal)
    for name, field in kind.model_fields.items():
        if field.is_required() and name not in content:
            yield f"{section}.{name}: is missing"


def _apart(section: str, content: Mapping[str, Any], err: ValidationError) -> str:
    """That values, each good by itself, do not go together."""
    told = "; ".join(
        f"{'.'.join([section, *map(str, each['loc'])])}: {each['msg']}" for each in err.errors()
    )
    written = ", ".join(f"{name} {value}" for name, value in content.items())
    return f"these do not go together ({written}): {told}"


def _at(key: str, adapter: TypeAdapter[Any], value: Any) -> Value:
    try:
        return read_as(adapter, value)
    except Refusal as refusal:
        raise Refusal(f"{key}: {refusal}") from refusal


def _readers(name: str, methods: Iterable[str]) -> list[type[AdversarySettings]]:
    kinds = [ADVERSARIES[method] for method in methods if method in ADVERSARIES]
    return [k for k in kinds or ADVERSARIES.values() if name in k.model_fields]


def _is_adapters(key: str) -> bool:
    return key.startswith(f"{ADAPTER}.")


def _read_adapters(key: str, value: Any) -> Value:
    if key == ADAPTER_TYPE:
        value = FULL if value is None else value
        if not isinstance(value, str):
            raise Refusal(f"expected the name of a type, got {shown(value)}")
        if value != FULL and (wrong := wrong_adapter_type(value)):
            raise Refusal(wrong)
        return value
    return None if value is None else read_as(_adapters_adapter(key), value)


@cache
def _adapters_adapter(key: str) -> TypeAdapter[Any]:
    kind = adapter_type_of(key.removeprefix(f"{ADAPTER}."))
    return TypeAdapter(kind, config=ConfigDict(strict=True))


@cache
def _trainer_adapter(name: str) -> TypeAdapter[Any]:
    return TypeAdapter(trainer_type(name), config=ConfigDict(strict=True))


@cache
def _adapter(kind: type[BaseModel], name: str) -> TypeAdapter[Any]:
    field = kind.model_fields[name]
    kind_: Any = field.annotation
    whole: Any = Annotated[kind_, *field.metadata] if field.metadata else kind_
    return TypeAdapter(whole, config=ConfigDict(strict=True))
