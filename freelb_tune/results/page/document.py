"""The page put together: data, figures, one template and the libraries it needs, in one file.

Room: results. Jinja2 escapes every text; data stands in one block of JSON in which no character can
end the block. Nothing is fetched when the page is opened, and its own rule forbids it to.
"""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from freelb_tune.results.page.cells import cells_of
from freelb_tune.results.page.figures.best_of import best_of
from freelb_tune.results.page.figures.curves import curves
from freelb_tune.results.page.figures.decisions import rounds, rungs
from freelb_tune.results.page.figures.figure import Figure
from freelb_tune.results.page.figures.progress import best_so_far, time_line
from freelb_tune.results.page.figures.seeds import seeds
from freelb_tune.results.page.figures.settings import importance, parallel
from freelb_tune.results.page.overview import overview_of
from freelb_tune.results.page.predictions import class_names, named, predictions_of
from freelb_tune.results.page.times import running_cells, spans
from freelb_tune.results.tables.contents.pending import pending
from freelb_tune.results.tables.contents.table import Table
from freelb_tune.results.tables.formats.sentences import configuration_names
from freelb_tune.store import CellState, Store
from freelb_tune.tasks import TASKS

if TYPE_CHECKING:
    from jinja2 import Template

    from freelb_tune.results.tables.contents.tuning import Choosing
    from freelb_tune.results.tables.robustness import Robustness

__all__ = ["page_data", "plotly_script", "to_html"]


def to_html(
    store: Store,
    table: Table,
    choosing: "Choosing | None" = None,
    texts: Mapping[int, tuple[str, ...]] | None = None,
    live: str | None = None,
    robustness: "Robustness | None" = None,
) -> str:
    """The page.

    Args:
        store: what is known.
        table: the table of it, with its verdict where one was asked for.
        choosing: what choosing does; None where no verdict was asked for.
        texts: the dev examples in words, by number, of which the page takes those that it names;
            None for none, as data may be private.
        live: the mark of what is shown, for a page that is served and asks for news; None for a
            file that has everything in itself.
        robustness: both arms on every evaluation set; None where there is the dev set alone.
    """
    figures = figures_of(store, table, choosing)
    data = page_data(store, table, choosing, texts or {})
    data["figures"] = {each.name: each.plot for each in figures}
    return _template().render(
        top=overview_of(store, table, robustness),
        data=data,
        figures=figures,
        style=_own("page.css"),
        script=_own("page.js"),
        plotly="" if live else plotly_script(),
        live=live,
    )


def page_data(
    store: Store,
    table: Table,
    choosing: "Choosing | None",
    texts: Mapping[int, tuple[str, ...]],
) -> dict[str, Any]:
    """What the page's own script reads, ready for JSON; the figures aside."""
    is_judged = choosing is not None and pending(store) is None
    predictions = predictions_of(store, table) if is_judged else None
    measure = table.measure
    return {
        "metric": {
            "name": measure.name,
            "better": measure.better,
            "scale": measure.scale,
            "digits": measure.digits,
        },
        "replicate": table.replicate,
        "errors": _errors(store),
        "lossUnit": _loss_unit(store),
        "cells": cells_of(store, table, running_cells(store), store.labels),
        "predictions": predictions,
        "classes": class_names(store),
        "pair": [one.setting for one in choosing.importance[:2]] if choosing else [],
        "texts": {str(n): list(texts[n]) for n in named(predictions or {}) if n in texts},
        "states": [state.value for state in CellState],
    }


def figures_of(store: Store, table: Table, choosing: "Choosing | None") -> list[Figure]:
    """The figures that this search has, in order."""
    ran = spans(store)
    names = store.labels
    configs = configuration_names(table.configurations, table)
    found = [
        curves(store, table, configs),
        seeds(table, configs),
        best_so_far(store, table, ran, names),
        parallel(table),
        importance(choosing),
        best_of(table, choosing),
        rungs(store, table, configs),
        rounds(store, configs),
        time_line(store, ran, names),
    ]
    return [figure for figure in found if figure is not None]


def _errors(store: Store) -> list[str]:
    """The task's metrics that are errors, and no fractions."""
    known = TASKS[store.task].metrics if store.task in TASKS else ()
    return [each.name for each in known if each.better == "lower"]


def _loss_unit(store: Store) -> str:
    """What training and dev losses are in."""
    is_real = store.task in TASKS and TASKS[store.task].kind == "regression"
    return "squared units of the values" if is_real else "nats"


@cache
def _template() -> "Template":
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    environment.policies["json.dumps_kwargs"] = {"separators": (",", ":"), "allow_nan": False}
    return environment.from_string(_own("page.html"))


@cache
def _own(name: str) -> str:
    return (files("freelb_tune.results.page") / name).read_text("utf-8")


@cache
def plotly_script() -> str:
    """plotly's script, without loading plotly."""
    found = find_spec("plotly")
    assert found is not None  # it is a requirement of the package
    assert found.origin is not None
    return (Path(found.origin).parent / "package_data" / "plotly.min.js").read_text("utf-8")
