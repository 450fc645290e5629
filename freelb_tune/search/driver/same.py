"""Cells that train the same as another: one runs for both, and the other's record points to it.

Room: search, without Ray. `space.cells.twins` finds them. A clean arm runs itself. Else the first
in the plan runs, or another that has more of its seeds done.
"""

import json
from collections.abc import Mapping, Sequence

from freelb_tune.space import Cell, Plan
from freelb_tune.store import CellResult, CellState, Journal, cell_folder, write_whole

__all__ = ["Same", "journal_same", "same_cells"]

Same = Mapping[str, tuple[str, str]]
"""By a cell's id: the cell that runs for it, and why."""


def same_cells(plan: Plan, known: Mapping[str, CellResult]) -> Same:
    """The cells of a plan that another one runs for.

    Args:
        plan: its `twins` are configurations.
        known: what the results folder has; a cell that is over in its own right stays as it is.
    """
    configs: dict[str, list[Cell]] = {}
    for cell in plan.cells:
        configs.setdefault(cell.config_id, []).append(cell)
    groups: dict[str, list[str]] = {}
    for name, twin in plan.twins.items():
        groups.setdefault(twin.of, [twin.of]).append(name)
    same: dict[str, tuple[str, str]] = {}
    for first, names in groups.items():
        runs = first
        if configs[first][0].arm != "clean":  # a clean arm is compared with: it runs itself
            runs = max(names, key=lambda name: _done(configs[name], known))
        blocks = {cell.block: cell.id for cell in configs[runs]}
        for name in (name for name in names if name != runs):
            why = plan.twins[name if name in plan.twins else runs].why
            same |= {c.id: (blocks[c.block], why) for c in configs[name] if not _is_over(c, known)}
    return same


def journal_same(journal: Journal, same: Same, known: Mapping[str, CellResult]) -> None:
    """Write down what was not known of these cells, and a record in each one's folder."""
    fresh = {
        cell_id: (first, why)
        for cell_id, (first, why) in same.items()
        if (was := known.get(cell_id)) is None or was.same_as is None or was.same_as.id != first
    }
    journal.append_all(
        ("same", {"cell_id": cell_id, "as": first, "why": why})
        for cell_id, (first, why) in fresh.items()
    )
    for cell_id, (first, why) in fresh.items():
        home = cell_folder(journal.folder, cell_id)
        home.mkdir(parents=True, exist_ok=True)
        write_whole(home / "same.json", json.dumps({"as": first, "why": why}) + "\n")


def _done(cells: Sequence[Cell], known: Mapping[str, CellResult]) -> int:
    results = [known[cell.id] for cell in cells if _is_over(cell, known)]
    return sum(each.state is CellState.DONE for each in results)


def _is_over(cell: Cell, known: Mapping[str, CellResult]) -> bool:
    """Whether a cell is over in its own right."""
    was = known.get(cell.id)
    if was is None or was.same_as is not None:
        return False
    return was.state.is_over and was.state not in (CellState.DROPPED, CellState.SPARED)
