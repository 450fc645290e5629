"""What a setting's value may be, and a name for a mapping of them.

Room: space.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

__all__ = ["Value", "digest"]

_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False)

Value = bool | int | float | str | None | list[Any] | dict[str, Any]


def digest(content: Mapping[str, Any]) -> str:
    """Name a mapping by its content: 12 hex digits over its sorted JSON."""
    return hashlib.sha256(_CANONICAL.encode(content).encode()).hexdigest()[:12]
