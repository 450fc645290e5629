"""A table's sentences: headings, the clean arm, what a cell says, and how far the search is.

Room: results. Plain text, the same for every format; the formats escape and mark it.
"""

from collections.abc import Sequence
from statistics import fmean

from freelb_tune.errors import counted
from freelb_tune.results.tables.contents.axes import Shown, settings_text, shown
from freelb_tune.results.tables.contents.configuration import Configuration, Select, Spread
from freelb_tune.results.tables.contents.metric import Measure
from freelb_tune.results.tables.contents.table import Entry, Table
from freelb_tune.space.cells.naming import short_name
from freelb_tune.store import CellState

__all__ = [
    "clean_sentence",
    "configuration_name",
    "configuration_names",
    "column_label",
    "column_heading",
    "entry_notes",
    "entry_text",
    "model_place",
    "progress",
    "spread_text",
    "title",
]

_MANY = 3  # more clean arms than this are a range, and each row shows its own


def title(table: Table) -> str:
    """The table's title: `rte_grid: accuracy on RTE`."""
    return f"{table.name}: {table.measure.name} on {table.measure.task}"


def model_place(config: Configuration, name: str, table: Table) -> str:
    """Where a configuration's model is, `in best/`, or whose is there instead.

    Args:
        config: the best one, or the best one that perturbs.
        name: the folder that a search puts its model in.
        table: whose configurations are named.
    """
    places = {held: f"in {folder}/" for folder, held in table.models.items()}
    if config.config_id in places or not places:
        return places.get(config.config_id, f"in {name}/")
    if name not in table.models:
        return "not here"
    named = {each.config_id: configuration_name(each, table) for each in table.configurations}
    whose = named.get(table.models[name], "an earlier plan's cell")
    return f"not here: {name}/ holds that of {whose}"


def configuration_name(config: Configuration, table: Table) -> str:
    """How a sentence calls a configuration: `adv_lr 0.1, init_mag 0.2, batch size 16`."""
    is_clean = config.arm == "clean"
    start = ["clean arm"] if is_clean else []
    names = (n for n in table.told if not (is_clean and n.startswith("adversary.")))
    said = settings_text(config, names)
    return ", ".join([*start, *([said] if said else [])]) or "the adversarial arm"


def configuration_names(configs: Sequence[Configuration], table: Table) -> dict[str, str]:
    """What each is called, by id; no two alike, as the page's reader picks one by its name."""
    found: dict[str, str] = {}
    taken: set[str] = set()
    for config in configs:
        name = configuration_name(config, table)
        name = name if name not in taken else f"{name} ({config.config_id[:4]})"
        taken.add(name)
        found[config.config_id] = name
    return found


def column_label(table: Table, value: Shown) -> str:
    """What tells a column from the others: `batch size=16`; empty without a column setting."""
    name = table.layout.columns
    return "" if name is None else f"{short_name(name)}={value.text}"


def column_heading(
    table: Table, value: Shown, what: str | None = None, unit: str | None = None
) -> str:
    """A column's heading: `Best accuracy (batch size=16)`, `Best accuracy, fraction`."""
    epoch = "Best" if table.layout.select == "best_epoch" else "Last"
    said = what or f"{epoch} {table.measure.name}"
    label = column_label(table, value)
    return f"{said}{f', {unit}' if unit else ''}{f' ({label})' if label else ''}"


def clean_sentence(table: Table) -> str:
    """What the clean arm gives: "Under normal training (the clean arm), the accuracy is 80.14"."""
    subject = (
        f"Under normal training (the clean arm), the {table.measure.name} on {table.measure.task}"
    )
    if not table.clean:
        return f"{subject} was not measured: the clean arm is switched off."
    if len(table.clean) > _MANY:
        means = [s.mean for c in table.clean if (s := c.spread(table.layout.select))]
        if means:
            low, high = table.measure.show(min(means)), table.measure.show(max(means))
            count = counted(len(table.clean), "clean arm")
            some = "" if len(means) == len(table.clean) else f"{len(means)} of "
            return f"{subject} is {low} to {high} over {some}{count}."
        return f"{subject} is not known yet."
    names = _telling(table.clean)
    parts = [_clean_arm(config, names, table) for config in table.clean]
    if not any(config.spread(table.layout.select) for config in table.clean):
        return f"{subject} is not known: {'; '.join(parts)}."
    listed = parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
    return f"{subject} is {listed}."


def _telling(configs: Sequence[Configuration]) -> list[str]:
    """Dotted names of the settings that tell these configurations apart, the fewest that do."""
    names = list(dict.fromkeys(name for config in configs for name in config.settings))
    varying = [name for name in names if len({shown(c, name).text for c in configs}) > 1]
    alone = [n for n in varying if len({shown(c, n).text for c in configs}) == len(configs)]
    short = [name for name in alone if short_name(name) != name]
    return (short or alone)[:1] or varying


