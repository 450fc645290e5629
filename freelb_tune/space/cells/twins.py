"""Configurations that train the same to the last bit, told before anything runs.

Room: space. Claimed only where it is proved: same data, model, trainer and seeds, and adversaries
whose plainest settings are the same. Each method's settings class says what cannot matter to it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from freelb_tune.space.cells.cell import Cell
from freelb_tune.space.cells.naming import short_name, told_apart, value_text
from freelb_tune.space.settings.adversaries import AdversarySettings, NoneSettings, Scheduled

__all__ = ["Examples", "Twin", "find_twins"]

Examples = Callable[[Cell], int | None]
"""How many training examples a cell has; None where that is not known."""


@dataclass(frozen=True)
class Twin:
    """A configuration that trains the same as an earlier one.

    Attributes:
        of: the earlier one's `config_id`.
        name: what it is called beside that one, such as "max_norm 0.9"; beside the clean arm what
            varies in the plan, or its method where nothing does.
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
    pairs = []
    for cell in ordered:
        plain = _plainest(cell, examples)
        first = firsts.setdefault(_key(cell, plain), cell)
        if first is not cell:
            pairs.append((cell, first))
    varying = told_apart(cells) if pairs else []
    twins = {cell.config_id: _twin(cell, first, varying) for cell, first in pairs}
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


def _twin(cell: Cell, first: Cell, varying: Sequence[str]) -> Twin:
    own = {k: v for k, v in cell.settings.items() if k.startswith("adversary.")}
    if first.arm == "clean":
        told = [key for key in varying if key in own] or ["adversary.method"]
        why = "it never perturbs, as the clean arm"
    else:
        told = [key for key in own if own[key] != first.settings.get(key)]
        names = " and ".join(short_name(name) for name in told if name in first.settings)
        why = f"{names} cannot matter here"
    name = ", ".join(f"{short_name(key)} {value_text(own[key])}" for key in told)
    return Twin(first.config_id, name, why)
