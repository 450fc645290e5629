"""A table's sentences: headings, the baseline, what a cell says, and the footer.

Room: results. Plain text, the same for every format; the formats escape and mark it.
"""

from collections.abc import Sequence
from statistics import fmean

from freelb_tune.errors import counted
from freelb_tune.results.tables.axes import Shown, settings_text, shown
from freelb_tune.results.tables.configuration import Configuration, Select
from freelb_tune.results.tables.metric import Measure
from freelb_tune.results.tables.table import Entry, Table
from freelb_tune.space.naming import short_name
from freelb_tune.store import CellState

__all__ = [
    "clean_sentence",
    "configuration_name",
    "column_label",
    "column_heading",
    "entry_notes",
    "entry_text",
    "footnotes",
    "limits",
    "progress",
    "title",
    "warnings",
]

_NAMED = 5  # most damaged cells that the footer names
_MANY = 6  # more clean arms than this are a range, and each row shows its own


def title(table: Table) -> str:
    """The table's title: `rte_grid: accuracy on RTE`."""
    return f"{table.name}: {table.measure.name} on {table.measure.task}"


def configuration_name(config: Configuration, table: Table) -> str:
    """How a sentence calls a configuration: `adv_lr 0.1, init_mag 0.2, bsz 16`."""
    start = ["clean arm"] if config.arm == "clean" else []
    said = settings_text(config, table.rank_names)
    return ", ".join([*start, *([said] if said else [])]) or "the adversarial arm"


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
            return f"{subject} is {low} to {high} over {len(table.clean)} clean arms."
        return f"{subject} is not known yet."
    names = _telling(table.clean)
    parts = [_baseline(config, names, table) for config in table.clean]
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


def _baseline(config: Configuration, names: Sequence[str], table: Table) -> str:
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
    if spread is None:
        return None
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
    return [f"{count} of {config.planned} seeds {word}" for count, word in counts if count]


def _out(table: Table) -> str:
    """Why a configuration got no further seed, in a few words."""
    return "known not to gain the margin" if table.algorithm == "verdict" else "out of the race"


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


def footnotes(table: Table) -> tuple[str, ...]:
    """The footer, one sentence or two each: what the numbers are and what is missing."""
    notes = [
        progress(table),
        *_damaged(table),
        _same(table),
        _end(table),
        _best(table),
        _what(table),
        _seeds(table),
        _bold(table),
    ]
    names = [short_name(name) for name in table.layout.added]
    if names:
        notes.append(f"Added to the rows, because it varies: {', '.join(names)}.")
    if table.layout.same and table.ranking:
        fixed = settings_text(table.ranking[0].entry.config, table.layout.same)
        notes.append(f"The same in all rows: {fixed}.")
    if table.layout.tied and table.layout.columns:
        tied = ", ".join(short_name(name) for name in table.layout.tied)
        notes.append(f"Goes with {short_name(table.layout.columns)}: {tied}.")
    seen = [tuple(value.text for value in row.settings) for row in table.rows]
    if len(set(seen)) < len(seen):
        notes.append("Rows that look alike differ only in settings that do nothing there.")
    if table.algorithm != "verdict" and {CellState.DROPPED, CellState.SPARED} & set(table.states):
        notes.append(
            "A race: every configuration gets two seeds, those still in contention more; the truly "
            "best one is tested out with at most 5 % chance, and a budget's cuts have no error "
            "rate. trials.csv says why each cell was not run."
        )
    if table.others:
        notes.append(f"Not shown: {counted(table.others, 'cell')} of earlier plans.")
    notes += _ranking_notes(table)
    notes += [_trained_on(table), *table.cut]
    if table.verdict:
        notes += table.verdict.footnotes
    return tuple(note for note in notes if note)


def warnings(table: Table) -> list[str]:
    """What is lost, and what ended the search before its cells were over."""
    return [*_damaged(table), *filter(None, [_end(table)])]


def _end(table: Table) -> str:
    """The limit that ended the search, where one did."""
    if table.end is None:
        return ""
    limit = f"{table.end.limit:g}"
    said = {
        "wall_hours": f"{limit} h had passed; the same command goes on",
        "device_hours": f"{limit} device-hours are spent; a higher limit goes on",
        "samples": f"{counted(int(table.end.limit), 'configuration')} proposed",
    }
    return f"Ended by search.{table.end.by}: {said.get(table.end.by, f'it is {limit}')}."


