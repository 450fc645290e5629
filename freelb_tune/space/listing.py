"""A plan as text: what varies cell by cell, what stays, and what is already known.

Room: space. Plain text, as a table of ten thousand rows must come at once.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

from freelb_tune.errors import counted
from freelb_tune.space.naming import own_settings, short_name, told_apart, value_text
from freelb_tune.space.planning import Plan
from freelb_tune.space.reading import Space
from freelb_tune.space.values import Value

__all__ = ["list_plan"]


def list_plan(space: Space, plan: Plan, known: Mapping[str, str]) -> str:
    """Every cell as a row, then the counts.

    Args:
        space: the space.
        plan: its cells.
        known: the state of the cells that the results folder knows, by id.
    """
    varying = told_apart(plan.cells)
    rows = [["cell", "arm", *map(short_name, varying), "seed", "state"]]
    fixed: dict[str, Value] = {}
    for cell in plan.cells:
        own = own_settings(cell)
        values = [value_text(own[name]) if name in own else "-" for name in varying]
        rows.append([cell.id, cell.arm, *values, str(cell.seed), known.get(cell.id, "new")])
        fixed = {**own, **fixed}
    lines = _columns(rows)
    settled = ", ".join(f"{n} {value_text(v)}" for n, v in fixed.items() if n not in varying)
    return "\n".join(
        [*lines, "", f"the same in all cells: {settled}", *_counts(space, plan, known)]
    )


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
