"""A YAML file or a mapping as plain values with their places, and overrides on top.

Room: space. YAML 1.2 (`1e-5` is a number, `no` is text), loaded without running anything.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from io import StringIO
from pathlib import Path, PurePath
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq, TaggedScalar
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.scalarint import ScalarInt

from freelb_tune.errors import FreeLBTuneError
from freelb_tune.space.checking.meant import broken_text

__all__ = ["GIVEN", "Document", "document_of", "read_document", "to_yaml"]

GIVEN = "the space given"
"""What messages call a mapping, which has no file's name."""

_DEEPEST = 30
_MOST = 300_000
_LONGEST_KEY = 60  # characters of one that a message quotes


@dataclass
class Document:
    """What a file, or a mapping, and its overrides say.

    Attributes:
        source: the file, as messages name it.
        name: what the search is called where it does not say.
        content: plain mappings, lists and values.
        places: the line of each dotted key, or the override that set it.
        traps: what YAML readers disagree on, or what no setting can be, as (key, message).
        several: how several values are tried where one stands, `{}` for them as a grid.
    """

    source: str
    name: str
    content: dict[str, Any] = field(default_factory=dict)
    places: dict[str, int | str] = field(default_factory=dict)
    traps: list[tuple[str, str]] = field(default_factory=list)
    several: str = "to try each, write {}"


def read_document(path: Path, overrides: Sequence[str]) -> Document:
    """Read a file and lay overrides over it.

    Raises:
        FreeLBTuneError: the file is not there, is no YAML or no mapping, or an override is not
            `key=value`.
    """
    tree = _parse(_read(path), str(path))
    document = _document(Document(str(path), path.stem), tree)  # bounds what comes next
    _note_lines(tree, "", document.places)
    return _laid_over(document, overrides)


def document_of(content: Mapping[str, Any], overrides: Sequence[str] = ()) -> Document:
    """What a mapping says that has a file's keys, with overrides laid over it.

    Tuples are lists here, paths are text, and numpy's numbers and arrays are Python's. A search
    without a name is called as its task is.

    Raises:
        FreeLBTuneError: it is no mapping, or an override is not `key=value`.
    """
    name = content.get("task") if isinstance(content, Mapping) else None
    document = _document(Document(GIVEN, str(name or "search")), content)
    return _laid_over(document, overrides)


def _laid_over(document: Document, overrides: Sequence[str]) -> Document:
    """The document with overrides laid over it; a text alone is one."""
    for override in [overrides] if isinstance(overrides, str) else overrides:
        _lay_over(document, override)
    return document


def _document(document: Document, tree: Any) -> Document:
    if not isinstance(tree, Mapping):
        raise FreeLBTuneError(
            f"{document.source}: a search space is a mapping that begins with task: and model:, "
            f"got {'nothing' if tree is None else _kind(tree)}"
        )
    document.content = _Plain(document.source, document.traps).of(tree, "")
    return document


def to_yaml(content: dict[str, Any]) -> str:
    """Plain values as YAML that `read_document` reads back alike."""
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = None
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    yaml.width = 100
    yaml.representer.ignore_aliases = lambda *_: True
    out = StringIO()
    yaml.dump(content, out)
    return out.getvalue()


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except FileNotFoundError as err:
        near = ", ".join(sorted(str(p) for p in path.parent.glob("*.y*ml"))[:6])
        raise FreeLBTuneError(
            f"{path}: there is no such file" + (f"; beside it: {near}" if near else "")
        ) from err
    except OSError as err:
        raise FreeLBTuneError(f"{path}: cannot be read: {err.strerror or err}") from err
    except UnicodeDecodeError as err:
        raise FreeLBTuneError(f"{path}: cannot be read as UTF-8 text: {err}") from err


def _parse(text: str, where: str) -> Any:
    try:
        return YAML(typ="rt", pure=True).load(text)
    except DuplicateKeyError as err:
        key = str(err.problem).partition('"')[2].partition('"')[0]
        raise FreeLBTuneError(
            f"{where}: {_line(err)}the same key stands twice, {key!r}; take one out"
        ) from err
    except MarkedYAMLError as err:
        line = err.problem_mark.line + 1 if err.problem_mark else 1
        advice = broken_text(text, line, is_override=where.startswith("override"))
        raise FreeLBTuneError(
            f"{where}: {_line(err)}not YAML: {err.problem or err.context}; {advice}"
        ) from err
    except (YAMLError, ValueError, RecursionError) as err:  # ValueError: a date such as 2020-99-99
        raise FreeLBTuneError(f"{where}: not YAML: {str(err).splitlines()[0]}") from err


def _line(err: MarkedYAMLError) -> str:
    return f"line {err.problem_mark.line + 1}: " if err.problem_mark else ""


