"""The score after each epoch, of every cell, the clean arm set apart.

Room: results.
"""

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from freelb_tune.errors import counted
from freelb_tune.results.page.figures.figure import Figure, label, most
from freelb_tune.results.tables.contents.metric import Measure
from freelb_tune.results.tables.contents.table import Table
from freelb_tune.store import CellResult, Store

__all__ = ["curves"]

_MOST = 250  # more curves are no more to be told apart than these
_MOST_LABELS = 4_000  # points with a name of their own


def curves(store: Store, table: Table, names: Mapping[str, str]) -> Figure | None:
    """The figure; None before the first epoch. Configurations are called by `names`."""
    known = [each for each in store.cells if each.epochs]
    if not known:
        return None
    sign = table.measure.sign

    def goodness(each: CellResult) -> float:
        return max(sign * record.score for record in each.epochs)

    ranked = sorted(known, key=lambda each: (each.cell.arm != "clean", -goodness(each)))
    shown = ranked[:_MOST]
    best = table.best.config_id if table.best else None
    groups = {"tried": "adversarial", "best": "best by its mean", "clean": "clean arm"}
    traces = []
    for kind, said in groups.items():
        mine = [each for each in shown if _kind(each, best) == kind]
        if mine:
            traces.append(_trace(kind, said, mine, names, table.measure))
    return Figure(
        name="curves",
        title=f"{table.measure.name} after each epoch",
        says=f"One line per cell, on the dev set (n = {counted(len(shown), 'cell')})."
        + most(len(shown), len(known), "cells, clean ones and the best", "epochs.csv"),
        traces=traces,
        layout={
            "xaxis": {"title": "epoch", "tickformat": "d", "dtick": _step(known)},
            "yaxis": {"title": label(table.measure.name)},
        },
        header=("configuration", "epoch", f"mean {table.measure.name}", f"n {table.replicate}s"),
        rows=_rows(known, names, table),
    )


def _kind(each: CellResult, best: str | None) -> str:
    if each.cell.arm == "clean":
        return "clean"
    return "best" if each.cell.config_id == best else "tried"


def _step(cells: Sequence[CellResult]) -> int:
    """Between two marks of the axis of epochs."""
    return max(max(len(each.epochs) for each in cells) // 10, 1)


def _trace(
    kind: str, said: str, cells: Sequence[CellResult], names: Mapping[str, str], measure: Measure
) -> dict[str, Any]:
    """All curves of one kind in one trace, with gaps between them."""
    x: list[int | None] = []
    y: list[float | None] = []
    text: list[str] = []
    for each in cells:
        name = label(f"{names.get(each.cell.config_id, '')}, seed {each.cell.block}")
        x += [*(record.epoch for record in each.epochs), None]
        y += [*(round(record.score * measure.scale, 4) for record in each.epochs), None]
        text += [name] * (len(each.epochs) + 1)
    # a line of its own shape for readers who cannot tell the colours apart
    looks = {"tried": (1.1, "solid", 0.45), "best": (2.6, "solid", 1), "clean": (2, "dash", 0.95)}
    width, dash, opacity = looks[kind]
    trace: dict[str, Any] = {
        "type": "scatter",
        "mode": "lines+markers",
        "name": f"{said} ({len(cells)})",
        "x": x,
        "y": y,
        "opacity": 0.85 if len(cells) <= 12 else opacity,
        "line": {"color": f"@{kind}", "width": width, "dash": dash},
        "marker": {"size": 5 if kind != "tried" else 4, "color": f"@{kind}"},
        "hovertemplate": f"epoch %{{x}}: %{{y:.{measure.digits}f}}<extra></extra>",
    }
    if len(text) <= _MOST_LABELS:
        trace |= {"text": text, "hovertemplate": "%{text}<br>" + trace["hovertemplate"]}
    return trace


def _rows(
    cells: Sequence[CellResult], names: Mapping[str, str], table: Table
) -> list[tuple[str, ...]]:
    """The mean over seeds after each epoch, by configuration."""
    scores: dict[tuple[str, int], list[float]] = {}
    for each in cells:
        for record in each.epochs:
            scores.setdefault((each.cell.config_id, record.epoch), []).append(record.score)
    return [
        (names.get(config, config), str(epoch), table.measure.show(fmean(found)), str(len(found)))
        for (config, epoch), found in scores.items()
    ]
