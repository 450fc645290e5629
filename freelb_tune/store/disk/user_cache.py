"""Where this user's files on this machine are that any search may use again.

Room: store.
"""

import os
from pathlib import Path

__all__ = ["user_cache"]


def user_cache() -> Path:
    """Where this user's prepared data is kept unless somebody says otherwise."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home).resolve() / "freelb-tune"
