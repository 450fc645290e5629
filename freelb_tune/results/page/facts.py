"""The facts at the head of the page: what was tried, when, on what, over which data, at what cost.

Room: results. Headings and short texts, for the template.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from freelb_tune.errors import counted
from freelb_tune.results.page.times import moment, spent
from freelb_tune.results.tables.contents.axes import shown
from freelb_tune.results.tables.contents.cost import device_of
from freelb_tune.results.tables.contents.table import Table
from freelb_tune.space.cells.naming import short_name
from freelb_tune.space.settings.adversaries import ADVERSARIES
from freelb_tune.store import Store, cells_left, read_environment

__all__ = ["facts_of", "words_of"]

_MOST_VALUES = 6  # of a setting that were tried; of more the first and the last are named
_TRAINING = (
    "trainer.num_train_epochs",
    "trainer.learning_rate",
    "trainer.per_device_train_batch_size",
)


def facts_of(store: Store, table: Table) -> list[tuple[str, str]]:
    """What the reader may ask next."""
    unit, cost = device_of(store), spent(store)
    about = "not known yet" if cost.left is None else f"about {_hours(cost.left)}"
    left = [f"{about} left"] if cells_left(store) else []
    model = table.fixed.get("model.name")
    facts = [
        ("Tried", _tried(store, table)),
        ("Training", _training(table)),
        ("When", _when(store)),
        ("On", _machine(store.folder)),
        ("Data", _data(store, table)),
        ("Model", model.text if model else ""),
        (f"{unit[0].upper()}{unit[1:]}-hours", ", ".join([f"{_hours(cost.hours)} spent", *left])),
        ("Seeds", ", ".join(map(str, table.seeds))),
        ("Folds", f"{table.folds}, of the data above" if table.folds else ""),
        ("With", _versions(store.folder)),
    ]  # fmt: skip
    return [(heading, text) for heading, text in facts if text]


def words_of(table: Table) -> list[str]:
    """What a reader who has the page alone may not know: the arms, the methods, what was swept."""
    from freelb_tune.space.json_schema import meanings  # reads docstrings

    said = ["Clean arm: the same settings, seeds and data order, without perturbation."]
    tried = [each.settings for each in table.configurations if each.arm != "clean"]
    methods = dict.fromkeys(str(each.get("adversary.method")) for each in tried)
    known = {name: ADVERSARIES[name] for name in methods if name in ADVERSARIES}
    for name, kind in known.items():
        first, _, _ = (kind.__doc__ or "").partition("\n\n")
        said.append(f"{name}: {' '.join(first.split())}")
    for name in (each.removeprefix("adversary.") for each in table.swept):
        found = (meanings(kind).get(name) for kind in known.values())
        said += [f"{name}: {text}" for text in [next(filter(None, found), None)] if text]
    return [each.replace("`", "") for each in said] if tried else []


def _tried(store: Store, table: Table) -> str:
    """How many configurations, of which methods and values."""
    known = {each.config_id: each for each in table.configurations if each.arm != "clean"}
    order = dict.fromkeys(each.cell.config_id for each in store.cells)  # as they were planned
    configs = [known[each] for each in order if each in known]
    clean = f" and {counted(len(table.clean), 'clean arm')}" if table.clean else ""
    said = [f"{counted(len(configs), 'configuration')}{clean}"]
    for name in dict.fromkeys(["adversary.method", *table.swept]):
        values = list(dict.fromkeys(shown(each, name).text for each in configs))
        if len(values) > _MOST_VALUES:
            values = [f"{len(values)} values from {values[0]} to {values[-1]}"]
        said += [f"{short_name(name)} {', '.join(values)}"] if values else []
    return "; ".join(said)


def _training(table: Table) -> str:
    """What all share of how long and how fast they were trained."""
    found = [f"{short_name(n)} {table.fixed[n].text}" for n in _TRAINING if n in table.fixed]
    return ", ".join(found)


def _hours(hours: float) -> str:
    return f"{hours:.2g}" if hours < 10 else f"{hours:,.0f}"


def _when(store: Store) -> str:
    times = [at for event in store.events if (at := moment(event.get("at"))) is not None]
    if not times:
        return ""
    first, last = min(times), max(times)
    end = f"{last:%H:%M}" if first.date() == last.date() else f"{last:%Y-%m-%d %H:%M}"
    return f"{first:%Y-%m-%d %H:%M} to {end} UTC"


def _machine(folder: Path) -> str:
    facts: Mapping[str, Any] = read_environment(folder)
    devices = facts.get("devices")
    named = [str(each) for each in devices] if isinstance(devices, list) else []
    if named or not facts:
        return ", ".join(dict.fromkeys(named))
    cores = facts.get("cpu_count")
    has = f", {counted(cores, 'core')}" if isinstance(cores, int) else ""
    return f"{facts.get('cpu') or 'CPU'}{has}"


def _versions(folder: Path) -> str:
    packages = read_environment(folder).get("packages")
    if not isinstance(packages, dict):
        return ""
    names = ("freelb-tune", "torch", "transformers")
    return ", ".join(f"{name} {packages[name]}" for name in names if packages.get(name))


def _data(store: Store, table: Table) -> str:
    """The task, where its rows come from, and their fingerprint."""
    if not store.cells:
        return table.measure.task
    cell = store.cells[0].cell
    source = [
        f"{short_name(name).removeprefix('data.')} {value.text}"
        for name, value in table.fixed.items()
        if name.startswith("data.") and value.value is not None
    ]
    prints = dict.fromkeys(each.cell.data_fingerprint for each in store.cells)
    said = cell.data_fingerprint if len(prints) == 1 else f"{len(prints)} data sets"
    known = store.lengths.get((cell.data_fingerprint, cell.weights, cell.data.max_length))
    if known and len(prints) == 1:
        source += [f"{each.texts:,} examples of {name}" for name, each in known.sets.items()]
    return f"{table.measure.task}{': ' if source else ''}{', '.join(source)} (fingerprint {said})"
