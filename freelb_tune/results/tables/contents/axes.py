"""Which settings make a table's rows and columns, and how settings are named and printed.

Room: results. No setting that varies is ever left out of sight: one that stands in neither rows
nor columns is added to the rows, unless it goes with the column. One that is the same wherever
there is such a setting does not vary.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast, get_args

from freelb_tune.results.tables.contents.configuration import Configuration, Select
from freelb_tune.space.cells.naming import by_section, short_name, telling, value_text
from freelb_tune.space.settings.sections import Bold, TableConfig, of_today
from freelb_tune.space.values import Value

__all__ = ["Layout", "Shown", "layout_of", "settings_text", "shown"]


@dataclass(frozen=True)
class Shown:
    """A setting as one configuration has it.

    Attributes:
        value: its value; None is "none", as for no ball.
        applies: False where the method has no such setting or it does nothing there, as `adv_lr`
            with one pass: printed as "-".
    """

    value: Value
    applies: bool = True

    @property
    def text(self) -> str:
        """How it is printed."""
        return value_text(self.value) if self.applies else "-"


@dataclass(frozen=True)
class Layout:
    """How a table is laid out, by the settings' dotted names.

    Attributes:
        rows: settings that make a row, those added by us last.
        columns: the setting that makes the columns, if one does.
        told: those of rows and columns that tell configurations apart: what a name holds.
        added: those of `rows` that the space did not name.
        tied: settings that vary with the column alone, and so need no place.
        same: settings that the space named for the rows and that are the same in all of them: they
            get no column.
        bold: what is printed in bold.
        select: which epoch of a cell counts.
        cost: whether the ranking shows what each configuration has cost.
    """

    rows: tuple[str, ...]
    columns: str | None
    told: tuple[str, ...]
    added: tuple[str, ...]
    tied: tuple[str, ...]
    same: tuple[str, ...]
    bold: Bold
    select: Select
    cost: bool = False


def layout_of(space: Mapping[str, Any], configs: Sequence[Configuration]) -> Layout:
    """Lay out a table.

    Args:
        space: the space; its sections `table` and `tie` are read.
        configs: the configurations that make the rows, in plan order.
    """
    table: Mapping[str, Any] = space.get("table") or {}
    names = list(dict.fromkeys(name for config in configs for name in config.settings))
    columns = _resolve(table["columns"], names) if table.get("columns") else None
    resolved = dict.fromkeys(_resolve(name, names) for name in table.get("rows") or ())
    named = tuple(name for name in resolved if name != columns)
    asked = tuple(name for name in named if len({shown(c, name).text for c in configs}) > 1)
    varying = telling([_own(config.settings) for config in configs])
    ties = [{_resolve(name, names) for name in group} for group in space.get("tie") or ()]
    tied = tuple(
        name
        for name in varying
        if columns and name not in (*asked, columns) and _goes_with(configs, name, columns, ties)
    )
    added = tuple(name for name in varying if name not in (*asked, *tied, columns))
    rows = (*asked, *added)
    if not rows and columns and len(configs) > 1:  # what alone varies makes the rows
        rows, columns = (columns,), None
    if not rows:  # nothing varies: say what was tried
        method = ("adversary.method",) if "adversary.method" in names else ("task",)
        rows = named or method
    bold, select, default = of_today(table.get("bold")), table.get("select"), TableConfig()
    return Layout(
        rows=rows,
        columns=columns,
        told=tuple(name for name in (*rows, columns) if name in varying),
        added=added if asked else (),
        tied=tied,
        same=tuple(name for name in named if name not in rows and name in names),
        bold=cast(Bold, bold) if bold in get_args(Bold) else default.bold,
        select=cast(Select, select) if select in get_args(Select) else default.select,
        cost=table.get("cost") is True,
    )


def shown(config: Configuration, name: str) -> Shown:
    """A setting as a configuration has it."""
    if name not in config.settings or name in _inert(config.settings):
        return Shown(None, applies=False)
    return Shown(config.settings[name])


def settings_text(config: Configuration, names: Iterable[str]) -> str:
    """How a sentence calls a configuration: `adv_lr 0.1, init_mag 0.2, batch size 16`."""
    told = ((short_name(name), shown(config, name)) for name in names)
    return ", ".join(f"{name} {value.text}" for name, value in told if value.applies)


def _own(settings: Mapping[str, Value]) -> dict[str, Value]:
    """The settings without those that do nothing."""
    inert = _inert(settings)
    return {name: value for name, value in settings.items() if name not in inert}


def _inert(settings: Mapping[str, Value]) -> frozenset[str]:
    """Settings that do nothing: FreeLB's one pass is the starting noise, and takes no step."""
    is_freelb = settings.get("adversary.method") in ("freelb", "freelb++")
    if is_freelb and settings.get("adversary.adv_steps") == 1:
        return frozenset({"adversary.adv_lr", "adversary.max_norm"})
    return frozenset()


def _resolve(name: str, names: Sequence[str]) -> str:
    """The dotted name that a table's section means; the name itself if no cell has it."""
    if name in names:
        return name
    matches = [each for each in names if name in (each.partition(".")[2], short_name(each))]
    return next(iter(by_section(matches)), name)


def _key(config: Configuration, name: str) -> str:
    """A setting's value as something to compare."""
    return json.dumps(config.settings[name]) if name in config.settings else ""


def _goes_with(
    configs: Sequence[Configuration], name: str, columns: str, ties: Sequence[set[str]]
) -> bool:
    """Whether the column's value settles a setting, by the space's `tie` or plainly by the data.

    In a random search every value stands once and would settle everything: that does not count.
    """
    pairs = {(_key(config, columns), _key(config, name)) for config in configs}
    heads = {head for head, _ in pairs}
    is_settled = len(pairs) == len(heads)
    is_tied = any({name, columns} <= group for group in ties)
    return is_settled and (is_tied or 1 < len(heads) < len(configs))
