"""What the page calls configurations.

Room: results. As the table's sentences do; but no two alike, as a reader picks one by its name.
"""

from collections.abc import Sequence

from freelb_tune.results.tables.contents.configuration import Configuration
from freelb_tune.results.tables.contents.table import Table
from freelb_tune.results.tables.formats.sentences import configuration_name

__all__ = ["configuration_names"]


def configuration_names(configs: Sequence[Configuration], table: Table) -> dict[str, str]:
    """What each is called, by id, no two alike: `adv_lr 0.1, batch size 16`, or `clean arm`."""
    found: dict[str, str] = {}
    taken: set[str] = set()
    for config in configs:
        name = configuration_name(config, table)
        name = name if name not in taken else f"{name} ({config.config_id[:4]})"
        taken.add(name)
        found[config.config_id] = name
    return found
