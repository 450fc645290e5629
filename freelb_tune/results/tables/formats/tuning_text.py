"""What choosing does, in print: the section of `table.md`, `selection.json` and `cost.json`.

Room: results. `selection.json` holds no times: an interrupted search and an uninterrupted one write
the same bytes. Device-hours are in `cost.json`.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from freelb_tune.results.tables.contents.axes import Shown
from freelb_tune.results.tables.contents.table import Table
from freelb_tune.results.tables.formats.grid import Grid, Text
from freelb_tune.space.cells.naming import short_name

if TYPE_CHECKING:
    from freelb_tune.results.statistics.choosing.importance import Importance
    from freelb_tune.results.tables.contents.tuning import Choosing, Pair

__all__ = ["choosing_parts", "importance_name", "to_cost_json", "to_selection_json"]

_SHOWN = 8  # most numbers of trials in the printed curve


def to_selection_json(choosing: "Choosing", table: Table) -> str:
    """Curves, importance and pair tables, in values as stored."""
    content = {
        "name": table.name,
        "metric": table.measure.name,
        "select": table.layout.select,
        "best_of": [
            {
                "arm": curve.arm,
                "points": [{"trials": p.trials, "expected": p.expected} for p in curve.points],
            }
            for curve in choosing.curves
        ],
        "importance": [asdict(one) for one in choosing.importance],
        "pairs": [asdict(pair) for pair in choosing.pairs],
    }
    return _json(content)


def to_cost_json(choosing: "Choosing") -> str:
    """The same curves over device-hours, which differ from run to run."""
    return _json({"best_of": [asdict(curve) for curve in choosing.curves]})


def choosing_parts(choosing: "Choosing", table: Table) -> list[tuple[str, Grid]]:
    """What `table.md` says below its ranking: sentences, each with its grid."""
    parts = []
    curves, importance = _curve_grid(choosing, table), _importance_grid(choosing)
    if curves:
        parts.append(
            (
                f"The best {table.measure.name} to be expected of 1, 2, ... configurations, drawn "
                f"from those that were run, all {table.replicate}s of each averaged:",
                curves,
            )
        )
    if importance:
        parts.append(
            (
                "How much of the variance between mean scores each setting explains alone, by an "
                "analysis of variance over the adversarial configurations of those methods that "
                "were tried with more than one value of it:",
                importance,
            )
        )
    if choosing.pairs:
        parts.append(
            (
                "Mean score by the two settings that matter most:",
                _pair_grid(choosing.pairs[0], table),
            )
        )
    return parts


def _curve_grid(choosing: "Choosing", table: Table) -> Grid | None:
    """Expected best of 1, 2, 4, ... trials, a row per arm; None where no arm has two trials."""
    most = max((len(curve.points) for curve in choosing.curves), default=0)
    if most < 2:
        return None
    shown = [2**power for power in range(_SHOWN - 1) if 2**power < most]
    trials = [*shown, most]
    rows = []
    for curve in choosing.curves:
        texts = [Text(curve.arm)]
        for count in trials:
            inside = count <= len(curve.points)
            text = table.measure.show(curve.points[count - 1].expected) if inside else "-"
            texts.append(Text(text))
        rows.append(tuple(texts))
    return Grid(("best of", *(str(count) for count in trials)), tuple(rows), 1)


def importance_name(found: "Importance") -> str:
    """What a share is of: `adv_lr`, or `init_mag with max_norm` of two that go together."""
    return " with ".join(
        filter(None, [short_name(found.setting), ", ".join(map(short_name, found.tied))])
    )


def _importance_grid(choosing: "Choosing") -> Grid | None:
    """A row per setting; None where nothing can be said."""
    if not choosing.importance:
        return None
    rows = [
        _texts(
            [
                importance_name(one),
                str(one.count),
                f"{100 * one.share:.0f} %",
                f"{100 * one.low:.0f} to {100 * one.high:.0f} %",
            ]
        )
        for one in choosing.importance
    ]
    return Grid(("setting", "configurations", "explains alone", "90 % interval"), tuple(rows), 1)


def _pair_grid(pair: "Pair", table: Table) -> Grid:
    """Mean scores by two settings; the count of configurations beside each."""
    columns = [f"{short_name(pair.second)}={Shown(value).text}" for value in pair.table.columns]
    rows = []
    for value, means, counts in zip(
        pair.table.rows, pair.table.means, pair.table.counts, strict=True
    ):
        texts = [Shown(value).text]
        for mean, count in zip(means, counts, strict=True):
            texts.append("" if mean is None else f"{table.measure.show(mean)} (n={count})")
        rows.append(_texts(texts))
    return Grid((short_name(pair.first), *columns), tuple(rows), 1)


def _texts(values: Sequence[str]) -> tuple[Text, ...]:
    return tuple(Text(value) for value in values)


def _json(content: object) -> str:
    return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
