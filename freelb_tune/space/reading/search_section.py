"""How a file says that its space is searched: the section `search`, read as its algorithm's own.

Room: space.
"""

from typing import Any

from freelb_tune.errors import unknown_name
from freelb_tune.space.checking.checks import read_section
from freelb_tune.space.checking.meant import section_value, unknown_setting
from freelb_tune.space.problems import Problems, shown
from freelb_tune.space.settings.algorithms import (
    ALGORITHMS,
    SAMPLERS,
    AlgorithmSettings,
    GridSettings,
    RandomSettings,
)

__all__ = ["read_search"]

_GONE = {"mode": "is not read any more: a metric knows which way is better; take it out"}
"""What earlier versions read."""


def read_search(content: dict[str, Any], problems: Problems) -> AlgorithmSettings:
    """The settings of the algorithm that `search.algorithm` names; a grid where it says nothing.

    Args:
        content: the file, its other shorthands spelt out; `algorithm: tpe` is, here.
        problems: takes down what is wrong; the settings are of use only where nothing is.
    """
    given = content.get("search") or {}
    if not isinstance(given, dict):
        problems.add(
            "search", f"expected a mapping, got {shown(given)}{section_value('search', given)}"
        )
        return GridSettings()
    name = given.get("algorithm", "grid")
    if name in SAMPLERS and given.get("sampler", name) == name:
        given = content["search"] = {**given, "algorithm": "random", "sampler": name}
        name = "random"
    known = ALGORITHMS.get(name) if isinstance(name, str) else None
    kind = known or RandomSettings  # one that may draw, so that nothing more is said than is wrong
    if known is None:
        hint = _no_such(name) if isinstance(name, str) else ""
        problems.add("search.algorithm", hint or f"expected an algorithm's name, got {shown(name)}")
    own = {}
    for key, value in given.items():
        if key in kind.model_fields and (known or key != "algorithm"):
            own[key] = value
        elif known or not _readers(key):
            problems.add(f"search.{key}", _why_not(key, kind))
    settings = read_section({"search": own}, "search", kind, problems)
    for setting, message in settings.problems():
        problems.add(f"search.{setting}", message)
    trainer = content.get("trainer")
    if settings.epochs and isinstance(trainer, dict) and "num_train_epochs" in trainer:
        problems.add("search.epochs", "trainer.num_train_epochs says the same; take one out")
    if settings.epochs and isinstance(trainer, dict) and "max_steps" in trainer:
        problems.add("search.epochs", "trainer.max_steps says how long a cell trains; take one out")
    return settings


def _no_such(name: str) -> str:
    """That there is no such algorithm, and what there is."""
    if name.lower() in ("pbt", "pb2", "population_based_training"):
        return (
            f"there is no {name!r}: it changes settings inside a trial, and a cell keeps its own; "
            "ft.trainable brings a cell under Ray's PopulationBasedTraining (docs/python.md)"
        )
    return unknown_name(name, [*ALGORITHMS, *SAMPLERS])


def _readers(key: str) -> list[str]:
    """The algorithms that have such a setting."""
    return sorted(name for name, kind in ALGORITHMS.items() if key in kind.model_fields)


def _why_not(key: str, kind: type[AlgorithmSettings]) -> str:
    """Why an algorithm has no such setting."""
    readers = _readers(key)
    if readers:
        name = kind.model_fields["algorithm"].default
        return f"{name} does not read it; take it out (it is read by {', '.join(readers)})"
    return _GONE.get(key) or unknown_setting(key, kind.model_fields, "search")
