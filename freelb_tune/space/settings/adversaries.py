"""What a user may say about an adversary: one settings class per method, checked at the door.

Room: space. Text and numbers only, no torch: the methods themselves live in `adversary/`. Hands on
the classes of `adversary_bases`, `attacks` and `controls`, which plugins import from here.
"""

from freelb_tune.space.registered import REGISTRIES
from freelb_tune.space.settings import adversary_bases, attacks, controls
from freelb_tune.space.settings.adversary_bases import *  # noqa: F403
from freelb_tune.space.settings.adversary_bases import AdversarySettings
from freelb_tune.space.settings.attacks import *  # noqa: F403
from freelb_tune.space.settings.controls import *  # noqa: F403

__all__ = ["ADVERSARIES", "DEFAULT_METHOD"]
__all__ += adversary_bases.__all__
__all__ += attacks.__all__
__all__ += controls.__all__

ADVERSARIES: dict[str, type[AdversarySettings]] = {**attacks.ATTACKS, **controls.CONTROLS}
"""Every method's settings by name: what `adversary.method` may say. Plugins add theirs."""

DEFAULT_METHOD = "freelb"
"""What a space has that does not say `adversary.method`."""

PLUGINS: dict[str, str] = {}
"""Fingerprint of the code of each method that a plugin added: a part of its cells' ids."""

REGISTRIES += [ADVERSARIES, PLUGINS]
