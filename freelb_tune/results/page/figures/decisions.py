"""What ended configurations early: the rungs of ASHA and its like, and the rounds of a race.

Room: results. The journal's `decided` events tell both.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from freelb_tune.results.page.figures.figure import Figure, label
from freelb_tune.results.tables.contents.table import Table
from freelb_tune.store import Store

__all__ = ["rounds", "rungs"]


def rungs(store: Store, table: Table, names: Mapping[str, str]) -> Figure | None:
    """Each configuration where it was decided on; None where none was."""
    mine = {each.cell.config_id for each in store.cells}
    found: dict[tuple[str, int], Mapping[str, Any]] = {}
    for event in store.events:
        if event["event"] == "decided" and "race" not in event and event["config_id"] in mine:
            found[event["config_id"], event["epoch"]] = event
    if not found:
        return None
    every = list(found.values())
    traces = [
        _trace(kind, said, [e for e in every if e["decision"] == decision], names, table)
        for kind, said, decision in (
            ("tried", "goes on", "continue"),
            ("bad", "stopped", "stop"),
        )
    ]
    return Figure(
        name="rungs",
        title="Who went on at each rung",
        says="Each mark is a configuration where it was judged, by the mean over its "
        f"{table.replicate}s then (n = {len(every)} decisions). Scores of "
        "different rungs are after different epochs.",
        traces=[trace for trace in traces if trace["x"]],
        layout={
            "xaxis": {"title": "epoch", "type": "category"},
            "yaxis": {"title": label(table.measure.name)},
        },
        header=("rung, epoch", "arrived", "went on", "stopped", f"best {table.measure.name}"),
        rows=_rung_rows(every, table),
    )


def _trace(
    kind: str,
    said: str,
    events: Sequence[Mapping[str, Any]],
    names: Mapping[str, str],
    table: Table,
) -> dict[str, Any]:
    events = sorted(events, key=lambda event: event["epoch"])
    return {
        "type": "scatter",
        "mode": "markers",
        "name": f"{said} ({len(events)})",
        "x": [str(event["epoch"]) for event in events],
        "y": [round(event["score"] * table.measure.scale, 4) for event in events],
        "text": [label(names.get(event["config_id"], event["config_id"])) for event in events],
        "marker": {
            "color": f"@{kind}",
            "size": 10,
            "symbol": "circle" if kind == "tried" else "x-thin-open",
            "line": {"width": 2},
            "opacity": 0.75,
        },
        "hovertemplate": f"%{{text}}: %{{y:.{table.measure.digits}f}}<extra></extra>",
    }


def _rung_rows(events: Sequence[Mapping[str, Any]], table: Table) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for epoch in sorted({event["epoch"] for event in events}):
        here = [event for event in events if event["epoch"] == epoch]
        on = sum(event["decision"] == "continue" for event in here)
        best = max((table.measure.sign * event["score"] for event in here), default=0.0)
        best *= table.measure.sign
        rows.append(
            (str(epoch), str(len(here)), str(on), str(len(here) - on), table.measure.show(best))
        )
    return rows


def rounds(store: Store, names: Mapping[str, str]) -> Figure | None:
    """How many configurations were in contention after each round of a race; None without one."""
    found = [e for e in store.events if e["event"] == "decided" and "race" in e]
    found = [e for e in found if e["race"] == found[-1]["race"]]
    if not found:
        return None
    known = {each.cell.id: each.cell.config_id for each in store.cells}
    rows = []
    for event in found:
        out = dict.fromkeys(known.get(cell_id, cell_id) for cell_id in event["dropped"])
        rows.append(
            (
                str(event["round"]),
                str(len(event["contenders"])),
                "; ".join(names.get(each, each) for each in out) or "-",
                "yes" if event["over"] else "no",
            )
        )
    return Figure(
        name="rounds",
        title="The race, round by round",
        says="Configurations still in contention after that many seeds of each.",
        traces=[
            {
                "type": "bar",
                "x": [str(event["round"]) for event in found],
                "y": [len(event["contenders"]) for event in found],
                "text": [str(len(event["contenders"])) for event in found],
                "textposition": "outside",
                "cliponaxis": False,
                "marker": {"color": "@tried"},
                "showlegend": False,
                "hovertemplate": "after %{x} seeds: %{y}<extra></extra>",
            }
        ],
        layout={
            "xaxis": {"title": "seeds of each", "type": "category"},
            "yaxis": {
                "title": "configurations",
                "rangemode": "tozero",
                "dtick": max(len(event["contenders"]) for event in found) // 8 + 1,
            },
        },
        header=("seeds", "in contention", "out in this round", "over"),
        rows=rows,
        height=320,
    )
