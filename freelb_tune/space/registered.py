"""What Python code has registered: its name is free, its code is named, it reaches the workers.

Room: space. Adversaries, algorithms and tasks each have a `register` of their own, which uses this.
"""

import hashlib
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import CodeType
from typing import Any

from freelb_tune.errors import FreeLBTuneError

__all__ = ["REGISTERED", "Registered", "check_free", "code_of", "name_of"]


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


def check_free(kind: str, name: str, new: type, known: type | None) -> None:
    """Refuse a name that another class has; a notebook may define its own class again.

    Raises:
        FreeLBTuneError: it is taken.
    """
    if known is None or known is new:
        return
    if _place(known) == _place(new) and _file(new) is None:
        return
    raise FreeLBTuneError(
        f"{_place(new)}: the {kind} {name!r} is {_place(known)} already; choose another name"
    )


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
