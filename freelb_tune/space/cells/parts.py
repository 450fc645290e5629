"""A part of a plan, `--shard 1/4`: cells that one of several machines runs, for `merge` afterwards.

Room: space. The parts of a plan have each of its cells once, and as many as each other to within
one. A part has as few seeds as it can: the clean arm of a seed and what is compared with it run on
one machine, as far as parts of that size allow.
"""

import re
from collections.abc import Sequence
from dataclasses import replace

from freelb_tune.errors import FreeLBTuneError, counted
from freelb_tune.space.cells.cell import Cell
from freelb_tune.space.cells.plan import Part, Plan
from freelb_tune.space.settings.algorithms import AlgorithmSettings

__all__ = ["part_folder", "read_part", "take_part"]


def read_part(text: str) -> tuple[int, int]:
    """The two numbers of `1/4`.

    Raises:
        FreeLBTuneError: it is not of this form.
    """
    found = re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})", text)
    number, of = (int(found[1]), int(found[2])) if found else (0, 0)
    if not 1 <= number <= of:
        raise FreeLBTuneError(
            f"--shard {text}: expected which part and of how many, such as 1/4 for the first of "
            "four"
        )
    return number, of


def part_folder(name: str, shard: str | None) -> str:
    """The results folder's name: `NAME`, and of a part `NAME.shard-1-of-4`.

    Raises:
        FreeLBTuneError: as `read_part`.
    """
    if shard is None:
        return name
    number, of = read_part(shard)
    return f"{name}.shard-{number}-of-{of}"


def take_part(plan: Plan, shard: str, search: AlgorithmSettings) -> Plan:
    """One part of a plan.

    Args:
        plan: the whole one.
        shard: which part, `1/4`.
        search: how the space is searched.

    Raises:
        FreeLBTuneError: the search decides by all of its results, or there are more parts than
            cells to run.
    """
    number, of = read_part(shard)
    if not search.runs_all:
        raise FreeLBTuneError(f"--shard {shard}: {_why_not(search)}")
    own = [cell for cell in plan.cells if cell.config_id not in plan.twins]
    if of > len(own):
        raise FreeLBTuneError(
            f"--shard {shard}: the plan has {counted(len(own), 'cell')} to run, and so at most as "
            "many parts"
        )
    first, end = ((len(own) * at) // of for at in (number - 1, number))
    chosen = {(cell.config_id, cell.block) for cell in _by_block(own)[first:end]}
    runs_for = {name: twin.of for name, twin in plan.twins.items()}
    cells = tuple(
        cell
        for cell in plan.cells
        if (runs_for.get(cell.config_id, cell.config_id), cell.block) in chosen
    )
    configs = {cell.config_id for cell in cells}
    twins = {name: twin for name, twin in plan.twins.items() if name in configs}
    part = Part(number, of, tuple(cell.id for cell in plan.cells))
    return replace(plan, cells=cells, twins=twins, part=part)


def _by_block(cells: Sequence[Cell]) -> list[Cell]:
    """The cells of the first seed (and fold), of the second, and so on, each in plan order."""
    blocks = {block: place for place, block in enumerate(dict.fromkeys(c.block for c in cells))}
    return sorted(cells, key=lambda cell: blocks[cell.block])


def _why_not(search: AlgorithmSettings) -> str:
    """Why a search cannot be had in parts."""
    for limit in ("wall_hours", "device_hours"):
        if getattr(search, limit) is not None:
            return f"search.{limit} would end each part by itself; take it out"
    sampler = getattr(search, "sampler", "random")
    name = f"sampler: {sampler}" if search.proposes else f"algorithm: {search.algorithm}"
    return (
        f"search with {name} decides as results arrive, and a part sees its own alone; use "
        "algorithm: grid, or random without a sampler, or have several machines in one search "
        "with --address"
    )
