"""What the page calls configurations.

Room: results. A table shows the settings that its space asked for; the page those that vary, as
what is the same everywhere stands once.
"""

from collections.abc import Sequence

from freelb_tune.results.tables.contents.axes import settings_text
from freelb_tune.results.tables.contents.configuration import Configuration
from freelb_tune.results.tables.contents.table import Table

__all__ = ["configuration_names"]


def configuration_names(configs: Sequence[Configuration], table: Table) -> dict[str, str]:
    """What each is called, by id, no two alike: `adv_lr 0.1, batch size 16`, or `clean arm`."""
    names = table.swept
    found: dict[str, str] = {}
    taken: set[str] = set()
    for config in configs:
        start = ["clean arm"] if config.arm == "clean" else []
        said = settings_text(config, names)
        name = ", ".join([*start, *([said] if said else [])]) or "the adversarial arm"
        name = name if name not in taken else f"{name} ({config.config_id[:4]})"
        taken.add(name)
        found[config.config_id] = name
    return found
