"""A YAML file as plain values with their lines, and the command line's overrides on top.

Room: space. YAML 1.2 (`1e-5` is a number, `no` is text), loaded without running anything.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from freelb_tune.errors import FreeLBTuneError

__all__ = ["Document", "read_document", "to_yaml"]


@dataclass
class Document:
    """What a file and its overrides say.

    Attributes:
        path: the file.
        content: plain mappings, lists and values.
        places: the line of each dotted key, or the override that set it.
    """

    path: Path
    content: dict[str, Any]
    places: dict[str, int | str]


def read_document(path: Path, overrides: Sequence[str]) -> Document:
    """Read a file and lay overrides over it.

    Raises:
        FreeLBTuneError: the file is not there, is no YAML or no mapping, or an override is not
            `key=value`.
    """
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError as err:
        near = ", ".join(sorted(str(p) for p in path.parent.glob("*.y*ml"))[:6])
        raise FreeLBTuneError(
            f"{path}: there is no such file" + (f"; beside it: {near}" if near else "")
        ) from err
    except (OSError, UnicodeDecodeError) as err:
        raise FreeLBTuneError(f"{path}: cannot be read as UTF-8 text: {err}") from err
    tree = _parse(text, str(path))
    if not isinstance(tree, CommentedMap):
        raise FreeLBTuneError(
            f"{path}: a search space is a mapping that begins with task: and model:, "
            f"got {'nothing' if tree is None else type(tree).__name__}"
        )
    places: dict[str, int | str] = {}
    _note_lines(tree, "", places)
    document = Document(path, _plain(tree), places)
    for override in overrides:
        _lay_over(document, override)
    return document


def to_yaml(content: dict[str, Any]) -> str:
    """Plain values as YAML that `read_document` reads back alike."""
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = None
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    yaml.width = 100
    out = StringIO()
    yaml.dump(content, out)
    return out.getvalue()


def _parse(text: str, where: str) -> Any:
    try:
        return YAML(typ="rt", pure=True).load(text)
    except DuplicateKeyError as err:
        line = err.problem_mark.line + 1 if err.problem_mark else 0
        raise FreeLBTuneError(f"{where}: line {line}: the same key stands twice") from err
    except MarkedYAMLError as err:
        line = err.problem_mark.line + 1 if err.problem_mark else 0
        raise FreeLBTuneError(
            f"{where}: line {line}: not YAML: {err.problem or err.context}; "
            "check indentation, colons and brackets there"
        ) from err
    except YAMLError as err:
        raise FreeLBTuneError(f"{where}: not YAML: {err}") from err


def _note_lines(tree: Any, prefix: str, places: dict[str, int | str]) -> None:
    if isinstance(tree, CommentedMap):
        for key, value in tree.items():
            name = f"{prefix}{key}"
            places[name] = tree.lc.key(key)[0] + 1
            _note_lines(value, f"{name}.", places)
    elif isinstance(tree, CommentedSeq):
        for index, value in enumerate(tree):
            places[f"{prefix}{index}"] = tree.lc.item(index)[0] + 1
            _note_lines(value, f"{prefix}{index}.", places)


def _plain(value: Any) -> Any:
    """ruamel's values as Python's own."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if value is None or isinstance(value, bool):
        return value
    for kind in (int, float, str):
        if isinstance(value, kind):
            return kind(value)
    return str(value)  # a date: no setting is one, and the message will show it as text


def _lay_over(document: Document, override: str) -> None:
    key, equals, text = override.partition("=")
    key = key.strip()
    if not equals or not key:
        raise FreeLBTuneError(
            f"override {override!r}: write key=value, such as adversary.adv_lr=0.03"
        )
    value = _plain(_parse(text, f"override {override!r}"))
    place: dict[str, Any] = document.content
    *sections, last = key.split(".")
    for section in sections:
        inner = place.get(section)
        if isinstance(inner, str) and section == "model":
            inner = {"name": inner}
        if inner is None:
            inner = {}
        if not isinstance(inner, dict):
            raise FreeLBTuneError(f"override {override!r}: {section} holds a value, not settings")
        place[section] = inner
        place = inner
    place[last] = value
    for known in [k for k in document.places if k == key or k.startswith(f"{key}.")]:
        del document.places[known]
    document.places[key] = f"override {override!r}"
