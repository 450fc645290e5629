"""A plan as text: what varies cell by cell, what stays, and what is already known.

Room: space. Plain text, as a table of ten thousand rows must come at once.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

from freelb_tune.errors import counted
from freelb_tune.space.cells.naming import own_settings, short_name, told_apart, value_text
from freelb_tune.space.cells.plan import Plan
from freelb_tune.space.cells.studies import Studies
from freelb_tune.space.reading.space import Space
from freelb_tune.space.values import Value

__all__ = ["list_plan"]

_NAMED = 10  # configurations that are named for training the same as another


def list_plan(space: Space, plan: Plan, known: Mapping[str, str]) -> str:
    """Every cell as a row, then the counts.

    Args:
        space: the space.
        plan: its cells.
        known: the state of the cells that the results folder knows, by id.
    """
    varying = told_apart(plan.cells)
    folds = ["fold"] if space.folds else []
    rows = [["cell", "arm", *map(short_name, varying), "seed", *folds, "state"]]
    fixed: dict[str, Value] = {}
    texts: dict[str, list[str]] = {}  # the same for all seeds
    for cell in plan.cells:
        if cell.config_id not in texts:
            own = own_settings(cell)
            texts[cell.config_id] = [value_text(own[n]) if n in own else "-" for n in varying]
            fixed = {**own, **fixed}
        state = known.get(cell.id, "as another" if cell.config_id in plan.twins else "new")
        block = map(str, cell.block if folds else cell.block[:1])
        rows.append([cell.id, cell.arm, *texts[cell.config_id], *block, state])
    lines = _columns(rows if plan.cells else [])
    settled = ", ".join(f"{n} {value_text(v)}" for n, v in fixed.items() if n not in varying)
    same = ["", f"the same in all cells: {settled}"] if plan.cells else []
    return "\n".join([*lines, *same, *_counts(space, plan, known)])


def _counts(space: Space, plan: Plan, known: Mapping[str, str]) -> list[str]:
    arms = Counter(cell.arm for cell in plan.cells)
    configs = len({cell.config_id for cell in plan.cells})
    of = f"{counted(configs, 'configuration')} x {counted(len(space.seeds), 'seed')}"
    of += f" x {space.folds} folds" if space.folds else ""
    if plan.part is not None:
        of = f"part {plan.part} of the plan, which has {len(plan.part.whole):,}"
    lines = [
        f"{space.name}: {counted(len(plan.cells), 'cell')}: {of} ({arms['adversarial']} "
        f"adversarial, {arms['clean']} clean)"
    ]
    if plan.studies is not None:
        lines.append(_proposals(space, plan.studies))
    if plan.merged:
        were = "was" if plan.merged == 1 else "were"
        lines.append(f"{counted(plan.merged, 'configuration')} stood twice and {were} merged")
    lines += _twins(plan)
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


def _twins(plan: Plan) -> list[str]:
    """The configurations that train the same as another, the first few by name."""
    if not plan.twins:
        return []
    firsts = {cell.config_id: cell for cell in reversed(plan.cells)}
    named = [
        f"{firsts[name].id} ({twin.name}) as {firsts[twin.of].id}: {twin.why}"
        for name, twin in list(plan.twins.items())[:_NAMED]
    ]
    more = len(plan.twins) - len(named)
    named += [f"and {more} more"] if more else []
    count = len(plan.twins)
    word = "trains" if count == 1 else "train"
    start = f"{counted(count, 'configuration')} {word} the same as another and run with it:"
    return [start, *(f"  {line}" for line in named)]


def _proposals(space: Space, studies: Studies) -> str:
    """How many configurations are to come, and of what."""
    count = studies.samples * len(studies.each)
    names = dict.fromkeys(name for study in studies.each for name in study.domains)
    beside = f", {studies.samples} for each of {len(studies.each)} combinations of the grids"
    arms = " with their clean arms" if space.clean_arm else ""
    return (
        f"{getattr(space.search, 'sampler', 'a sampler')} proposes {count:,} more "
        f"configuration{'s' * (count != 1)} as results arrive"
        f"{beside if len(studies.each) > 1 else ''}: {counted(count * space.replicates, 'cell')}"
        f"{arms}. It proposes {', '.join(names)}."
    )


def _columns(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    line = "  ".join(f"{{:{width}}}" for width in widths)
    return [line.format(*row).rstrip() for row in rows]
