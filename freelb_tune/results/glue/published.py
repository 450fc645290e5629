"""Published GLUE figures, packaged with their statistic and where each was read.

Room: results. `published.json` in, records out. Figures are percent, as printed in their source.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

__all__ = ["UNSTATED", "Figure", "figures_for", "short_model"]

UNSTATED = "unstated"
"""In place of a metric's name: the source does not say on which of a task's evaluation sets."""


@dataclass(frozen=True)
class Figure:
    """One published row.

    Attributes:
        model: as its source calls it.
        matches: names of models that it is shown beside, without their owner.
        method: as its source calls it.
        adversary: our name of the method; "none" for the clean arm.
        statistic: over which runs, such as "median of 5"; "not stated" where it is not.
        note: what else to know; None for nothing.
        source: where it was read.
        scores: percent by our task and metric names.
    """

    model: str
    matches: tuple[str, ...]
    method: str
    adversary: str
    statistic: str
    note: str | None
    source: str
    scores: Mapping[str, Mapping[str, float]]


def short_model(name: str) -> str:
    """A model's name without its owner or folder: `roberta-base` for `FacebookAI/roberta-base`.

    One of a package is called by the package: `mine` for `package:mine/model`.
    """
    if name.startswith("package:"):
        return name.removeprefix("package:").partition("/")[0]
    return name.rstrip("/").rpartition("/")[2] or name


def figures_for(model: str) -> tuple[Figure, ...]:
    """The figures of a model, by its name alone; none where nothing of it was published here."""
    name = short_model(model).lower()
    return tuple(figure for figure in _figures() if name in figure.matches)


@cache
def _figures() -> tuple[Figure, ...]:
    content = json.loads((files(__package__) / "published.json").read_text("utf-8"))
    return tuple(
        Figure(
            **{
                **each,
                "matches": tuple(each["matches"]),
                "source": content["sources"][each["source"]],
            }
        )
        for each in content["figures"]
    )
