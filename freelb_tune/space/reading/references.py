"""References between a file's values: `${name}`.

Room: space. OmegaConf resolves those to plain values; one that stands alone and names a setting
stays, as that setting may be searched: it is then followed cell by cell.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any

from freelb_tune.space.problems import Problems
from freelb_tune.space.settings.sections import SEARCHED

__all__ = ["referred", "resolve"]

_ALONE = re.compile(rf"^\$\{{((?:{'|'.join(SEARCHED)})\.[\w.]+)\}}$")
_WITHIN = re.compile(rf"\$\{{((?:{'|'.join(SEARCHED)})(?:\.[\w.]+)?)\}}")
_KEPT = "\0reference "  # no text of a YAML file can begin with this


def referred(value: Any) -> str | None:
    """The setting that a value refers to, or None if it is no reference."""
    found = _ALONE.match(value) if isinstance(value, str) else None
    return found[1] if found else None


def resolve(content: dict[str, Any], problems: Problems) -> dict[str, Any]:
    """The content with every reference resolved but those that are followed cell by cell.

    Args:
        content: plain values.
        problems: takes down references that lead nowhere; the content then comes back as it was.
    """
    texts = [(key, text) for key, text in _texts(content, "") if "${" in text]
    if not texts:
        return content
    for key, text in texts:
        if referred(text) is None and (found := _WITHIN.search(text)):
            problems.add(
                key,
                f"{found[0]} stands inside text or names a whole section; a reference to a "
                "setting stands alone, as ${adversary.init_mag} does",
            )
            return content
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    try:
        resolved = OmegaConf.to_container(OmegaConf.create(_changed(content, _kept)), resolve=True)
    except OmegaConfBaseException as err:
        key = str(getattr(err, "full_key", "") or texts[0][0])
        told = str(err).splitlines()[0]
        problems.add(key, f"{told}; a reference names another key of the file, as ${{name}} does")
        return content
    shown: dict[str, Any] = _changed(resolved, _given_back)
    return shown


def _texts(value: Any, key: str) -> Iterator[tuple[str, str]]:
    inner = f"{key}." if key else ""
    if isinstance(value, dict):
        for name, item in value.items():
            yield from _texts(item, f"{inner}{name}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _texts(item, f"{inner}{index}")
    elif isinstance(value, str):
        yield key, value


def _changed(value: Any, change: Callable[[str], str]) -> Any:
    """A value with each of its texts as `change` gives it."""
    if isinstance(value, dict):
        return {key: _changed(item, change) for key, item in value.items()}
    if isinstance(value, list):
        return [_changed(item, change) for item in value]
    return change(value) if isinstance(value, str) else value


def _kept(text: str) -> str:
    """Hide from OmegaConf what is followed cell by cell."""
    target = referred(text)
    return text if target is None else _KEPT + target


def _given_back(text: str) -> str:
    return f"${{{text.removeprefix(_KEPT)}}}" if text.startswith(_KEPT) else text
