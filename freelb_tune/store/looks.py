"""The looks at a results folder: which verdicts have been seen, and when the next one is due.

Room: store. A look is a completed verdict on cells that have not been looked at as they are now. A
search that has come to its planned end takes one, and the journal has it before anybody sees it; a
resume, a report, a killed run, the same command again or a part of a plan is none.
"""

from collections.abc import Mapping
from typing import Any

from freelb_tune.space.settings.algorithms import VerdictSettings, settings_class
from freelb_tune.store.cells.records import CellState
from freelb_tune.store.journal.look import Look, Rounds
from freelb_tune.store.known import Store

__all__ = ["cells_left", "look_number", "new_look"]


def _shown_by(space: Mapping[str, Any]) -> str:
    """Which numbers of its cells a space's table shows."""
    search, table = (space.get(name) or {} for name in ("search", "table"))
    shown = f"{search.get('metric')}, {table.get('select', 'best_epoch')}"
    if settings_class(space).BY_ROUNDS:
        shown += f", in rounds at margin {search.get('margin', VerdictSettings().margin):g}"
    return shown


def cells_left(store: Store) -> int:
    """Cells that are still to come before the planned end; 0 where a limit has ended the search."""
    own = (each for each in store.cells if each.same_as is None)
    return 0 if store.end else sum(not each.state.is_over for each in own)


def look_number(store: Store) -> int:
    """Which look a verdict on what is stored is, by order; one that was taken keeps its number."""
    now = _look(store)
    for number, look in enumerate(store.looks, start=1):
        if look.is_same(now):
            return number
    return len(store.looks) + 1


def new_look(store: Store) -> dict[str, Any] | None:
    """The facts of a `looked` event, if a verdict on what is stored is due and is a new one."""
    now = _look(store)
    if store.shard or cells_left(store) or not now.cells or look_number(store) <= len(store.looks):
        return None
    return {"look": len(store.looks) + 1, **now.to_json()}


def _look(store: Store) -> Look:
    """A look at what is stored now."""
    done = frozenset(each.cell.id for each in store.cells if each.state is CellState.DONE)
    rounds = None
    if settings_class(store.space).BY_ROUNDS:
        cells = [each.cell for each in store.cells]
        seeds = dict.fromkeys(str(cell.block) for cell in cells)
        rounds = Rounds(frozenset(cell.config_id for cell in cells), tuple(seeds))
    return Look(done, _shown_by(store.space), rounds)
