"""Configurations that are one and the same model: what the verdict and the footer say of them.

Room: results. Two that were known to train the same beforehand are one contender: the statistics
see one, and the other is given its comparison. Two that turned out to predict the same are named.
"""

from collections.abc import Sequence
from dataclasses import replace

from freelb_tune.results.statistics.comparing.arms import Arm
from freelb_tune.results.statistics.comparing.comparison import Comparison, Verdict
from freelb_tune.results.tables.contents.configuration import Configuration
from freelb_tune.results.tables.contents.table import Table
from freelb_tune.space.cells.naming import differing, short_name

__all__ = ["contenders", "identical_predictions", "with_twins"]

_NAMED = 5  # groups that the footer names


def contenders(table: Table) -> list[Configuration]:
    """What is compared, clean arms first; one that trains the same as another is that one."""
    tried = _configs(table)
    known = {config.config_id for config in tried}
    clean = [config for config in table.clean if config.config_id not in known]
    return [*clean, *(config for config in tried if not config.same_as)]


def with_twins(verdict: Verdict, table: Table) -> Verdict:
    """A verdict with the comparisons of configurations that train the same as another."""
    known = {each.config_id: each for each in verdict.comparisons}
    if not known:
        return verdict
    made = []
    for config in _configs(table):
        if config.same_as is None or config.clean_id is None:
            continue
        first = known.get(config.same_as)
        if first is not None:
            made.append(replace(first, config_id=config.config_id))
        elif config.same_as == config.clean_id:
            same = "trains the same as its clean arm"
            ids = config.config_id, config.clean_id
            made.append(Comparison(*ids, config.finished, 0.0, note=same))
    better = verdict.better | {each.config_id for each in made if each.better}
    return replace(verdict, comparisons=(*verdict.comparisons, *made), better=better)


def identical_predictions(arms: Sequence[Arm], table: Table) -> list[str]:
    """Name the configurations whose every logit is the same, with what tells them apart.

    Those that agree with their clean arm are named by the verdict.
    """
    groups: dict[bytes, list[Arm]] = {}
    for arm in arms:
        runs = sorted(arm.runs, key=lambda run: run.block)
        logits = [run.logits.tobytes() for run in runs if run.logits is not None]
        if runs and len(logits) == len(runs) and not arm.is_clean:
            blocks = str([run.block for run in runs]).encode()
            groups.setdefault(b"".join([blocks, *logits]), []).append(arm)
    configs = {config.config_id: config for config in _configs(table)}
    notes = []
    for group in (group for group in groups.values() if len(group) > 1):
        apart = differing(configs[arm.config_id].settings for arm in group)
        names = " and ".join(short_name(name) for name in apart) or "their data or weights"
        notes.append(
            f"Identical in every prediction: {'; '.join(arm.name for arm in group)}. They differ "
            f"in {names} alone, which did nothing here."
        )
    return notes[:_NAMED]


def _configs(table: Table) -> list[Configuration]:
    return [entry.config for row in table.rows for entry in row.entries if entry]
