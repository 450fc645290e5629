"""Which settings go with which scores: parallel lines, and how much each setting explains.

Room: results.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from freelb_tune.results.page.figures.figure import Figure, label, most
from freelb_tune.results.tables.contents.axes import shown
from freelb_tune.results.tables.contents.configuration import Configuration
from freelb_tune.results.tables.contents.table import Table
from freelb_tune.results.tables.formats.tuning_text import importance_name
from freelb_tune.space.cells.naming import short_name

if TYPE_CHECKING:
    from freelb_tune.results.tables.contents.tuning import Choosing

__all__ = ["importance", "parallel"]

_MOST = 250
_AXES = 8
_SHADES = 5
_TICKS = 8


def parallel(table: Table) -> Figure | None:
    """Parallel coordinates of complete adversarial configurations; None with too few of them."""
    scored = [
        (each.entry.config, spread.mean)
        for each in table.ranking
        if each.entry.config.is_complete
        and each.entry.config.arm != "clean"
        and (spread := each.entry.config.spread(table.layout.select))
    ]
    names = table.swept[:_AXES]
    if len(scored) < 2 or len(names) < 2:
        return None
    kept = scored[:_MOST]
    axes = [_axis([shown(config, name).text for config, _ in kept]) for name in names]
    scores = [score * table.measure.scale for _, score in kept]
    low, high = min(scores), max(scores)
    places = [(score - low) / (high - low) if high > low else 0.5 for score in scores]
    ends = [(f"{end:.{table.measure.digits}f}", at) for end, at in ((low, 0.0), (high, 1.0))]
    headings = [*(short_name(name) for name in names), table.measure.name]
    return Figure(
        name="parallel",
        title="Settings and score, one line per configuration",
        says=f"Complete adversarial configurations (n = {len(kept)}). Each shade "
        f"is a fifth of them by mean {table.measure.name}, the best the strongest."
        + most(len(kept), len(scored), "configurations, the best", "configurations.csv"),
        traces=_lines([*(axis[0] for axis in axes), places], [each for each, _ in kept], table),
        layout=_layout(headings, [*(axis[1] for axis in axes), ends]),
        header=(*headings, f"n {table.replicate}s"),
        rows=[
            (
                *(shown(config, name).text for name in names),
                table.measure.show(score),
                str(config.finished),
            )
            for config, score in kept
        ],
        height=400,
    )


def _layout(
    headings: Sequence[str], marks: Sequence[Sequence[tuple[str, float]]]
) -> dict[str, Any]:
    """Upright axes side by side, each with its own marks."""
    return {
        "xaxis": {
            "tickvals": list(range(len(headings))),
            "ticktext": [label(text, 18) for text in headings],
            "showgrid": True,
            "zeroline": False,
            "range": [-0.3, len(headings) - 0.7],
            "fixedrange": True,
        },
        "yaxis": {"visible": False, "range": [-0.08, 1.08], "fixedrange": True},
        "annotations": _annotations(marks),
        "hovermode": "closest",
    }


def _axis(texts: Sequence[str]) -> tuple[list[float], list[tuple[str, float]]]:
    """Where each value lies on its axis, and the axis's marks: by rank, so that none is crowded."""
    values = sorted(set(texts), key=_order)
    step = 1 / max(len(values) - 1, 1)
    place = {text: at * step if len(values) > 1 else 0.5 for at, text in enumerate(values)}
    every = max(-(-len(values) // _TICKS), 1)
    return [place[text] for text in texts], [(text, place[text]) for text in values[::every]]


def _order(text: str) -> tuple[bool, float, str]:
    try:
        return False, float(text), text
    except ValueError:
        return True, 0.0, text


def _lines(
    columns: Sequence[Sequence[float]], configs: Sequence[Configuration], table: Table
) -> list[dict[str, Any]]:
    """One trace per shade, the worst first; configurations come the best first."""
    total = len(configs)
    settings = table.swept
    traces = []
    for shade in range(min(_SHADES, total)):
        count = min(_SHADES, total)
        mine = range(shade * total // count, (shade + 1) * total // count)
        x: list[float | None] = []
        y: list[float | None] = []
        text: list[str] = []
        for at in mine:
            # lines that share a value lie a little beside each other
            lean = (at - total / 2) / max(total, 12) * 0.05
            x += [*range(len(columns)), None]
            y += [*(round(column[at] + lean, 4) for column in columns), None]
            name = ", ".join(shown(configs[at], each).text for each in settings)
            text += [label(name)] * (len(columns) + 1)
        traces.append(
            {
                "type": "scatter",
                "mode": "lines+markers",
                "x": x,
                "y": y,
                "text": text,
                "line": {"color": f"@shade{shade}", "width": 2.2 if shade == 0 else 1.4},
                "marker": {"size": 4, "color": f"@shade{shade}"},
                "showlegend": False,
                "hovertemplate": "%{text}<extra></extra>",
            }
        )
    return traces[::-1]


def _annotations(marks: Sequence[Sequence[tuple[str, float]]]) -> list[dict[str, Any]]:
    return [
        {
            "x": at,
            "y": round(place, 4),
            "text": label(text, 14),
            "showarrow": False,
            "xanchor": "left",
            "xshift": 6,
            "bgcolor": "@ground",
            "opacity": 0.85,
            "font": {"size": 11},
        }
        for at, column in enumerate(marks)
        for text, place in column
    ]


def importance(choosing: "Choosing | None") -> Figure | None:
    """How much of the variance each setting explains; None where that is not known."""
    if choosing is None or not choosing.importance:
        return None
    found = choosing.importance[:12][::-1]  # the first is drawn lowest
    return Figure(
        name="importance",
        title="Which settings mattered",
        says="How much of the variance between mean scores each setting explains alone, among the "
        "complete adversarial configurations of those methods that were tried with more than one "
        "value of it. Bars: 90 % intervals.",
        traces=[
            {
                "type": "scatter",
                "mode": "markers",
                "x": [round(one.share, 4) for one in found],
                "y": [label(importance_name(one), 24) for one in found],
                "marker": {"size": 11, "color": "@tried"},
                "error_x": {
                    "type": "data",
                    "symmetric": False,
                    "array": [round(max(one.high - one.share, 0.0), 4) for one in found],
                    "arrayminus": [round(max(one.share - one.low, 0.0), 4) for one in found],
                    "color": "@tried",
                    "thickness": 2,
                },
                "showlegend": False,
                "hovertemplate": "%{y}: %{x:.0%}<extra></extra>",
            }
        ],
        layout={
            "xaxis": {"tickformat": ".0%", "rangemode": "tozero", "title": "share of the variance"},
            "yaxis": {"automargin": True, "ticksuffix": "  "},
        },
        header=("setting", "configurations", "share", "90 % interval"),
        rows=[
            (
                importance_name(one),
                str(one.count),
                f"{one.share:.0%}",
                f"{one.low:.0%} to {one.high:.0%}",
            )
            for one in choosing.importance
        ],
        height=130 + 36 * len(found),
    )
