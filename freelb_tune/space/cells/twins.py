"""Configurations that train the same to the last bit, told before anything runs.

Room: space. Claimed only where it is proved: same data, model, trainer and seeds, and adversaries
whose plainest settings are the same. Each method's settings class says what cannot matter to it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from freelb_tune.space.cells.cell import Cell
from freelb_tune.space.cells.naming import short_name, value_text
from freelb_tune.space.settings.adversaries import AdversarySettings, NoneSettings, Scheduled

__all__ = ["Examples", "Twin", "find_twins"]

Examples = Callable[[Cell], int | None]
"""How many training examples a cell has; None where that is not known."""


@dataclass(frozen=True)
class Twin:
    """A configuration that trains the same as an earlier one.

    Attributes:
        of: the earlier one's `config_id`.
        name: what it is called beside that one: "max_norm 0.9 (not 0.5)".
        why: in words.
    """

    of: str
    name: str
    why: str


def find_twins(cells: Sequence[Cell], examples: Examples) -> Mapping[str, Twin]:
    """Configurations that train the same as an earlier one of a plan; clean ones come first.

    Args:
        cells: the plan's.
        examples: asked only of configurations whose perturbation begins late.
    """
    firsts: dict[str, Cell] = {}
    configs = {cell.config_id: cell for cell in reversed(cells)}  # the first cell of each
    ordered = sorted(reversed(configs.values()), key=lambda cell: cell.arm != "clean")
    twins = {}
    for cell in ordered:
        plain = _plainest(cell, examples)
        first = firsts.setdefault(_key(cell, plain), cell)
        if first is not cell:
            twins[cell.config_id] = _twin(cell, first)
    return {name: twins[name] for name in reversed(configs) if name in twins}


def _plainest(cell: Cell, examples: Examples) -> AdversarySettings:
    settings = cell.adversary
    begin = settings.adv_begin_step if isinstance(settings, Scheduled) else 0
    if begin:
        count = examples(cell)
        if count is not None and begin >= cell.trainer.updates(count):
            return NoneSettings()  # as the schedule has it: one clean pass in every update
    kind = type(settings)
    return settings.plainest() if "plainest" in vars(kind) else settings


def _key(cell: Cell, plain: AdversarySettings) -> str:
    rest = {k: v for k, v in cell.settings.items() if not k.startswith("adversary.")}
    plugin = "" if isinstance(plain, NoneSettings) else cell.plugin
    parts = (sorted(rest.items()), cell.data_fingerprint, cell.weights, plugin, vars(plain))
    return repr((*parts, type(plain).__name__))


def _twin(cell: Cell, first: Cell) -> Twin:
    if first.arm == "clean":
        return Twin(first.config_id, _name(cell, {}), "it never perturbs, as the clean arm")
    theirs = {k: v for k, v in first.settings.items() if k.startswith("adversary.")}
    apart = [k for k, v in cell.settings.items() if k in theirs and theirs[k] != v]
    names = " and ".join(short_name(name) for name in apart)
    return Twin(first.config_id, _name(cell, theirs), f"{names} cannot matter here")


def _name(cell: Cell, theirs: Mapping[str, object]) -> str:
    own = {k: v for k, v in cell.settings.items() if k.startswith("adversary.")}
    said = [
        f"{short_name(k)} {value_text(v)}"
        for k, v in own.items()
        if k not in theirs or theirs[k] != v
    ]
    return ", ".join(said)
