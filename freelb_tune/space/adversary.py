"""The name that `space/settings/adversaries.py` had in 0.1.0; it goes in 0.3.0.

Room: space. A plugin that was written for 0.1.0 imports from here, and an edit would change its
cells' ids.
"""

import warnings
from typing import Any

from freelb_tune.space.settings import adversaries
from freelb_tune.space.settings.adversaries import __all__ as __all__

warnings.warn(
    "freelb_tune.space.adversary goes in 0.3.0: write `from freelb_tune import FreeLBSettings` for "
    "a method's settings, and freelb_tune.space.settings.adversaries for ADVERSARIES",
    DeprecationWarning,
    stacklevel=2,
)


def __getattr__(name: str) -> Any:
    return getattr(adversaries, name)
