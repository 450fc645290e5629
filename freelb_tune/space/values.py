"""What a setting's value may be, and a name for a mapping of them.

Room: space.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

__all__ = ["Value", "digest", "folder_name"]

_LONGEST_NAME = 200  # bytes; a file system takes 255, and a folder that is set aside gets a date
_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False)

Value = bool | int | float | str | None | list[Any] | dict[str, Any]


def digest(content: Mapping[str, Any]) -> str:
    """Name a mapping by its content: 12 hex digits over its sorted JSON."""
    return hashlib.sha256(_CANONICAL.encode(content).encode()).hexdigest()[:12]


def folder_name(name: str) -> str:
    """A search's name, which its results folder has too: no path, and none that is hidden.

    Raises:
        ValueError: it cannot be one; says what was expected.
    """
    if not re.fullmatch(r"\w[\w.+-]*", name):
        raise ValueError("a name for a folder, of letters, digits and . _ + -")
    if len(name.encode()) > _LONGEST_NAME:
        raise ValueError(f"at most {_LONGEST_NAME} bytes")
    return name
