"""Searches on several tasks as one GLUE table of numbers. Rendering is elsewhere.

Room: results. Results folders in, one frozen object out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from freelb_tune.errors import FreeLBTuneError
from freelb_tune.results.glue.models import (
    given_names,
    model_names,
    models_of,
    refuse_twice,
    whose,
)
from freelb_tune.results.glue.published import Figure, figures_for
from freelb_tune.results.tables.contents.building import build_table
from freelb_tune.results.tables.contents.configuration import Configuration, Spread
from freelb_tune.results.tables.contents.table import Table
from freelb_tune.store import Store, load_store
from freelb_tune.tasks import GLUE, Glue, Task, get_task

__all__ = ["CONTROLS", "Average", "Chosen", "GlueRow", "GlueTable", "build_glue"]

CONTROLS = ("noise", "repeat", "rdrop", "sam", "asam")
"""Methods without an adversary: they show what adversarial training is worth, and are not it."""


@dataclass(frozen=True)
class Chosen:
    """The configuration that stands for an arm: the best by its mean among those tried.

    Attributes:
        config: its results.
        tried: configurations of the arm that have been begun.
        spreads: its metrics over the finished seeds, in the order of the row's `metrics`; None
            for one that was not measured.
    """

    config: Configuration
    tried: int
    spreads: tuple[Spread | None, ...]

    @property
    def score(self) -> float | None:
        """The task's score: the mean over its metrics, as GLUE has it."""
        means = [spread.mean for spread in self.spreads if spread]
        return fmean(means) if means else None


@dataclass(frozen=True)
class GlueRow:
    """One task of one model.

    Attributes:
        task: the task.
        glue: what GLUE knows of it.
        model: the model's name as printed.
        folder: the results folder.
        table: the search's own table.
        metrics: what is shown, by the names under which it is stored.
        normal: the clean arm; None where no seed of it has finished.
        adversarial: the same of adversarial training.
        figures: published clean arm, and the published figure of the method in
            `adversarial`; None where there is none of this model and task.
    """

    task: Task
    glue: Glue
    model: str
    folder: Path
    table: Table
    metrics: tuple[str, ...]
    normal: Chosen | None
    adversarial: Chosen | None
    figures: tuple[Figure | None, Figure | None]


@dataclass(frozen=True)
class Average:
    """A mean over tasks; both arms over the same ones.

    Attributes:
        model: whose.
        tasks: titles of the tasks in it.
        has_omitted: whether a task that papers omit is one of them; None where that was never in
            question.
        normal: mean of the tasks' scores; None where no task has one.
        adversarial: the same.
    """

    model: str
    tasks: tuple[str, ...]
    has_omitted: bool | None
    normal: float | None
    adversarial: float | None


@dataclass(frozen=True)
class GlueTable:
    """Everything that the table says.

    Attributes:
        rows: in GLUE's order, models in the order in which they were named.
        averages: one or two for each model.
        models: names as printed.
        figures: every published figure of these models that has one of the tasks.
    """

    rows: tuple[GlueRow, ...]
    averages: tuple[Average, ...]
    models: tuple[str, ...]
    figures: tuple[Figure, ...]


def build_glue(folders: Sequence[Path], *, mixed: bool = False) -> GlueTable:
    """Put searches into one table.

    Args:
        folders: results folders, each of another GLUE task, or with `mixed` of another model.
        mixed: allow several models.

    Raises:
        FreeLBTuneError: a folder is no results folder, its task is not GLUE's, a task stands
            twice, or several models are mixed without `mixed`.
    """
    stores = [_load(folder) for folder in folders]
    names = model_names(stores)
    refuse_twice(stores, names)
    if len(names) > 1 and not mixed:
        raise FreeLBTuneError(
            f"{len(names)} models in one table: {whose(stores, names)}; their figures do not "
            "compare: name searches of one model, or add --mixed for a column that says which"
        )
    found = [_row(store, key, name) for store in stores for key, name in models_of(store, names)]
    rows = sorted(found, key=lambda row: GLUE.index(row.task))  # stable: models stay in order
    given = [name for weights in names for each in stores for name in given_names(each, weights)]
    named = [figure for name in given for figure in figures_for(name)]
    tasks = {row.task.name for row in rows}
    figures = {id(figure): figure for figure in named if tasks & set(figure.scores)}
    return GlueTable(
        rows=tuple(rows),
        averages=tuple(each for name in names.values() for each in _averages(rows, name)),
        models=tuple(names.values()),
        figures=tuple(figures.values()),
    )