def _kind(tree: Any) -> str:
    return "a list" if isinstance(tree, list) else f"the single value {str(tree)[:40]!r}"


def _note_lines(tree: Any, prefix: str, places: dict[str, int | str]) -> None:
    if isinstance(tree, CommentedMap):
        for key, value in tree.items():
            name = f"{prefix}{key}"
            if key in (tree.lc.data or ()):  # not so for keys merged in by <<
                places[name] = tree.lc.key(key)[0] + 1
            _note_lines(value, f"{name}.", places)
    elif isinstance(tree, CommentedSeq):
        for index, value in enumerate(tree):
            if index in (tree.lc.data or ()):
                places[f"{prefix}{index}"] = tree.lc.item(index)[0] + 1
            if isinstance(value, CommentedMap | CommentedSeq):
                _note_lines(value, f"{prefix}{index}.", places)


class _Plain:
    """Makes values plain ones of Python, and notes what should have been written otherwise."""

    def __init__(self, where: str, traps: list[tuple[str, str]]) -> None:
        self._where, self._traps, self._count = where, traps, 0

    def of(self, value: Any, key: str, above: tuple[Any, ...] = ()) -> Any:
        """One value of the file, with all that is in it; `above` are those that it stands in."""
        self._count += 1
        if any(value is each for each in above):
            raise FreeLBTuneError(f"{self._where}: {key}: it contains itself; take it out")
        if len(above) > _DEEPEST or self._count > _MOST:
            raise FreeLBTuneError(
                f"{self._where}: {_cut(key)}: nested too deeply, or too large: at most {_DEEPEST} "
                f"deep and {_MOST:,} values"
            )
        above = (*above, value)
        inner = f"{key}." if key else ""
        value = _builtin(value)
        tag = getattr(value, "tag", None)
        if isinstance(value, CommentedMap | CommentedSeq) and tag is not None and tag.value:
            self._trap(key, f"tags such as {tag.value} are not read; take it out")
        if isinstance(value, dict):
            return {str(k): self.of(v, f"{inner}{k}", above) for k, v in value.items()}
        if isinstance(value, list):
            return [self.of(v, f"{inner}{i}", above) for i, v in enumerate(value)]
        return self._scalar(value, key)

    def _scalar(self, value: Any, key: str) -> Any:
        if value is None or isinstance(value, bool):
            return value
        if type(value) is ScalarInt and (zeros := _leading_zeros(value)):
            self._trap(
                key,
                f"{zeros}{int(value)} has a leading zero, which YAML readers take for octal, "
                f"text or {int(value)}; write {int(value)}",
            )
        if isinstance(value, float) and not math.isfinite(value):
            self._trap(key, f"expected a finite number, got {value}")
        for kind in (int, float, str):
            if isinstance(value, kind):
                return kind(value)
        if isinstance(value, TaggedScalar):
            self._trap(key, f"tags such as {value.tag.value} are not read; take it out")
        elif isinstance(value, date):
            self._trap(key, f"{value} is a date to YAML; put it in quotes to make it text")
        else:
            self._trap(key, f"an object of type {type(value).__name__} cannot be a setting")
        return str(value)

    def _trap(self, key: str, message: str) -> None:
        self._traps.append((key, message))


def _cut(key: str) -> str:
    return key if len(key) <= _LONGEST_KEY else f"{key[:_LONGEST_KEY]}..."


def _builtin(value: Any) -> Any:
    """What stands for a value that only Python can bring: a list, a mapping, a number or text."""
    if isinstance(value, dict | list | str) or value is None:
        return value
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, tuple | range):
        return list(value)
    if isinstance(value, PurePath):
        return str(value)
    listed = getattr(value, "tolist", None)  # numpy's arrays and numbers, pandas' columns
    return listed() if callable(listed) else value


def _leading_zeros(value: ScalarInt) -> str:
    width = getattr(value, "_width", None) or 0
    return "0" * (width - len(str(abs(int(value)))))


def _lay_over(document: Document, override: str) -> None:
    where = f"override {override!r}"
    key, equals, text = (part.strip() for part in override.partition("="))
    if not equals or not key or not all(key.split(".")):
        raise FreeLBTuneError(f"{where}: write key=value, such as adversary.adv_lr=0.03 (no space)")
    value = _Plain(where, document.traps).of(_parse(text, where), key)
    place: dict[str, Any] = document.content
    *sections, last = key.split(".")
    for section in sections:
        inner = place.get(section)
        if section == "model" and isinstance(inner, str):
            inner = {"name": inner}
        if inner is None:
            inner = {}
        if not isinstance(inner, dict):
            raise FreeLBTuneError(f"{where}: {section} holds a value, not settings")
        place[section] = inner
        place = inner
    place[last] = value
    for known in [k for k in document.places if k == key or k.startswith(f"{key}.")]:
        del document.places[known]
    document.places[key] = where
