"""Configurations as the sections of a space: what is common, and the smallest product that spans.

Room: space, importing. Settings in, the file's content out.
"""

import itertools
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from freelb_tune.space.cells.cell import Value
from freelb_tune.space.settings.sections import SEARCHED

__all__ = ["Settings", "as_text", "spanned_sections"]

Settings = dict[str, Value]


def as_text(value: Any) -> str:
    """A value as text that is the same for 1 and 1.0."""
    return json.dumps(float(value) if type(value) is int else value, sort_keys=True)


def spanned_sections(configurations: Sequence[Settings]) -> dict[str, Any]:
    """The searched sections: settings in common, then grids and ties, or else branches."""
    common = {
        name: value
        for name, value in configurations[0].items()
        if all(name in c and as_text(c[name]) == as_text(value) for c in configurations)
    }
    varying = list(dict.fromkeys(n for c in configurations for n in c if n not in common))
    content: dict[str, Any] = {}
    ties: list[dict[str, list[Value]]] = []
    spanned = {}
    if all(name in c for name in varying for c in configurations):
        for block, rows in _blocks(configurations, varying):
            if len(block) == 1:
                spanned[block[0]] = {"grid": [row[0] for row in rows]}
            else:
                ties.append({name: [row[i] for row in rows] for i, name in enumerate(block)})
        content = _nested(common | spanned)
    else:
        content = _nested(common)
        content["branches"] = [
            {name: c[name] for name in varying if name in c} for c in configurations
        ]
    if ties:
        content["tie"] = ties
    return content


def _nested(settings: Mapping[str, Any]) -> dict[str, Any]:
    content: dict[str, Any] = {}
    for section in SEARCHED:
        own = {k.partition(".")[2]: v for k, v in settings.items() if k.startswith(f"{section}.")}
        if section == "data":
            own = {"source": "hub", **own}
        if own:
            content[section] = own
    return content


def _blocks(
    configurations: Sequence[Settings], varying: Sequence[str]
) -> list[tuple[list[str], list[list[Value]]]]:
    """The smallest groups of settings whose rows span the configurations as a product."""
    blocks = [[name] for name in varying]

    def rows(block: Sequence[str]) -> list[list[Value]]:
        found = {as_text([c[name] for name in block]): [c[name] for name in block]
                 for c in configurations}  # fmt: skip
        return list(found.values())

    def merged(one: list[str], other: list[str]) -> list[list[str]]:
        both = sorted([*one, *other], key=list(varying).index)
        return [block for block in blocks if block not in (one, other)] + [both]

    while True:
        bound = next(
            ((a, b) for a, b in itertools.combinations(blocks, 2)
             if len(rows([*a, *b])) != len(rows(a)) * len(rows(b))),
            None,
        )  # fmt: skip
        if bound is None:
            break
        blocks = merged(*bound)
    if math.prod(len(rows(block)) for block in blocks) != len(configurations):
        blocks = [list(varying)] if varying else []
    blocks.sort(key=lambda block: list(varying).index(block[0]))
    return [(block, rows(block)) for block in blocks]