def _load(folder: Path) -> Store:
    store = load_store(folder)
    if not store.cells:
        raise FreeLBTuneError(f"{folder}: no cell was ever planned here; run its search first")
    if store.task not in (known := [task.name for task in GLUE]):
        raise FreeLBTuneError(
            f"{folder}: its task {store.task!r} is not one of GLUE's: {', '.join(known)}"
        )
    return store


def _row(store: Store, weights: str, model: str) -> GlueRow:
    """One task of one model."""
    table = build_table(store)
    own = {each.cell.config_id for each in store.cells if each.cell.weights == weights}
    known = {name for each in store.cells for record in each.epochs for name in record.metrics}
    task = get_task(store.task)
    assert task.glue is not None  # the folder was refused otherwise
    reported = task.glue.reported
    metrics = tuple(name for name in reported if name in known) or reported[:1]
    ranked = [r.entry.config for r in table.ranking if r.entry.config.config_id in own]
    tried = [
        config
        for config in ranked
        if config.arm != "clean" and config.settings.get("adversary.method") not in CONTROLS
    ]
    clean = [config for config in table.clean if config.config_id in own]
    adversarial = _choose(tried, table, metrics)
    named = [figure for name in given_names(store, weights) for figure in figures_for(name)]
    figures = [figure for figure in named if store.task in figure.scores]
    method = adversarial.config.settings.get("adversary.method") if adversarial else None
    return GlueRow(
        task=task,
        glue=task.glue,
        model=model,
        folder=store.folder,
        table=table,
        metrics=metrics,
        normal=_choose(clean, table, metrics),
        adversarial=adversarial,
        figures=(
            next((figure for figure in figures if figure.adversary == "none"), None),
            next((figure for figure in figures if figure.adversary == method), None),
        ),
    )


def _choose(
    configs: Sequence[Configuration], table: Table, metrics: Sequence[str]
) -> Chosen | None:
    """The best complete configuration by its mean; without a complete one, the best of the rest."""
    select, sign = table.layout.select, table.measure.sign
    known = [config for config in configs if config.spread(select)]
    if not known:
        return None
    best = min(known, key=lambda config: config.standing(select, sign).order)
    begun = sum(any(each.epochs for each in config.seeds) for config in configs)
    return Chosen(best, begun, tuple(best.spread(select, name) for name in metrics))


def _averages(rows: Sequence[GlueRow], model: str) -> list[Average]:
    """The mean over a model's tasks; also without those that papers omit, if any is among them."""
    own = [row for row in rows if row.model == model]
    arms = [[_score(row.normal) for row in own], [_score(row.adversarial) for row in own]]
    measured = [arm for arm in arms if any(score is not None for score in arm)]
    full = [
        row
        for place, row in enumerate(own)
        if measured and all(arm[place] is not None for arm in measured)
    ]
    rest = [row for row in full if not row.glue.is_omitted]
    if len(rest) == len(full):
        return [_average(full, model, None)] if full else []
    return [_average(full, model, True), *([_average(rest, model, False)] if rest else [])]


def _score(chosen: Chosen | None) -> float | None:
    return chosen.score if chosen else None


def _average(rows: Sequence[GlueRow], model: str, has_omitted: bool | None) -> Average:
    """The mean over rows that all have a score."""
    normal = [score for row in rows if (score := _score(row.normal)) is not None]
    adversarial = [score for row in rows if (score := _score(row.adversarial)) is not None]
    return Average(
        model=model,
        tasks=tuple(row.task.title for row in rows),
        has_omitted=has_omitted,
        normal=fmean(normal) if normal else None,
        adversarial=fmean(adversarial) if adversarial else None,
    )