def _clean_arm(config: Configuration, names: Sequence[str], table: Table) -> str:
    """One clean arm: `80.14 ± 0.53 (batch size=16, n=2)`."""
    labels = [f"{short_name(name)}={shown(config, name).text}" for name in names]
    number = _number(config, table.layout.select, table.measure)
    notes, stops = _notes(config, table), _stops(config, table)
    if number is None:
        inside = ", ".join(labels)
        state = "; ".join([*stops, *notes])
    else:
        count = [f"n={config.finished}"] if config.planned > 1 else []
        inside = "; ".join(filter(None, [", ".join([*labels, *count]), *notes, *stops]))
        state = number
    return f"{state} ({inside})" if inside else state


def entry_text(entry: Entry, table: Table) -> str:
    """What a cell of the table says: `80.14`, or `80.14 ± 0.53 (n=2; 1 of 3 seeds failed)`."""
    config = entry.config
    number = _number(config, table.layout.select, table.measure)
    notes, stops = _notes(config, table), _stops(config, table)
    if number is None:
        return "; ".join([*stops, *notes])
    count = [f"n={config.finished}"] if config.planned > 1 else []
    inside = "; ".join([*count, *notes])
    return "; ".join([f"{number} ({inside})" if inside else number, *stops])


def entry_notes(entry: Entry, table: Table) -> str:
    """The same without its number: what stopped, failed or is still to come."""
    return "; ".join([*_stops(entry.config, table), *_notes(entry.config, table)])


def _number(config: Configuration, select: Select, measure: Measure) -> str | None:
    """Mean and deviation over the finished seeds; None if there is none."""
    spread = config.spread(select)
    return None if spread is None else spread_text(spread, measure)


def spread_text(spread: Spread | None, measure: Measure) -> str:
    """Mean and deviation, `80.14 ± 0.53`; "-" for none."""
    if spread is None:
        return "-"
    mean = measure.show(spread.mean)
    return mean if spread.sd is None else f"{mean} ± {measure.show(spread.sd)}"


def _notes(config: Configuration, table: Table) -> list[str]:
    """What keeps a configuration from being complete, early stops aside."""
    counts = [
        (config.count(CellState.FAILED), "failed"),
        (config.count(CellState.DIVERGED), "diverged"),
        (config.count(CellState.DROPPED), f"not run: {_out(table)}"),
        (config.count(CellState.WAITING, CellState.RUNNING), "to come"),
    ]
    if config.planned == 1:
        return [word for count, word in counts if count]
    many = f"{config.planned} {table.replicate}s"
    return [f"{count} of {many} {word}" for count, word in counts if count]


def _out(table: Table) -> str:
    """Why a configuration got no further seed, in a few words."""
    return "known not to gain the margin" if table.by_rounds else "out of the race"


def _stops(config: Configuration, table: Table) -> list[str]:
    """The early-stopped seeds: `stopped at epoch 2 (71.20)`, of several their mean."""
    by_epoch: dict[int, list[float]] = {}
    for each in config.stopped:
        value = each.value(table.layout.select)
        by_epoch.setdefault(each.epochs, []).extend([] if value is None else [value])
    said = []
    for epochs, values in by_epoch.items():
        count = f", n={len(values)}" if len(values) > 1 else ""
        had = f" ({table.measure.show(fmean(values))}{count})" if values else ""
        said.append(f"stopped at epoch {epochs}{had}")
    return said


def progress(table: Table) -> str:
    """How many cells are done: `12 of 20 cells done, 1 failed, 7 to come`."""
    counts = table.states
    total = sum(counts.values())
    if not total:
        return "No cells are planned."
    said = [f"{counts.get(CellState.DONE, 0)} of {counted(total, 'cell')} done"]
    for words, states in (
        ("stopped early", (CellState.STOPPED,)),
        ("failed", (CellState.FAILED,)),
        ("diverged", (CellState.DIVERGED,)),
        (f"not run for being {_out(table)}", (CellState.DROPPED,)),
        (f"not needed by the {table.algorithm or 'race'}", (CellState.SPARED,)),
        ("to come", (CellState.WAITING, CellState.RUNNING)),
    ):
        count = sum(counts.get(state, 0) for state in states)
        if count:
            said.append(f"{count} {words}")
    broken = counts.get(CellState.FAILED, 0) + counts.get(CellState.DIVERGED, 0)
    more = "; there is nothing to compare" if broken == total else ""
    more += "; trials.csv says why cells failed" if broken else ""
    return f"{', '.join(said)}{more}."
