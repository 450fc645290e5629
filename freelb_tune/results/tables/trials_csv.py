"""The search as tidy rows: `trials.csv`, one per cell, and `epochs.csv`, one per cell and epoch.

Room: results. Values as stored (0.8014 for 80.14 %). `trials.csv` holds no times and no places of
this machine's making: an interrupted search and an uninterrupted one write the same bytes.
"""

from collections.abc import Iterable, Sequence
from dataclasses import fields

from freelb_tune.results.tables.csv_text import to_csv
from freelb_tune.store import Better, CellResult, EpochRecord

__all__ = ["epochs_csv", "trials_csv"]

_SECTIONS = ("task", "model", "data", "trainer", "adversary")


def trials_csv(cells: Sequence[CellResult], better: Better) -> str:
    """One row per cell in plan order: its state, its best and last epoch, every setting."""
    metrics, settings = _metric_names(cells), _setting_names(cells)
    header = ["cell_id", "config_id", "clean_id", "arm", "seed", "state", "message"]
    header += ["epochs", "steps", "passes", "best_epoch"]
    header += [f"best_{name}" for name in metrics]
    header += [f"last_{name}" for name in metrics]
    header += settings
    rows = []
    for each in cells:
        cell, best, last = each.cell, each.best(better), each.last
        row: list[object] = [cell.id, cell.config_id, cell.clean_id, cell.arm, cell.seed]
        row += [str(each.state), each.message, len(each.epochs)]
        row += [last.step if last else None, last.passes if last else None]
        row += [best.epoch if best else None]
        row += [
            record.metrics.get(name) if record else None
            for record in (best, last)
            for name in metrics
        ]
        row += [cell.settings.get(name) for name in settings]
        rows.append(row)
    return to_csv(header, rows)


def epochs_csv(cells: Sequence[CellResult]) -> str:
    """One row per cell and epoch in plan order: every field of `EpochRecord`, a column a metric."""
    metrics = _metric_names(cells)
    names = [
        field.name for field in fields(EpochRecord) if field.name not in ("cell_id", "metrics")
    ]
    at = names.index("score") + 1
    before, after = names[:at], names[at:]
    header = ["cell_id", "config_id", "arm", "seed", *before, *metrics, *after]
    rows = [
        [
            *(each.cell.id, each.cell.config_id, each.cell.arm, each.cell.seed),
            *(getattr(record, name) for name in before),
            *(record.metrics.get(name) for name in metrics),
            *(getattr(record, name) for name in after),
        ]
        for each in cells
        for record in each.epochs
    ]
    return to_csv(header, rows)


def _metric_names(cells: Sequence[CellResult]) -> list[str]:
    """Every metric that an epoch has, in the order in which the cells bring them."""
    return _distinct(name for each in cells for record in each.epochs for name in record.metrics)


def _setting_names(cells: Sequence[CellResult]) -> list[str]:
    """Every setting that a cell has, section by section."""
    known = {section: place for place, section in enumerate(_SECTIONS)}
    names = _distinct(name for each in cells for name in each.cell.settings)
    return sorted(names, key=lambda name: known.get(name.partition(".")[0], len(known)))


def _distinct(names: Iterable[str]) -> list[str]:
    """The distinct ones in the order in which they come."""
    return list(dict.fromkeys(names))
