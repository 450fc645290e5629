"""Whether what is stored is what a plan asks for, and where it is not, which settings differ.

Room: store. A changed file or a forgotten override gives cells other ids, and their work begins
anew: that is said before anything runs.
"""

from collections.abc import Iterable, Sequence

from freelb_tune.space.cells.cell import Cell
from freelb_tune.space.cells.naming import value_text
from freelb_tune.store.known import Store

__all__ = ["differences", "match_sentence"]

_MOST = 4  # differences, and values of each


def match_sentence(store: Store, planned: Sequence[Cell]) -> str | None:
    """How many of the stored cells the plan has; None where it has them all.

    Cells that were never begun are not counted.

    Args:
        store: what a results folder knows.
        planned: the plan's cells.
    """
    stored = [each.cell for each in store.known.values() if each.epochs or each.state.is_over]
    ids = {cell.id for cell in planned}
    match = sum(cell.id in ids for cell in stored)
    if match == len(stored):
        return None
    said = f"{match} of {len(stored)} stored cells match this plan"
    gone = [cell for cell in stored if cell.id not in ids]
    known = {cell.id for cell in stored}
    new = [cell for cell in planned if cell.id not in known]
    found = differences(gone, new) if new else []  # fewer cells than before are no mistake
    differs = f"; differs: {', '.join(found)}" if found else ""
    rest = "" if match else "; all cells of it are trained anew, and the stored ones are kept"
    return f"{said}{differs}{rest}"


def differences(stored: Sequence[Cell], planned: Sequence[Cell]) -> list[str]:
    """The settings of which the two have no value in common: `data.max_length 64 -> 128`."""
    names = dict.fromkeys(name for cell in (*stored, *planned) for name in cell.settings)
    found = []
    for name in names:
        before, now = _values(stored, name), _values(planned, name)
        if not set(before) & set(now):
            found.append(f"{name} {_list(before)} -> {_list(now)}")
    for name, section, said in (
        ("data_fingerprint", "data.", "the content of the data"),
        ("weights", "model.", "the model's files"),
        ("plugin", "adversary.", "the plugin's code"),
    ):
        is_told = any(each.startswith(section) for each in found)  # it follows from a setting
        if not is_told and not {getattr(c, name) for c in stored} & {
            getattr(c, name) for c in planned
        }:
            found.append(said)
    more = len(found) - _MOST
    return found[:_MOST] + ([f"and {more} more"] if more > 0 else [])


def _values(cells: Iterable[Cell], name: str) -> list[str]:
    """The distinct values of a setting; a cell that lacks it says none, as for no limit."""
    return list(dict.fromkeys(value_text(cell.settings.get(name)) for cell in cells))


def _list(values: Sequence[str]) -> str:
    more = "..." if len(values) > _MOST else ""
    return "/".join([*values[:_MOST], *([more] if more else [])])
