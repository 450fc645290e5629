"""What a cell is called on the screen: the settings in which the plan's cells differ.

Room: search, without Ray.
"""

from collections.abc import Sequence

from freelb_tune.space import Cell, Value

__all__ = ["cell_labels"]

_MOST_SETTINGS = 6  # a line of more is not read; the id finds the rest


def cell_labels(cells: Sequence[Cell]) -> dict[str, str]:
    """Name each cell by the settings that differ, such as `adv_lr 0.05, batch size 16, seed 1`.

    Args:
        cells: the plan's cells.

    Returns:
        By cell id.
    """
    names = _differing(cells)
    several_seeds = len({cell.seed for cell in cells}) > 1
    labels = {}
    for cell in cells:
        parts = []
        if cell.arm == "clean":
            parts.append("clean")
        for name in names[:_MOST_SETTINGS]:
            if name in cell.settings and not (cell.arm == "clean" and _is_adversary(name)):
                parts.append(f"{_short(name)} {_text(cell.settings[name])}")
        if several_seeds:
            parts.append(f"seed {cell.seed}")
        labels[cell.id] = ", ".join(parts) or cell.id
    return labels


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
