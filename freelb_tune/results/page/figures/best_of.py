"""What the best of n configurations is expected to score.

Room: results.
"""

from typing import TYPE_CHECKING

from freelb_tune.results.page.figures.figure import Figure, label
from freelb_tune.results.tables.contents.table import Table

if TYPE_CHECKING:
    from freelb_tune.results.tables.contents.tuning import Choosing

__all__ = ["best_of"]

_DASHES = ("dash", "solid", "dot", "dashdot")


def best_of(table: Table, choosing: "Choosing | None") -> Figure | None:
    """The figure; None where no arm has two complete configurations."""
    curves = choosing.curves if choosing else ()
    if not any(len(curve.points) > 1 for curve in curves):
        return None
    measure = table.measure
    longest = max(len(curve.points) for curve in curves)
    counts = ", ".join(f"{len(curve.points)} of {curve.arm}" for curve in curves)
    return Figure(
        name="bestof",
        title=f"Expected best {measure.name} of n configurations",
        says=f"Drawn from those that are complete ({counts}), each by the mean of its "
        f"{table.replicate}s. Arms are comparable at the same n: the best of more looks better by "
        "chance alone.",
        traces=[
            {
                "type": "scatter",
                "mode": "lines+markers",
                "name": label(curve.arm),
                "x": [point.trials for point in curve.points],
                "y": [round(point.expected * measure.scale, 4) for point in curve.points],
                "line": {
                    "color": "@clean" if curve.arm == "clean arm" else f"@arm{at % 4}",
                    "dash": _DASHES[at % 4],
                },
                "hovertemplate": f"best of %{{x}}: %{{y:.{measure.digits}f}}<extra></extra>",
            }
            for at, curve in enumerate(curves)
        ],
        layout={
            "xaxis": {"title": "n, configurations tried", "dtick": max(longest // 8, 1)},
            "yaxis": {"title": label(measure.name)},
        },
        header=("arm", "n", f"expected best {measure.name}", "device-hours"),
        rows=[
            (
                curve.arm,
                str(point.trials),
                measure.show(point.expected),
                "-" if point.hours is None else f"{point.hours:.3g}",
            )
            for curve in curves
            for point in curve.points
        ],
    )
