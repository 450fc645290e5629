"""How the search went: the best score so far, and which cell ran when.

Room: results.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from freelb_tune.errors import counted
from freelb_tune.results.page.figures.figure import Figure, label, most
from freelb_tune.results.page.times import Span
from freelb_tune.results.tables.contents.table import Table
from freelb_tune.store import CellResult, CellState, Store

__all__ = ["best_so_far", "time_line"]

_MOST = 600  # bars of the time line
_STATES = {
    "clean": "clean arm",
    "tried": "adversarial",
    "stopped": "stopped early",
    "bad": "failed",
    "muted": "interrupted or running",
}


def best_so_far(
    store: Store, table: Table, spans: Sequence[Span], names: dict[str, str]
) -> Figure | None:
    """The best score of finished cells against time; None before there are two."""
    ends = {span.cell_id: span.end for span in spans if span.is_over and span.end}
    done = [c for c in store.cells if c.state is CellState.DONE and c.cell.id in ends]
    done.sort(key=lambda each: (ends[each.cell.id], each.cell.id))
    if len(done) < 2:
        return None
    traces, rows = [], []
    for kind, said in (("clean", "clean arm"), ("tried", "adversarial")):
        mine = [c for c in done if (c.cell.arm == "clean") == (kind == "clean")]
        steps = _steps(mine, table)
        if not steps:
            continue
        traces.append(_every(kind, mine[-_MOST:], ends, names, table))
        traces.append(
            {
                "type": "scatter",
                "mode": "lines",
                "name": said,
                "x": [_text(ends[each.cell.id]) for each, _ in steps],
                "y": [round(score * table.measure.scale, 4) for _, score in steps],
                "text": [label(names[each.cell.id]) for each, _ in steps],
                "line": {
                    "shape": "hv",
                    "color": f"@{kind}",
                    "dash": "dash" if kind == "clean" else "solid",
                },
                "hovertemplate": f"%{{y:.{table.measure.digits}f}}<br>%{{text}}<extra></extra>",
            }
        )
        rows += [
            (_text(ends[each.cell.id]), said, table.measure.show(score), names[each.cell.id])
            for each, score in steps
        ]
    return Figure(
        name="progress",
        title=f"Best {table.measure.name} so far",
        says="Dots: finished cells. Lines: the best of them up to each moment "
        f"(n = {len(done)} finished cells). The best of more cells is higher by chance alone, so "
        "this line says little of which arm is better.",
        traces=traces,
        layout={
            "xaxis": _time_axis(spans),
            "yaxis": {"title": label(table.measure.name)},
        },
        header=("when", "arm", f"best {table.measure.name}", "cell"),
        rows=rows,
    )


def _every(
    kind: str,
    cells: Sequence[CellResult],
    ends: dict[str, datetime],
    names: dict[str, str],
    table: Table,
) -> dict[str, Any]:
    """Every finished cell of an arm, beside whom the best is seen to be one of many."""
    known = [(c, record.score) for c in cells if (record := c.best(table.measure.better))]
    return {
        "type": "scatter",
        "mode": "markers",
        "x": [_text(ends[each.cell.id]) for each, _ in known],
        "y": [round(score * table.measure.scale, 4) for _, score in known],
        "text": [label(names[each.cell.id]) for each, _ in known],
        "marker": {"color": f"@{kind}", "size": 6, "opacity": 0.45},
        "showlegend": False,
        "hovertemplate": f"%{{y:.{table.measure.digits}f}}<br>%{{text}}<extra></extra>",
    }


def _steps(cells: Sequence[CellResult], table: Table) -> list[tuple[CellResult, float]]:
    """The cells that were better than all before, and the last one for the line to reach it."""
    sign, best = table.measure.sign, None
    steps: list[tuple[CellResult, float]] = []
    for each in cells:
        record = each.best(table.measure.better)
        if record is not None and (best is None or sign * record.score > sign * best):
            best = record.score
            steps.append((each, best))
    if steps and cells[-1] is not steps[-1][0]:
        steps.append((cells[-1], steps[-1][1]))
    return steps


def _text(when: datetime | None) -> str:
    return "" if when is None else when.strftime("%Y-%m-%d %H:%M:%S")


def time_line(store: Store, spans: Sequence[Span], names: dict[str, str]) -> Figure | None:
    """Which cell ran when, in as many lanes as ran at once; None before the first."""
    known = store.known
    mine = [span for span in spans if span.cell_id in names]
    if not mine:
        return None
    shown = mine[-_MOST:]
    now = max(span.end or span.start for span in mine)
    lanes = _lanes(shown, now)
    groups: dict[str, list[tuple[Span, int]]] = {}
    for span, lane in zip(shown, lanes, strict=True):
        groups.setdefault(_kind(span, known[span.cell_id]), []).append((span, lane))
    return Figure(
        name="timeline",
        title="What ran when",
        says="One bar per run of a cell, in "
        f"{counted(max(lanes, default=0) + 1, 'lane')}, as many as ran at once."
        + most(len(shown), len(mine), "runs, the latest", "journal.jsonl"),
        traces=[_bars(kind, groups[kind], names, now) for kind in _STATES if kind in groups],
        layout={
            "barmode": "overlay",
            "showlegend": True,
            "xaxis": _time_axis(shown),
            "yaxis": {"title": "lane", "dtick": 1, "autorange": "reversed"},
        },
        header=("from", "to", "cell", "how it ended"),
        rows=[
            (
                _text(span.start),
                _text(span.end) or "still running",
                names[span.cell_id],
                _STATES[_kind(span, known[span.cell_id])],
            )
            for span in shown
        ],
        height=170 + 28 * (max(lanes, default=0) + 1),
    )


def _time_axis(spans: Sequence[Span]) -> dict[str, Any]:
    """An axis of dates without the pauses between runs, beside which a run would be a hair."""
    known = [(span.start, span.end or span.start) for span in spans]  # in the order of beginning
    busy, pauses = 0.0, []
    until = known[0][0]
    for start, end in known:
        if start > until:
            pauses.append((until, start))
        busy += max((end - max(start, until)).total_seconds(), 0.0)
        until = max(until, end)
    long = [(a, b) for a, b in pauses if (b - a).total_seconds() > max(busy / 4, 60)]
    breaks = [{"bounds": [_text(a), _text(b)]} for a, b in long]
    title = "time, UTC, without the pauses between runs" if breaks else "time, UTC"
    return {"title": title, "type": "date", **({"rangebreaks": breaks} if breaks else {})}


def _kind(span: Span, result: CellResult) -> str:
    if not (span.is_over or span.waits):
        return "muted"
    if result.state.is_broken:
        return "bad"
    if result.state is CellState.STOPPED:
        return "stopped"
    return "clean" if result.cell.arm == "clean" else "tried"


def _lanes(spans: Sequence[Span], now: datetime) -> list[int]:
    """The first lane that is free, for each."""
    free: list[datetime] = []
    found = []
    for span in spans:
        end = span.end or now
        lane = next((at for at, until in enumerate(free) if until <= span.start), len(free))
        free[lane : lane + 1] = [max(end, span.start)]
        found.append(lane)
    return found


def _bars(
    kind: str, found: Sequence[tuple[Span, int]], names: dict[str, str], now: datetime
) -> dict[str, Any]:
    lengths = [max(((span.end or now) - span.start).total_seconds(), 0.5) for span, _ in found]
    return {
        "type": "bar",
        "orientation": "h",
        "name": _STATES[kind],
        "base": [_text(span.start) for span, _ in found],
        "x": [1000 * length for length in lengths],  # plotly counts dates in milliseconds
        "y": [lane + 1 for _, lane in found],
        "width": 0.7,
        "text": [
            label(f"{names[span.cell_id]}: {length:.0f} s")
            for (span, _), length in zip(found, lengths, strict=True)
        ],
        "textposition": "none",
        "hovertemplate": "%{text}<extra></extra>",
        "marker": {"color": f"@{kind}", "line": {"color": "@ground", "width": len(found) < 40}},
    }
