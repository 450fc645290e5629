"""References between a file's values: `${name}`.

Room: space. OmegaConf resolves those to plain values; one that stands alone and names a setting
stays, as that setting may be searched: it is then followed cell by cell.
"""

import re
from collections.abc import Iterator
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
        resolved = OmegaConf.to_container(OmegaConf.create(_kept(content)), resolve=True)
    except OmegaConfBaseException as err:
        key = str(getattr(err, "full_key", "") or texts[0][0])
        told = str(err).splitlines()[0]
        problems.add(key, f"{told}; a reference names another key of the file, as ${{name}} does")
        return content
    shown: dict[str, Any] = _given_back(resolved)
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


def _kept(value: Any) -> Any:
    """Hide from OmegaConf what is followed cell by cell."""
    if isinstance(value, dict):
        return {key: _kept(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_kept(item) for item in value]
    target = referred(value)
    return value if target is None else _KEPT + target


def _given_back(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _given_back(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_given_back(item) for item in value]
    if isinstance(value, str) and value.startswith(_KEPT):
        return f"${{{value.removeprefix(_KEPT)}}}"
    return value
