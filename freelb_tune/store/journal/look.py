"""A look at a results folder: what a verdict was of, and whether two are of the same numbers.

Room: store.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

__all__ = ["ROUNDS", "Look", "with_look"]

ROUNDS = ", in rounds at margin "
"""In `Look.shown`: before the margin of a search that looks many times for one answer."""


@dataclass(frozen=True)
class Look:
    """What a verdict was of.

    Attributes:
        cells: ids of the finished cells.
        shown: what their table shows of them, such as "accuracy, best_epoch"; None where the
            journal does not say, as in folders of format 1. A `verdict` search adds its margin.
    """

    cells: frozenset[str]
    shown: str | None

    def is_same(self, other: "Look") -> bool:
        """Whether both are of the same numbers."""
        known = None not in (self.shown, other.shown)
        if known and self.shown == other.shown and ROUNDS in str(self.shown):
            return True  # one question, whose chance of a wrong answer covers all its rounds
        return self.cells == other.cells and (not known or self.shown == other.shown)


def with_look(looks: Sequence[Look], cells: Iterable[str], shown: str | None) -> tuple[Look, ...]:
    """The looks with one more, if it is of something else than all of them."""
    now = Look(frozenset(cells), shown)
    if not now.cells or any(look.is_same(now) for look in looks):
        return tuple(looks)
    return (*looks, now)
