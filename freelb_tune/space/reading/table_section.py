"""How a space's table is laid out: its own words, or the searched settings.

Room: space.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from freelb_tune.errors import unknown_name
from freelb_tune.space.checking.checks import known_settings, read_section, wrong_key
from freelb_tune.space.problems import Problems
from freelb_tune.space.reading.layers import Layer
from freelb_tune.space.settings.adapters import ADAPTER, ADAPTER_TYPE
from freelb_tune.space.settings.sections import SEARCHED, TableConfig

__all__ = ["read_table"]

_BATCH = "trainer.per_device_train_batch_size"
_ALIASES = {"bsz": _BATCH, "batch_size": _BATCH, "adapter": ADAPTER_TYPE}


def read_table(
    content: Mapping[str, Any], layers: Sequence[Layer], problems: Problems
) -> TableConfig:
    """The section `table`, with settings by their dotted names.

    Rows default to the searched adversary settings, in the file's order; columns to the spanned
    batch size, else the first spanned trainer setting. A drawn setting has too many values for
    columns.

    Args:
        content: the file, its shorthands spelt out.
        layers: what is searched.
        problems: takes down what is wrong.
    """
    table = read_section(content, "table", TableConfig, problems)
    given = content.get("table")
    says = given.keys() if isinstance(given, dict) else ()
    columns = _named("columns", [table.columns] if table.columns else [], problems)
    rows = _named("rows", table.rows or [], problems)
    if "columns" not in says:
        spanned = dict.fromkeys(key for layer in layers for key in layer.grid)
        free = [key for key in spanned if key.startswith("trainer.") and key not in rows]
        columns = [_BATCH] if _BATCH in free else free[:1]
    if "rows" not in says:
        searched = {key for layer in layers for key in (*layer.drawn, *layer.grid)}
        known = dict.fromkeys(key for layer in layers for key in layer.keys)
        rows = [key for key in known if key in searched and key.startswith("adversary.")]
    for name in set(rows) & set(columns):
        problems.add("table.columns", f"{name} stands in rows too; take it out of one")
    resolved = {"rows": rows or None, "columns": columns[0] if columns else None}
    return table.model_copy(update=resolved)


def _named(key: str, names: Sequence[str], problems: Problems) -> list[str]:
    """The dotted names of settings that may be written short."""
    known = [f"{section}.{name}" for section in SEARCHED for name in known_settings(section)]
    found: list[str] = []
    for name in names:
        inside = f"model.{name.removeprefix('model.')}"
        if inside.startswith(f"{ADAPTER}."):  # of any type, by peft's name
            wrong = wrong_key("model", inside.removeprefix("model."))
            if wrong:
                problems.add(f"table.{key}", wrong)
            found.append(inside)
            continue
        full = [each for each in known if name in (each, each.partition(".")[2])]
        full = [_ALIASES[name]] if name in _ALIASES else full
        if len(full) == 1:
            found += full
        elif full:
            problems.add(f"table.{key}", f"{name!r} may be {' or '.join(full)}; write one of them")
        else:
            leaves = {each.partition(".")[2] for each in known}
            hint = unknown_name(name, leaves).split("known:")[0].rstrip("; ")
            problems.add(f"table.{key}", f"{hint}; name a setting, such as adv_lr")
    return list(dict.fromkeys(found))
