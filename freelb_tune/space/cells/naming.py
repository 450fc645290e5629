"""How a setting, its value, and a cell are called wherever people read them.

Room: space. One rule for lists, labels, tables and sentences; files and ids have dotted names.
"""

import json
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain

from freelb_tune.space.cells.cell import Cell
from freelb_tune.space.settings.sections import SEARCHED
from freelb_tune.space.values import Value

__all__ = [
    "by_section",
    "cell_labels",
    "differing",
    "own_settings",
    "short_name",
    "telling",
    "told_apart",
    "trial_namer",
    "value_text",
]

_SHORT = {
    "trainer.per_device_train_batch_size": "batch size",
    "model.adapter.type": "adapter",
}
_SECTIONS = ("adversary", "trainer", *(s for s in SEARCHED if s not in ("adversary", "trainer")))
_MOST_SETTINGS = 6  # a label of more is not read; the id finds the rest


def short_name(name: str) -> str:
    """A setting as printed: `adv_lr` for `adversary.adv_lr`, `model.name` for itself."""
    section, _, rest = name.partition(".")
    own = section in ("adversary", "trainer", "loss") or name.startswith("model.adapter.")
    return _SHORT.get(name) or (rest if own and rest else name)


def value_text(value: Value) -> str:
    """A value as printed: `none` for null, text as it is, all else as JSON has it."""
    if value is None:
        return "none"
    if type(value) is float and math.isfinite(value):
        return repr(value)  # as JSON has it, which takes ten times as long to say so
    return value if isinstance(value, str) else json.dumps(value)


def by_section(names: Iterable[str]) -> list[str]:
    """The adversary's settings first, then the trainer's, and so on; else in the given order."""
    places = {section: place for place, section in enumerate(_SECTIONS)}
    return sorted(names, key=lambda name: places.get(name.partition(".")[0], len(places)))


def differing(configurations: Iterable[Mapping[str, Value]]) -> list[str]:
    """The settings with more than one value among the configurations that have them, by section."""
    firsts: dict[str, Value] = {}
    varied: set[str] = set()
    for settings in configurations:
        for name, value in settings.items():
            if name not in varied and value is not firsts.setdefault(name, value):
                varied |= {name} if repr(value) != repr(firsts[name]) else set()
    return by_section(name for name in firsts if name in varied)


def telling(configurations: Sequence[Mapping[str, Value]]) -> list[str]:
    """The settings that differ, and what only some have where it alone tells these from others.

    So `adv_begin_step 0` of the methods that have it, all at 0, tells nothing beside the methods.
    """
    names = differing(configurations)
    keys = [tuple(repr(one.get(name, "")) for name in names) for one in configurations]
    counts = Counter(chain.from_iterable(configurations))
    partial = [name for name in by_section(counts) if counts[name] < len(keys)]
    for name in partial:
        if len(set(keys)) == len(keys):
            break
        finer = [(*key, str(name in one)) for key, one in zip(keys, configurations, strict=True)]
        if len(set(finer)) > len(set(keys)):
            names, keys = [*names, name], finer
    return by_section(dict.fromkeys(names))


def told_apart(cells: Sequence[Cell]) -> list[str]:
    """The settings in which a plan's cells differ; that a clean arm has no adversary is none."""
    firsts = {cell.config_id: cell for cell in cells}
    return differing(own_settings(cell) for cell in firsts.values())


def cell_labels(cells: Sequence[Cell]) -> dict[str, str]:
    """Name each cell by the settings that differ, such as `adv_lr 0.05, batch size 16, seed 1`.

    Args:
        cells: the plan's cells.

    Returns:
        By cell id.
    """
    apart = _Apart(cells)
    return {
        cell.id: ", ".join(f"{name} {text}".strip() for name, text in apart.of(cell)) or cell.id
        for cell in cells
    }


def trial_namer(cells: Sequence[Cell]) -> Callable[[Cell], str]:
    """Names trials, such as `adv_lr=0.05,seed=1_0123456789ab`.

    Args:
        cells: the plan's cells.

    Returns:
        From a cell to its trial's name: of letters, digits and `.,=+-_`, as files have it.
    """
    apart = _Apart(cells)

    def name(cell: Cell) -> str:
        said = ",".join(f"{name}={text}".lstrip("=") for name, text in apart.of(cell))
        return re.sub(r"[^\w.,=+-]+", "-", f"{said}_{cell.id}" if said else cell.id)

    return name


class _Apart:
    """What tells a plan's cells apart.

    Args:
        cells: the plan's cells.
    """

    def __init__(self, cells: Sequence[Cell]) -> None:
        self._names = told_apart(cells)
        self._several = len({cell.block for cell in cells}) > 1

    def of(self, cell: Cell) -> list[tuple[str, str]]:
        """The settings that differ and what they are here; of a clean cell also `("", "clean")`."""
        said = [("", "clean")] if cell.arm == "clean" else []
        own = own_settings(cell)
        names = [name for name in self._names if name in own][:_MOST_SETTINGS]
        said += [(short_name(name), value_text(own[name])) for name in names]
        if self._several:
            said.append(("seed", str(cell.seed)))
            said += [("fold", str(cell.fold))] if cell.fold is not None else []
        return said


def own_settings(cell: Cell) -> Mapping[str, Value]:
    """A cell's settings; of a clean arm those that its adversarial arms have too."""
    if cell.arm != "clean":
        return cell.settings
    return {k: v for k, v in cell.settings.items() if not k.startswith("adversary.")}
