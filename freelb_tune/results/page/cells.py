"""Every cell as the page's table and its details have it: rows of plain values, ready for JSON.

Room: results. What all share stands once; numbers have six digits; beyond a budget the epochs of
the less interesting cells are left out, and the page says so.
"""

from collections.abc import Mapping, Sequence
from itertools import chain
from operator import attrgetter
from typing import Any

from freelb_tune.results.page.logs import logs_of
from freelb_tune.results.tables.columns.columns import metrics_of
from freelb_tune.results.tables.contents.axes import shown
from freelb_tune.results.tables.contents.configuration import Configuration
from freelb_tune.results.tables.contents.table import Table
from freelb_tune.results.tables.formats.sentences import configuration_names
from freelb_tune.space.cells.naming import short_name, value_text
from freelb_tune.store import CellResult, CellState, EpochRecord, Store

__all__ = ["MOST_NUMBERS", "cells_of", "rounded"]

MOST_NUMBERS = 350_000
"""Numbers of epochs that the page holds: about 3 MB."""

_FIELDS = (
    *("epoch", "step", "score", "dev_loss", "train_loss", "adv_loss_gain", "delta_norm"),
    *("delta_ratio", "bound_share", "learning_rate", "passes", "train_seconds", "eval_seconds"),
    *("process_gib", "peak_gib"),  # the last one: metrics follow
)
_fields_of = attrgetter(*_FIELDS)


def rounded(value: float | None) -> float | int | None:
    """A number with six digits; a whole one without a point."""
    if value is None or (type(value) is int and abs(value) < 1_000_000):
        return value
    short = float(f"{value:.6g}")
    return int(short) if short.is_integer() and abs(short) < 1e15 else short


def cells_of(
    store: Store, table: Table, running: frozenset[str], names: Mapping[str, str]
) -> dict[str, Any]:
    """The cells, their configurations and their epochs."""
    configs = table.configurations
    place = {config.config_id: at for at, config in enumerate(configs)}
    called = configuration_names(configs, table)
    settings = table.swept
    metrics = metrics_of(store.cells)
    kept = _kept(store, table, len(_FIELDS) + len(metrics))
    logs = logs_of(store, table.measure, kept)
    constant = {arm: _constant(configs, arm, settings) for arm in ("adversarial", "clean")}
    return {
        "swept": [{"name": name, "short": short_name(name)} for name in settings],
        "constant": constant,
        "configs": [
            {
                **_configuration(each, called[each.config_id], table, settings, place),
                "rest": _rest(each, [*settings, *(name for name, _ in constant[each.arm])]),
            }
            for each in configs
        ],
        "epochFields": [*_FIELDS, *metrics],
        "rows": [
            {
                "id": each.cell.id,
                "config": place[each.cell.config_id],
                "seed": each.cell.seed,
                **({"fold": each.cell.fold} if each.cell.fold else {}),
                "name": names[each.cell.id],
                "state": _state(each, running),
                "why": _why(each, _state(each, running)),
                "best": rounded(_best(each, table)),
                "last": rounded(each.last.score) if each.last else None,
                "n": len(each.epochs),
                "seconds": rounded(each.seconds) if each.epochs else None,
                "epochs": [_epoch(record, metrics) for record in each.epochs]
                if each.cell.id in kept
                else None,
                **({"log": logs[each.cell.id]} if each.cell.id in logs else {}),
            }
            for each in store.cells
        ],
        "withEpochs": len(kept),
    }


def _configuration(
    config: Configuration,
    name: str,
    table: Table,
    settings: Sequence[str],
    place: Mapping[str, int],
) -> dict[str, Any]:
    spread = config.spread(table.layout.select)
    clean = place.get(config.clean_id or "") if config.arm != "clean" else None
    return {
        "id": config.config_id,
        "name": name,
        "arm": config.arm,
        "clean": clean,
        "values": [shown(config, each).text for each in settings],
        "mean": rounded(spread.mean) if spread and config.is_complete else None,
        "done": config.finished,
        "planned": config.planned,
    }


def _constant(
    configs: Sequence[Configuration], arm: str, settings: Sequence[str]
) -> list[list[str]]:
    """The settings that all configurations of an arm share."""
    mine = [config.settings for config in configs if config.arm == arm]
    if not mine:
        return []
    return [
        [name, value_text(value)]
        for name, value in mine[0].items()
        if name not in settings and all(name in each and each[name] == value for each in mine)
    ]


def _rest(config: Configuration, known: Sequence[str]) -> list[list[str]]:
    """The settings that only some configurations have, and that are the same in those."""
    settings = config.settings.items()
    return [[name, value_text(value)] for name, value in settings if name not in known]


def _kept(store: Store, table: Table, width: int) -> dict[str, None]:
    """The cells whose epochs fit, in order: clean ones first, then the best."""
    sign = table.measure.sign

    def order(each: CellResult) -> tuple[bool, float]:
        best = _best(each, table)
        return each.cell.arm != "clean", 0.0 if best is None else -sign * best

    room, kept = MOST_NUMBERS, []
    for each in sorted((c for c in store.cells if c.epochs), key=order):
        room -= len(each.epochs) * width
        if room < 0:
            break
        kept.append(each.cell.id)
    return dict.fromkeys(kept)


def _state(each: CellResult, running: frozenset[str]) -> str:
    return "running" if each.cell.id in running else each.state.value


def _why(each: CellResult, state: str) -> str | None:
    """Why a cell failed, was not run, stopped or waits in the middle."""
    if each.message is None and each.state is CellState.STOPPED:
        return f"stopped early, at its rung after epoch {len(each.epochs)}"
    if each.message is None and each.epochs and state == CellState.WAITING:
        return f"waits to go on after epoch {len(each.epochs)}"
    return each.message


def _best(each: CellResult, table: Table) -> float | None:
    record = each.best(table.measure.better)
    return record.score if record else None


def _epoch(record: EpochRecord, metrics: Sequence[str]) -> list[float | int | None]:
    numbers = chain(_fields_of(record), map(record.metrics.get, metrics))
    return [None if number is None else rounded(number) for number in numbers]