def _same(table: Table) -> str:
    """The configurations that train the same as another, the first few by name."""
    configs = {e.config.config_id: e.config for row in table.rows for e in row.entries if e}
    configs |= {config.config_id: config for config in table.clean}
    named = [
        f"{configuration_name(config, table)} as {configuration_name(configs[of], table)}"
        for config in configs.values()
        if (of := config.same_as) in configs and of is not None
    ]
    if not named:
        return ""
    more = f"; and {len(named) - _NAMED} more" if len(named) > _NAMED else ""
    return (
        f"Trains the same, so it was run once for both and counts once: {'; '.join(named[:_NAMED])}"
        f"{more}."
    )


def _damaged(table: Table) -> list[str]:
    """The cells whose numbers are lost, the first few by name."""
    named = [f"Not counted: {each}." for each in table.damaged[:_NAMED]]
    more = len(table.damaged) - len(named)
    named += [f"Not counted: {more} more, which trials.csv names."] if more else []
    advice = "Restore these logs from a copy, or run the search again: it trains their cells anew."
    return [*named, advice] if named else []


def _best(table: Table) -> str:
    """Whose models the results folder holds: the same "best" as in `best/`'s own words."""
    if table.best is None:
        return ""
    said = f"Best by its mean: {_with_mean(table.best, table)}, the model in best/"
    if table.best_adversarial is not None:
        other = _with_mean(table.best_adversarial, table)
        said += f"; best that perturbs: {other}, in best_adversarial/"
    return f"{said}."


def _with_mean(config: Configuration, table: Table) -> str:
    spread = config.spread(table.layout.select)
    assert spread is not None  # it is complete
    return f"{configuration_name(config, table)} ({table.measure.show(spread.mean)})"


def _ranking_notes(table: Table) -> list[str]:
    """What the ranking's further columns are."""
    notes = []
    if table.further:
        names = ", ".join(name.replace(".", " ") for name in table.further)
        notes.append(f"In the ranking, {names}: the mean at the epoch that counts for each seed.")
    if table.costs:
        device = table.costs.device
        memory = f"most memory that {'the device' if device != 'CPU' else 'a process'} held"
        notes.append(
            "Cost of one cell, mean over the finished seeds: passes, forward and backward passes "
            f"of mini-batches; {device}-hours, wall time of training and evaluation times the "
            f"devices of a trial, another in each run; peak GiB, {memory}."
        )
    return notes


def _what(table: Table) -> str:
    """The metric, the dev set, and which epoch counts."""
    unit = "in percent, " if table.measure.better == "higher" else ""
    epoch = (
        "each seed counts with its best epoch, chosen on the same dev set: it looks too good"
        if table.layout.select == "best_epoch"
        else "each seed counts with its last epoch"
    )
    return (
        f"Shown: {table.measure.name} on the dev set of {table.measure.task}, {unit}"
        f"{table.measure.better} is better; {epoch}."
    )


def _seeds(table: Table) -> str:
    """The seeds, and what stands behind the sign."""
    listed = ", ".join(str(seed) for seed in table.seeds)
    if len(table.seeds) == 1:
        return f"One seed ({listed}): nothing here tells how much a seed alone moves these numbers."
    return (
        f"{len(table.seeds)} seeds planned for each configuration ({listed}); mean ± sample "
        "standard deviation over the n that finished."
    )


def _bold(table: Table) -> str:
    """What bold means."""
    is_early = table.end is None and not all(state.is_over for state in table.states)
    match table.layout.bold:
        case "at_least_baseline" | "significant" if is_early:
            return "Nothing is bold before the verdict."
        case "at_least_baseline":
            return "Bold: at least its clean arm over the same seeds; chance is not ruled out."
        case "best":
            return "Bold: the best of its column; chance is not ruled out."
        case "significant" if table.verdict is None:
            return "Nothing is bold: whether chance explains the differences was not worked out."
        case "significant":
            return "Bold: better than its clean arm by more than the luck of seeds explains."
        case "none":
            return ""


def _trained_on(table: Table) -> str:
    """The model, and limits on the data, where all cells share them."""
    said = []
    if "model.name" in table.fixed:
        said.append(f"Model: {table.fixed['model.name'].text}.")
    return " ".join([*said, *limits(table)])


def limits(table: Table) -> list[str]:
    """Limits on the data that all cells share, a sentence each."""
    said = []
    for name, words in (
        ("data.max_train_examples", "Trained on at most {} examples."),
        ("data.max_eval_examples", "Evaluated on at most {} examples of each dev set."),
    ):
        limit = table.fixed.get(name)
        if limit is not None and limit.value is not None:
            said.append(words.format(limit.text))
    return said
