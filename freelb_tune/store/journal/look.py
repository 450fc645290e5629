"""A look at a results folder: what a verdict was of, and whether two are of the same numbers.

Room: store.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["Look", "Rounds", "with_look"]


@dataclass(frozen=True)
class Rounds:
    """What a search asks whose rounds of seeds are one look: a `verdict` search.

    Attributes:
        configurations: ids of those that are compared, clean arms among them.
        seeds: in the order in which they are added.
    """

    configurations: frozenset[str]
    seeds: tuple[str, ...]

    def is_same(self, other: "Rounds") -> bool:
        """Whether it is one question, of which one may have come further than the other.

        Other values, fewer values or other seeds are another one: its test begins anew, with a
        chance of its own to be wrong.
        """
        both = min(len(self.seeds), len(other.seeds))
        is_longer = self.seeds[:both] == other.seeds[:both]
        return is_longer and self.configurations == other.configurations

    def to_json(self) -> dict[str, list[str]]:
        """For the journal."""
        return {"configurations": sorted(self.configurations), "seeds": list(self.seeds)}

    @classmethod
    def from_json(cls, content: Mapping[str, Any] | None) -> "Rounds | None":
        """What the journal says; None for any other search."""
        if content is None:
            return None
        return cls(frozenset(content["configurations"]), tuple(content["seeds"]))


@dataclass(frozen=True)
class Look:
    """What a verdict was of.

    Attributes:
        cells: ids of the finished cells.
        shown: what their table shows of them, such as "accuracy, best_epoch"; None where the
            journal does not say, as in folders of format 1. A `verdict` search adds its margin.
        rounds: what such a search asks; None for any other.
    """

    cells: frozenset[str]
    shown: str | None
    rounds: Rounds | None = None

    def is_same(self, other: "Look") -> bool:
        """Whether both are of the same numbers."""
        if self.rounds is not None and other.rounds is not None:
            return self.shown == other.shown and self.rounds.is_same(other.rounds)
        known = None not in (self.shown, other.shown)
        return self.cells == other.cells and (not known or self.shown == other.shown)

    def to_json(self) -> dict[str, Any]:
        """For the journal."""
        facts: dict[str, Any] = {"cells": sorted(self.cells), "shown": self.shown}
        return facts if self.rounds is None else {**facts, "rounds": self.rounds.to_json()}


def with_look(looks: Sequence[Look], now: Look) -> tuple[Look, ...]:
    """The looks with one more, if it is of something else than all of them."""
    if not now.cells or any(look.is_same(now) for look in looks):
        return tuple(looks)
    return (*looks, now)
