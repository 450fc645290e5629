"""What Python code has registered: its name is free, its code is named, it reaches the workers.

Room: space. Adversaries, algorithms and tasks each have a `register` of their own, which uses this.
"""

import hashlib
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import CodeType
from typing import Any

from freelb_tune.errors import FreeLBTuneError

__all__ = ["REGISTERED", "REGISTRIES", "Registered", "check_new", "code_of", "name_of", "or_undone"]

_OURS = "freelb_tune."


@dataclass(frozen=True)
class Registered:
    """Something registered, as it travels to a worker that cannot load the module it came from.

    Attributes:
        again: makes it known there; None where only the driver asks for it.
        parts: what `again` is called with.
    """

    again: Callable[..., None] | None = None
    parts: tuple[Any, ...] = ()


REGISTERED: list[Registered] = []
"""What the user's own program has registered; plugins, which workers load themselves, are not
here."""

REGISTRIES: list[dict[str, Any]] = []
"""Every mapping by name that a `register` writes in."""


@contextmanager
def or_undone() -> Iterator[None]:
    """Take back what is registered in here if it ends by an exception."""
    before, listed = [(each, dict(each)) for each in REGISTRIES], list(REGISTERED)
    try:
        yield
    except BaseException:
        for registry, content in before:
            registry.clear()
            registry.update(content)
        REGISTERED[:] = listed
        raise


def name_of(settings: type, field: str) -> str:
    """The name that a settings class gives itself, as the default of one of its fields.

    Raises:
        FreeLBTuneError: it gives none.
    """
    settings.model_rebuild(raise_errors=False)  # type: ignore[attr-defined]  # ours are built late
    name = settings.model_fields[field].default  # type: ignore[attr-defined]  # pydantic's
    if not isinstance(name, str) or not name:
        raise FreeLBTuneError(
            f"{_place(settings)} does not name its {field}; write  {field}: Literal['mine'] = "
            "'mine'"
        )
    return name


def check_new(kind: str, name: str, new: tuple[type, Any], known: tuple[type | None, Any]) -> None:
    """Refuse a name that others have, and settings that cannot all be left out.

    The same settings and behaviour may come again; a notebook may define its own again.

    Args:
        kind: what is registered, as a user calls it.
        name: its name.
        new: its settings class and its behaviour.
        known: the same of what has this name, or None for both.

    Raises:
        FreeLBTuneError: the name is taken, or a setting has no default.
    """
    (settings, behaviour), (old, old_behaviour) = new, known
    if old is not None and not _is_again(settings, behaviour, old, old_behaviour):
        other = ", with another behaviour" if old is settings else ""
        raise FreeLBTuneError(
            f"{_place(settings)}: the {kind} {name!r} is {_place(old)} already{other}; choose "
            "another name"
        )
    fields = settings.model_fields.items()  # type: ignore[attr-defined]  # pydantic's
    for field, about in fields:
        if about.is_required():
            raise FreeLBTuneError(
                f"{_place(settings)}: the setting {field!r} has no default; give it one, as a "
                "search space may leave any setting out"
            )


def _is_again(settings: type, behaviour: Any, old: type, old_behaviour: Any) -> bool:
    """Whether it is the same once more, or what a notebook has defined anew."""
    if old.__module__.startswith(_OURS):
        return False
    if old is settings:
        return behaviour is old_behaviour or _file(behaviour) is None
    return _place(old) == _place(settings) and _file(settings) is None


def code_of(*parts: Any) -> str:
    """Name what these do by their code: it stands in the ids of cells that use them.

    The bytes of the files that define them, whose imports are not looked at; where there is no
    file, as in a notebook, what their functions and fields say.
    """
    files = dict.fromkeys(_file(part) for part in parts)
    whole = hashlib.sha256()
    for file in filter(None, files):
        whole.update(Path(file).read_bytes())
    if None in files:
        said = [list(_said(part)) for part in parts if _file(part) is None]
        whole.update(json.dumps(said).encode())
    return f"code:{whole.hexdigest()[:16]}"


def _place(part: type) -> str:
    return f"{part.__module__}.{part.__qualname__}"


def _file(part: Any) -> str | None:
    return getattr(sys.modules.get(str(getattr(part, "__module__", ""))), "__file__", None)


def _said(part: Any) -> Iterator[Any]:
    """What a class with its bases of the same module, or a function, says, whatever its place."""
    bases = part.__mro__ if isinstance(part, type) else [part]
    for base in (each for each in bases if each.__module__ == part.__module__):
        if hasattr(base, "model_json_schema"):
            yield base.model_json_schema()
        functions = vars(base).values() if isinstance(base, type) else [base]
        for value in functions:
            inner = getattr(value, "__func__", getattr(value, "fget", value))
            code = getattr(inner, "__code__", None)
            if isinstance(code, CodeType):
                yield _plain(code)


def _plain(constant: Any) -> Any:
    """Code as plain values, without the lines that it stands on."""
    if isinstance(constant, CodeType):
        inner = [_plain(each) for each in constant.co_consts]
        return [constant.co_code.hex(), constant.co_names, constant.co_varnames, inner]
    return sorted(map(repr, constant)) if isinstance(constant, frozenset) else repr(constant)
