"""Configurations against their clean arms on further evaluation sets, as one family of tests.

Room: results. Arms by set in, comparisons out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

from freelb_tune.results.statistics.comparing.arms import Arm
from freelb_tune.results.statistics.comparing.comparison import Comparison
from freelb_tune.results.statistics.comparing.contrast import Contrast, adjusted, unadjusted
from freelb_tune.results.statistics.numbers.spending import share_of

__all__ = ["compare_sets"]


def compare_sets(
    dev: Sequence[Arm],
    sets: Mapping[str, Sequence[Arm]],
    metric: str,
    better: Literal["higher", "lower"],
    look: int,
) -> dict[tuple[str, str], Comparison]:
    """Compare every configuration on every set; p values are adjusted over all of them, by Holm.

    So that whoever picks one configuration, by whatever, may read its p on each set. A run has
    collapsed where it has on the dev set: to be below chance on an adversarial set is no accident.

    Args:
        dev: the arms with their runs on the dev set.
        sets: the same arms on each further set.
        metric: what is compared.
        better: which way it counts.
        look: which look at these results this is.

    Returns:
        By set and configuration.

    Raises:
        FreeLBTuneError: as `contrasts`.
    """
    made: list[Contrast] = []
    dealt: list[float] = []
    names: list[str] = []
    overlaps = {arm.config_id: arm.overlap for arm in dev}
    for name, arms in sets.items():
        # what folds share is told by their own examples, however large a further set is
        arms = [replace(arm, overlap=overlaps.get(arm.config_id, 0.0)) for arm in arms]
        found, p = unadjusted(arms, metric, better, dev=dev)
        made += found
        dealt += [min(1.0, each * len(sets)) for each in p]
        names += [name] * len(found)
    done = adjusted(made, dealt, share_of(look))
    return {
        (name, one.comparison.config_id): one.comparison
        for name, one in zip(names, done, strict=True)
    }
