"""A plan as text: what varies cell by cell, what stays, and what is already known.

Room: space. Plain text, as a table of ten thousand rows must come at once.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence

from freelb_tune.errors import counted
from freelb_tune.space.cell import Cell, Value
from freelb_tune.space.planning import Plan
from freelb_tune.space.reading import Space

__all__ = ["list_plan"]


def list_plan(space: Space, plan: Plan, known: Mapping[str, str]) -> str:
    """Every cell as a row, then the counts.

    Args:
        space: the space.
        plan: its cells.
        known: the state of the cells that the results folder knows, by id.
    """
    varying, fixed = _varying(plan.cells)
    rows = [["cell", "arm", *(name.partition(".")[2] for name in varying), "seed", "state"]]
    for cell in plan.cells:
        values = [_text(cell.settings[n]) if n in cell.settings else "-" for n in varying]
        rows.append([cell.id, cell.arm, *values, str(cell.seed), known.get(cell.id, "new")])
    lines = _columns(rows)
    settled = ", ".join(f"{name} {_text(value)}" for name, value in fixed.items())
    return "\n".join(
        [*lines, "", f"the same in all cells: {settled}", *_counts(space, plan, known)]
    )


def _varying(cells: Sequence[Cell]) -> tuple[list[str], dict[str, Value]]:
    """Names of the settings that differ between cells, and those that do not with their value.

    A setting that only the clean arm lacks does not vary.
    """
    first: dict[str, Value] = {}
    differ: set[str] = set()
    configs = {cell.config_id: cell.settings for cell in cells}
    for settings in configs.values():
        for name, value in settings.items():
            if name == "adversary.method" and value == "none":
                continue
            if first.setdefault(name, value) != value:
                differ.add(name)
    varying = [name for name in first if name in differ]
    return varying, {name: value for name, value in first.items() if name not in differ}


def _counts(space: Space, plan: Plan, known: Mapping[str, str]) -> list[str]:
    arms = Counter(cell.arm for cell in plan.cells)
    configs = len({cell.config_id for cell in plan.cells})
    lines = [
        f"{space.name}: {counted(len(plan.cells), 'cell')}: {counted(configs, 'configuration')} x "
        f"{counted(len(space.seeds), 'seed')} ({arms['adversarial']} adversarial, "
        f"{arms['clean']} clean)"
    ]
    if plan.merged:
        were = "was" if plan.merged == 1 else "were"
        lines.append(f"{counted(plan.merged, 'configuration')} stood twice and {were} merged")
    if plan.excluded:
        lines.append(f"where leaves out {counted(plan.excluded, 'configuration')}")
    states = Counter(known[cell.id] for cell in plan.cells if cell.id in known)
    told = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
    lines.append(f"already known: {told or 'none'}")
    if any("unresolved" in (cell.data_fingerprint + cell.weights) for cell in plan.cells):
        lines.append(
            "the Hub's commits are not known yet: cell ids are settled when the search runs"
        )
    return lines


def _columns(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def _text(value: Value) -> str:
    if value is None:
        return "none"
    if type(value) in (int, float):
        return repr(value)
    return value if isinstance(value, str) else json.dumps(value)
