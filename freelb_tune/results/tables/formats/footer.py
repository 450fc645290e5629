"""A table's footer: what its numbers are, what is missing, and what the statistics rest on.

Room: results. Plain text, the same for every format; the formats escape and mark it.
"""

from freelb_tune.errors import counted
from freelb_tune.results.tables.contents.axes import settings_text
from freelb_tune.results.tables.contents.configuration import Configuration
from freelb_tune.results.tables.contents.table import Table
from freelb_tune.results.tables.formats.sentences import configuration_name, model_place, progress
from freelb_tune.space.cells.naming import short_name
from freelb_tune.store import CellState

__all__ = ["footnotes", "limits", "warnings"]

_NAMED = 5  # most damaged cells that the footer names


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
    if not table.by_rounds and {CellState.DROPPED, CellState.SPARED} & set(table.states):
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
    said = f"Best by its mean: {_with_mean(table.best, table)}, the model "
    said += model_place(table.best, "best", table)
    if table.best_adversarial is not None:
        other = _with_mean(table.best_adversarial, table)
        place = model_place(table.best_adversarial, "best_adversarial", table)
        said += f"; best that perturbs: {other}, {place}"
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
        f"each {table.replicate} counts with its best epoch, chosen on the same dev set, so scores "
        "look better than they are"
        if table.layout.select == "best_epoch"
        else f"each {table.replicate} counts with its last epoch"
    )
    where = f"the {table.folds} folds" if table.folds else "the dev set"
    return (
        f"Shown: {table.measure.name} on {where} of {table.measure.task}, {unit}"
        f"{table.measure.better} is better; {epoch}."
    )


def _seeds(table: Table) -> str:
    """The seeds, and what stands behind the sign."""
    listed = ", ".join(str(seed) for seed in table.seeds)
    if table.folds:
        return (
            f"{table.folds} folds x {counted(len(table.seeds), 'seed')} planned for each "
            f"configuration (seeds {listed}); every row is judged once for each seed, by a model "
            "that was not trained on it. Mean ± sample standard deviation over the n cells that "
            "finished."
        )
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
        case "at_least_clean" | "significant" if is_early:
            return "Nothing is bold before the verdict."
        case "at_least_clean":
            return (
                f"Bold: at least its clean arm over the same {table.replicate}s; chance is not "
                "ruled out."
            )
        case "best":
            return "Bold: the best of its column; chance is not ruled out."
        case "significant" if table.verdict is None:
            return "Nothing is bold: whether chance explains the differences was not worked out."
        case "significant":
            luck = "folds and seeds" if table.folds else "seeds"
            return f"Bold: better than its clean arm by more than the luck of {luck} explains."
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
