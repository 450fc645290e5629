"""Further labelled sets beside the dev set, `data.also`: files, AdvGLUE, and noise upon dev.

Room: space. The section's value in, typed settings by the sets' names out.
"""

import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from freelb_tune.space.problems import shown

__all__ = [
    "TEST",
    "AdvGlue",
    "Characters",
    "Further",
    "Kind",
    "Labelled",
    "check_also",
    "further_sets",
    "with_files",
]

Kind = Literal["insert", "delete", "swap", "case", "keyboard", "ocr"]
_KINDS: tuple[Kind, ...] = get_args(Kind)
TEST = "data.test"
"""Under this name what cells predict on `data.test` is kept, unscored; no set can be called so."""
_TAKEN = ("train", "dev", "test", "tokenizer")  # sets, and what stands beside them on disk
_ADVICE = (
    "a file's name, {file: FILE, labels: {theirs: ours}}, {builtin: characters, rate: 0.05} or "
    "{builtin: advglue, file: FILE}"
)
_NAMED = "a word for its set, such as hans"


class _Set(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, defer_build=True)


class Characters(_Set):
    """The dev set with mistakes in its characters, as people and scanners make them.

    Attributes:
        rate: the share of letters and digits that are changed.
        kinds: of changes; each is as likely as the others that a character has.
        seed: decides which characters. Not a training seed.
    """

    builtin: Literal["characters"]
    rate: Annotated[float, Field(gt=0, le=1)]
    kinds: Annotated[list[Kind], Field(min_length=1)] = list(_KINDS)
    seed: Annotated[int, Field(ge=0)] = 0


class AdvGlue(_Set):
    """AdvGLUE's sets of the task.

    Attributes:
        file: its dev_ann.json.
    """

    builtin: Literal["advglue"]
    file: Annotated[str, Field(min_length=1)]


_Word = Annotated[str, Field(min_length=1)]


class Labelled(_Set):
    """A file whose columns or labels are called otherwise than those of the task.

    Attributes:
        file: its name.
        text: the text column, or the two of a pair.
        label: the label's column.
        labels: the task's label for a label of the file; a list where the file has one label for
            several of the task's, as HANS has `non-entailment` (McCoy et al. 2019). A label that is
            not named is the task's own.
    """

    file: _Word
    text: _Word | Annotated[list[_Word], Field(min_length=1, max_length=2)] | None = None
    label: _Word | None = None
    labels: dict[_Word, _Word | Annotated[list[_Word], Field(min_length=1)]] | None = None


Further = str | Labelled | Characters | AdvGlue
"""A file's name, how it is to be read, or a set that comes with us."""

_BUILTINS: dict[str, type[Characters | AdvGlue]] = {"characters": Characters, "advglue": AdvGlue}


def check_also(also: dict[str, Any] | None) -> dict[str, Any] | None:
    """The section's value as it came.

    Raises:
        ValueError: what was expected at the first thing that is wrong.
    """
    if also is not None and not also:
        raise ValueError(f"one set or more by their names, each {_ADVICE}")
    further_sets(also)
    return also


def further_sets(also: Mapping[str, Any] | None) -> dict[str, Further]:
    """The sets by name.

    Raises:
        ValueError: as `check_also`.
    """
    return {name: _further(name, value) for name, value in (also or {}).items()}


def with_files(also: Any, change: Callable[[str], Any]) -> Any:
    """The section's value with every file's name changed; what is not understood stays."""
    if not isinstance(also, dict):
        return also
    return {name: _with_file(value, change) for name, value in also.items()}


def _with_file(value: Any, change: Callable[[str], Any]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict) and isinstance(value.get("file"), str):
        return {**value, "file": change(value["file"])}
    return value


def _further(name: Any, value: Any) -> Further:
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name):
        raise ValueError(f"{_NAMED}, of letters, digits and _, in place of {name!r}")
    if name in _TAKEN:
        raise ValueError(f"{_NAMED}, in place of {name}, which is taken")
    if isinstance(value, str) and value:
        return value
    kind: type[Labelled | Characters | AdvGlue] | None = None
    if isinstance(value, dict):
        named = "builtin" in value or "file" not in value
        kind = _BUILTINS.get(str(value.get("builtin"))) if named else Labelled
    if kind is None:
        raise ValueError(f"under {name} {_ADVICE}, got {shown(value)}")
    try:
        found: Further = TypeAdapter(kind).validate_python(value)
        return found
    except ValidationError as err:
        first = err.errors()[0]
        place = ".".join(map(str, (name, *first["loc"])))
        got = "nothing" if first["type"] == "missing" else shown(first["input"])
        raise ValueError(f"{_wrong(place, first['type'], kind)}, got {got}") from err


def _wrong(place: str, what: str, kind: type[BaseModel]) -> str:
    """What was expected of a set's setting."""
    if what == "extra_forbidden":
        return f"under {place.rpartition('.')[0]} nothing but {', '.join(kind.model_fields)}"
    setting = place.split(".")[1]
    wanted = {
        "rate": "a number above 0, at most 1 (0 would be the dev set again)",
        "kinds": f"a list of {', '.join(_KINDS)}",
        "seed": "a whole number, 0 or more",
        "file": "a file's name" if kind is Labelled else "the name of AdvGLUE's dev_ann.json",
        "text": "a column's name, or a list of two",
        "label": "a column's name",
        "labels": "the task's label for each of the file's, or a list of several",
    }
    return f"under {place.partition('.')[0]}.{setting} {wanted[setting]}"
