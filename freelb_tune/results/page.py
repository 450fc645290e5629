"""The figures of a search in one file, `report.html`: nothing is fetched when it is opened.

Room: results. plotly loads on use.
"""

from html import escape
from typing import TYPE_CHECKING, Any

from freelb_tune.results.tables.axes import Shown
from freelb_tune.results.tables.sentences import clean_sentence, footnotes, title
from freelb_tune.results.tables.table import Table
from freelb_tune.results.tables.tuning import Choosing, Pair
from freelb_tune.space.naming import short_name

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

__all__ = ["to_html"]

_STYLE = (
    "body{font:16px/1.5 sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
    ".figure{height:26rem}"
)


def to_html(table: Table, choosing: Choosing) -> str:
    """The page: the verdict, the best-of-n curves, importance, and a heat map for each pair."""
    from plotly.offline import get_plotlyjs

    said = [clean_sentence(table)]
    if table.verdict:
        said.append(table.verdict.sentence)
    figures = _figures(table, choosing)
    none = [] if figures else ["<p>Too few complete configurations for a figure.</p>"]
    parts = [
        "<!doctype html>",
        f'<html lang="en"><head><meta charset="utf-8"><title>{escape(title(table))}</title>',
        f"<style>{_STYLE}</style>",
        f"<script>{get_plotlyjs()}</script>",
        f"</head><body><h1>{escape(title(table))}</h1>",
        *(f"<p>{escape(sentence)}</p>" for sentence in said),
        *none,
        *(_embed(figure, f"figure-{at}") for at, figure in enumerate(figures, start=1)),
        "<ul>",
        *(f"<li>{escape(note)}</li>" for note in footnotes(table)),
        "</ul></body></html>",
    ]
    return "\n".join(parts) + "\n"


def _embed(figure: "Figure", name: str) -> str:
    # a name of our own, as plotly's are drawn by chance
    code: str = figure.to_html(
        full_html=False, include_plotlyjs=False, div_id=name, config={"displaylogo": False}
    )
    return f'<div class="figure">{code}</div>'


def _figures(table: Table, choosing: Choosing) -> list["Figure"]:
    figures = []
    if any(len(curve.points) > 1 for curve in choosing.curves):
        figures.append(_curves(table, choosing, over_hours=False))
        figures.append(_curves(table, choosing, over_hours=True))
    if choosing.importance:
        figures.append(_importance(choosing))
    return figures + [_heat_map(table, pair) for pair in choosing.pairs]


def _curves(table: Table, choosing: Choosing, *, over_hours: bool) -> "Figure":
    import plotly.graph_objects as go

    unit = "device-hours" if over_hours else "configurations tried"
    figure = go.Figure()
    for curve in choosing.curves:
        figure.add_scatter(
            x=[point.hours if over_hours else point.trials for point in curve.points],
            y=[point.expected * table.measure.scale for point in curve.points],
            mode="lines+markers",
            name=escape(curve.arm),
        )
    figure.update_layout(
        title=f"Expected best against {unit}",
        xaxis_title=unit,
        yaxis_title=escape(table.measure.name),
        showlegend=True,
    )
    return figure


def _importance(choosing: Choosing) -> "Figure":
    import plotly.graph_objects as go

    found = choosing.importance[::-1]  # the first is drawn lowest
    bars: dict[str, Any] = {
        "x": [one.share for one in found],
        "y": [escape(short_name(one.setting)) for one in found],
        "error_x": {
            "type": "data",
            "symmetric": False,
            "array": [max(one.high - one.share, 0.0) for one in found],
            "arrayminus": [max(one.share - one.low, 0.0) for one in found],
        },
    }
    figure = go.Figure(go.Bar(orientation="h", **bars))
    figure.update_layout(
        title="Share of the variance that a setting explains alone, with a 90 % interval",
        xaxis_tickformat=".0%",
    )
    return figure


def _heat_map(table: Table, pair: Pair) -> "Figure":
    import plotly.graph_objects as go

    scale = table.measure.scale
    means = [[None if m is None else m * scale for m in row] for row in pair.table.means]
    figure = go.Figure(
        go.Heatmap(
            z=means,
            x=[escape(Shown(value).text) for value in pair.table.columns],
            y=[escape(Shown(value).text) for value in pair.table.rows],
            text=[
                [
                    "" if m is None else f"{table.measure.show(m)}<br>n={n}"
                    for m, n in zip(*row, strict=True)
                ]
                for row in zip(pair.table.means, pair.table.counts, strict=True)
            ],
            texttemplate="%{text}",
            hoverongaps=False,
            reversescale=table.measure.better == "lower",
        )
    )
    first, second = escape(short_name(pair.first)), escape(short_name(pair.second))
    figure.update_layout(
        title=f"Mean {escape(table.measure.name)} by {first} and {second}",
        xaxis={"title": second, "type": "category"},
        yaxis={"title": first, "type": "category"},
    )
    return figure


def _labels(table: Table, pair: Pair) -> list[list[str]]:
    """What stands in each field of a heat map: the mean and how many configurations it is of."""
    return [
        [
            "" if m is None else f"{table.measure.show(m)}<br>n={n}"
            for m, n in zip(*row, strict=True)
        ]
        for row in zip(pair.table.means, pair.table.counts, strict=True)
    ]
