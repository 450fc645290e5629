"""What each seed gave, beside the mean, and how sure the difference from the clean arm is.

Room: results. Intervals are there from the planned end on, as in every table.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from freelb_tune.results.page.figures.figure import Figure, label, most
from freelb_tune.results.tables.contents.metric import Measure
from freelb_tune.results.tables.contents.table import Entry, Table
from freelb_tune.space.cells.cell import Block
from freelb_tune.store import CellState

__all__ = ["seeds"]

_MOST = 30


def seeds(table: Table, called: Mapping[str, str]) -> Figure | None:
    """The figure; None before the first cell is done. Configurations are named by `called`."""
    clean = [each.entry for each in table.ranking if each.entry.config.arm == "clean"]
    tried = [each.entry for each in table.ranking if each.entry.config.arm != "clean"]
    every = [e for e in (*clean, *tried) if e.config.spread(table.layout.select)]
    if not every:
        return None
    shown = every[:_MOST]
    names = _names(shown, called)
    told, each = any(_interval(entry) for entry in shown), table.replicate
    more = (
        " Bars: the difference from the clean arm with its 95 % interval over "
        f"{'folds' if table.folds else 'seeds'}, drawn on top of the clean arm's mean."
        if told
        else ""
    )
    return Figure(
        name="seeds",
        title=f"Every {each}, and the mean of each configuration",
        says=f"Dots: finished {each}s at the epoch that counts. Diamonds: their mean.{more}"
        + most(len(shown), len(every), "configurations", "configurations.csv"),
        traces=[
            _dots(shown, names, table),
            _means(shown, names, table),
            *([_bars(shown, names, table)] if told else []),
        ],
        layout={
            "xaxis": {"title": label(table.measure.name)},
            "yaxis": {"autorange": "reversed", "automargin": True, "ticksuffix": "  "},
            "shapes": _clean_lines(clean, table),
        },
        header=("configuration", f"{each}s", "mean", "n", "difference", "95 % interval"),
        rows=[_row(entry, called[entry.config.config_id], table) for entry in every],
        height=150 + 30 * len(shown),
    )


def _names(entries: Sequence[Entry], called: Mapping[str, str]) -> list[str]:
    """What each is called on the axis, no two alike."""
    names: list[str] = []
    for entry in entries:
        name = label(called[entry.config.config_id], 38)
        names.append(name if name not in names else f"{name} {entry.config.config_id[:4]}")
    return names


def _scores(entry: Entry, table: Table) -> list[tuple[Block, float]]:
    """Finished seeds with their scores as printed."""
    select, scale = table.layout.select, table.measure.scale
    return [
        (each.block, value * scale)
        for each in entry.config.seeds
        if each.state is CellState.DONE and (value := each.value(select)) is not None
    ]


def _dots(entries: Sequence[Entry], names: Sequence[str], table: Table) -> dict[str, Any]:
    points = [
        (score, name, seed, entry.config.arm)
        for entry, name in zip(entries, names, strict=True)
        for seed, score in _scores(entry, table)
    ]
    return {
        "type": "scatter",
        "mode": "markers",
        "name": f"a {table.replicate}",
        "x": [round(score, 4) for score, *_ in points],
        "y": [name for _, name, *_ in points],
        "text": [f"seed {seed}" for _, _, seed, _ in points],
        "marker": {
            "size": 9,
            "opacity": 0.65,
            "color": ["@clean" if arm == "clean" else "@tried" for *_, arm in points],
        },
        "hovertemplate": f"%{{text}}: %{{x:.{table.measure.digits}f}}<extra></extra>",
    }


def _mean(entry: Entry, table: Table) -> float:
    spread = entry.config.spread(table.layout.select)
    assert spread is not None  # those without are not shown
    return spread.mean * table.measure.scale


def _means(entries: Sequence[Entry], names: Sequence[str], table: Table) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "markers",
        "name": "mean",
        "x": [round(_mean(entry, table), 4) for entry in entries],
        "y": list(names),
        "text": [f"n = {entry.config.finished}" for entry in entries],
        "marker": {
            "size": 12,
            "symbol": "diamond-open",
            "line": {"width": 2.2},
            "color": ["@clean" if e.config.arm == "clean" else "@best" for e in entries],
        },
        "hovertemplate": f"mean %{{x:.{table.measure.digits}f}} (%{{text}})<extra></extra>",
    }


def _interval(entry: Entry) -> tuple[float, float, float] | None:
    """The difference from the clean arm and its ends; None where nothing is told."""
    one = entry.comparison
    if one is None or one.difference is None or one.low is None or one.high is None:
        return None
    return one.difference, one.low, one.high


def _bars(entries: Sequence[Entry], names: Sequence[str], table: Table) -> dict[str, Any]:
    measure = table.measure
    x, y, up, down = [], [], [], []
    for entry, name in zip(entries, names, strict=True):
        found = _interval(entry)
        clean = entry.clean and entry.clean.spread(table.layout.select)
        if found is None or not clean:
            continue
        middle, low, high = (_place(clean.mean, each, measure) for each in found)
        x.append(round(middle, 4))
        y.append(name)
        up.append(round(abs(high - middle), 4))
        down.append(round(abs(middle - low), 4))
    if measure.sign < 0:
        up, down = down, up
    return {
        "type": "scatter",
        "mode": "markers",
        "name": "95 % interval of the difference",
        "x": x,
        "y": y,
        "marker": {"symbol": "line-ew", "size": 10, "line": {"color": "@best", "width": 1.6}},
        "error_x": {
            "type": "data",
            "symmetric": False,
            "array": up,
            "arrayminus": down,
            "color": "@best",
            "thickness": 1.6,
            "width": 5,
        },
        "hoverinfo": "skip",
    }


def _place(clean: float, difference: float, measure: Measure) -> float:
    """Where a difference, positive for better, lies on the metric's own axis."""
    return (clean + measure.sign * difference) * measure.scale


def _clean_lines(clean: Sequence[Entry], table: Table) -> list[dict[str, Any]]:
    """A line through the clean arm's mean, where there is one clean arm."""
    known = [entry for entry in clean if entry.config.spread(table.layout.select)]
    if len(known) != 1:
        return []
    at = round(_mean(known[0], table), 4)
    line = {"color": "@clean", "width": 1.5, "dash": "dash"}
    return [
        {"type": "line", "x0": at, "x1": at, "y0": 0, "y1": 1, "yref": "paper", "line": line,
         "layer": "below"}
    ]  # fmt: skip


def _row(entry: Entry, name: str, table: Table) -> tuple[str, ...]:
    measure = table.measure
    scores = ", ".join(
        f"{score:.{measure.digits}f} (seed {seed})" for seed, score in _scores(entry, table)
    )
    found = _interval(entry)
    said = ("-", "-")
    if found is not None:
        difference, low, high = (measure.show_difference(each) for each in found)
        said = (difference, f"{low} to {high}")
    return (
        name,
        scores,
        f"{_mean(entry, table):.{measure.digits}f}",
        str(entry.config.finished),
        *said,
    )
