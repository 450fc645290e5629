"""What a cell is called: the settings in which the plan's cells differ.

Room: search, without Ray.
"""

import re
from collections.abc import Callable, Sequence

from freelb_tune.space import Cell, Value

__all__ = ["cell_labels", "trial_namer"]

_MOST_SETTINGS = 6  # a line of more is not read; the id finds the rest


def cell_labels(cells: Sequence[Cell]) -> dict[str, str]:
    """Name each cell by the settings that differ, such as `adv_lr 0.05, batch size 16, seed 1`.

    Args:
        cells: the plan's cells.

    Returns:
        By cell id.
    """
    apart = _Apart(cells)
    return {
        cell.id: ", ".join(f"{_short(name)} {text}".strip() for name, text in apart.of(cell))
        or cell.id
        for cell in cells
    }


def trial_namer(cells: Sequence[Cell]) -> Callable[[Cell], str]:
    """Names trials for Ray's eyes, such as `adv_lr=0.05,seed=1_0123456789ab`.

    Args:
        cells: the plan's cells.

    Returns:
        From a cell to its trial's name: of letters, digits and `.,=+-_`, as files have it.
    """
    apart = _Apart(cells)

    def name(cell: Cell) -> str:
        said = [f"{name.rpartition('.')[2]}={text}".lstrip("=") for name, text in apart.of(cell)]
        return re.sub(r"[^\w.,=+-]+", "-", "_".join([*filter(None, [",".join(said)]), cell.id]))

    return name


class _Apart:
    """What tells a plan's cells apart.

    Args:
        cells: the plan's cells.
    """

    def __init__(self, cells: Sequence[Cell]) -> None:
        self._names = _differing(cells)[:_MOST_SETTINGS]
        self._several_seeds = len({cell.seed for cell in cells}) > 1

    def of(self, cell: Cell) -> list[tuple[str, str]]:
        """The settings that differ and what they are here; of a clean cell also `("", "clean")`."""
        said = [("", "clean")] if cell.arm == "clean" else []
        for name in self._names:
            if name in cell.settings and not (cell.arm == "clean" and _is_adversary(name)):
                said.append((name, _text(cell.settings[name])))
        return [*said, ("seed", str(cell.seed))] if self._several_seeds else said


def _differing(cells: Sequence[Cell]) -> list[str]:
    """Names of the settings with more than one value, the adversary's first."""
    values: dict[str, set[str]] = {}
    for cell in cells:
        for name, value in cell.settings.items():
            if not (cell.arm == "clean" and _is_adversary(name)):
                values.setdefault(name, set()).add(repr(value))
    names = [name for name, found in values.items() if len(found) > 1]
    return sorted(names, key=lambda name: not _is_adversary(name))


def _is_adversary(name: str) -> bool:
    return name.startswith("adversary.")


def _short(name: str) -> str:
    """`trainer.per_device_train_batch_size` is the batch size to everybody."""
    last = name.rpartition(".")[2]
    return {"per_device_train_batch_size": "batch size", "learning_rate": "lr"}.get(last, last)


def _text(value: Value) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
