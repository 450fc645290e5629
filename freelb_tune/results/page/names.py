"""Which settings the page shows beside each configuration, and what configurations are called.

Room: results. A table shows the settings that its space asked for; the page those that vary, as
what is the same everywhere stands once.
"""

from collections.abc import Sequence

from freelb_tune.results.tables.axes import settings_text, shown
from freelb_tune.results.tables.configuration import Configuration
from freelb_tune.results.tables.table import Table

__all__ = ["configuration_names", "configurations_of", "swept"]


def configurations_of(table: Table) -> list[Configuration]:
    """Every configuration once: by rank, then clean arms that do not stand there."""
    every = [each.entry.config for each in table.ranking]
    known = {config.config_id for config in every}
    return [*every, *(config for config in table.clean if config.config_id not in known)]


def swept(table: Table) -> list[str]:
    """Dotted names of the settings that tell configurations apart; one where none does."""
    names = [*table.rank_names, *table.layout.tied]
    every = configurations_of(table)
    tried = [config for config in every if config.arm != "clean"] or every
    varied = [name for name in names if len({shown(each, name).text for each in tried}) > 1]
    return varied or names[:1]


def configuration_names(configs: Sequence[Configuration], table: Table) -> dict[str, str]:
    """What each is called, by id, no two alike: `adv_lr 0.1, batch size 16`, or `clean arm`."""
    names = swept(table)
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
