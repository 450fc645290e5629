"""The looks at a results folder: which verdicts have been seen, and when the next one is due.

Room: store. A look is a completed verdict on cells that have not been looked at as they are now. A
search that has come to its planned end takes one, and the journal has it before anybody sees it; a
resume, a report, a killed run or the same command again is none.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from freelb_tune.space.algorithms import VerdictSettings
from freelb_tune.store.records import CellState

if TYPE_CHECKING:
    from freelb_tune.store.known import CellResult, Store

__all__ = ["Look", "cells_left", "look_number", "new_look", "with_look"]


_ROUNDS = ", in rounds at margin "


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
        if known and self.shown == other.shown and _ROUNDS in str(self.shown):
            return True  # one question, whose chance of a wrong answer covers all its rounds
        return self.cells == other.cells and (not known or self.shown == other.shown)


def _shown_by(space: Mapping[str, Any]) -> str:
    """Which numbers of its cells a space's table shows."""
    search, table = (space.get(name) or {} for name in ("search", "table"))
    shown = f"{search.get('metric')}, {table.get('select', 'best_epoch')}"
    if search.get("algorithm") == "verdict":
        shown += f"{_ROUNDS}{search.get('margin', VerdictSettings().margin):g}"
    return shown


def cells_left(store: "Store") -> int:
    """Cells that are still to come before the planned end; 0 where a limit has ended the search."""
    own = (each for each in store.cells if each.same_as is None)
    return 0 if store.end else sum(not each.state.is_over for each in own)


def look_number(store: "Store") -> int:
    """Which look a verdict on what is stored is, by order; one that was taken keeps its number."""
    now = _look(store.cells, _shown_by(store.space))
    for number, look in enumerate(store.looks, start=1):
        if look.is_same(now):
            return number
    return len(store.looks) + 1


def new_look(store: "Store") -> dict[str, Any] | None:
    """The facts of a `looked` event, if a verdict on what is stored is due and is a new one."""
    now = _look(store.cells, _shown_by(store.space))
    if cells_left(store) or not now.cells or look_number(store) <= len(store.looks):
        return None
    return {"look": len(store.looks) + 1, "cells": sorted(now.cells), "shown": now.shown}


def with_look(looks: Sequence[Look], cells: Iterable[str], shown: str | None) -> tuple[Look, ...]:
    """The looks with one more, if it is of something else than all of them."""
    now = Look(frozenset(cells), shown)
    if not now.cells or any(look.is_same(now) for look in looks):
        return tuple(looks)
    return (*looks, now)


def _look(cells: "Sequence[CellResult]", shown: str) -> Look:
    done = frozenset(each.cell.id for each in cells if each.state is CellState.DONE)
    return Look(done, shown)
