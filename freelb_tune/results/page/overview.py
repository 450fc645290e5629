"""What a reader wants first: the verdict, the table, the best setting, and what it was run on.

Room: results. Texts and small tables, for the template.
"""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from freelb_tune.errors import FreeLBTuneError, counted
from freelb_tune.results.page.facts import facts_of, words_of
from freelb_tune.results.page.times import is_running, running_cells
from freelb_tune.results.tables.contents.axes import shown
from freelb_tune.results.tables.contents.configuration import Configuration, Select
from freelb_tune.results.tables.contents.table import Ranked, Table
from freelb_tune.results.tables.formats.footer import footnotes
from freelb_tune.results.tables.formats.grid import (
    Grid,
    Text,
    comparison_texts,
    score_text,
    seeds_text,
)
from freelb_tune.results.tables.formats.sentences import (
    clean_sentence,
    configuration_name,
    model_place,
    progress,
    title,
)
from freelb_tune.results.tables.robustness import (
    Robustness,
    robustness_grid,
    robustness_sentence,
    robustness_title,
)
from freelb_tune.space.cells.naming import short_name
from freelb_tune.store import Store, cells_left
from freelb_tune.store.disk.files import read_file

__all__ = ["Best", "Overview", "overview_of"]

_SHOWN = 12  # rows before the reader asks for more
_MOST_ROWS = 500
_MOST_SPACE = 100_000  # bytes


@dataclass(frozen=True)
class Best:
    """A selected configuration.

    Attributes:
        heading: what it is best of.
        name: its settings.
        score: its mean, with what it is of.
        place: where its model lies in the results folder, if it does.
        again: the command that trains its best cell again.
    """

    heading: str
    name: str
    score: str
    place: str
    again: str


@dataclass(frozen=True)
class Sets:
    """Both arms on every evaluation set.

    Attributes:
        title: what is compared.
        grid: a row for each set.
        sentence: what it shows.
        notes: how to read it.
    """

    title: str
    grid: Grid
    sentence: str
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Overview:
    """The top of the page.

    Attributes:
        title: of the search.
        state: "finished", "running", "interrupted", "planned".
        verdict: the sentence.
        clean: what the clean arm gives, in a sentence.
        progress: how many cells are where.
        share: of the cells that are over, from 0 to 1.
        grid: the result table, clean arms first.
        shown: how many of its rows are shown at once.
        left_out: rows that the page does not hold.
        best: the selected configurations.
        command: that ran the search; empty where the journal has none.
        space: the search space that it ran, as the results folder keeps it; empty without one.
        facts: heading and text: when, on what, from which data, at what cost.
        notes: the table's footer, and what the words are that it uses.
        sets: both arms on every evaluation set; None where there is the dev set alone.
    """

    title: str
    state: str
    verdict: str
    clean: str
    progress: str
    share: float
    grid: Grid
    shown: int
    left_out: int
    best: tuple[Best, ...]
    command: str
    space: str
    facts: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]
    sets: Sets | None = None


def overview_of(store: Store, table: Table, robustness: Robustness | None = None) -> Overview:
    """Put it together; `table` has its verdict, where there is one."""
    ranking = sorted(table.ranking, key=lambda each: each.entry.config.arm != "clean")
    over = sum(each.state.is_over for each in store.cells)
    command = _command(store)
    return Overview(
        title=title(table),
        state=_state(store),
        verdict=_verdict(store, table),
        clean=clean_sentence(table),
        progress=_progress(store, table),
        share=over / len(store.cells) if store.cells else 0.0,
        grid=_grid(ranking[:_MOST_ROWS], table),
        shown=max(_SHOWN, 1 + len(table.clean)),
        left_out=max(len(ranking) - _MOST_ROWS, 0),
        best=_bests(store, table, command),
        command=shlex.join(command),
        space=_space(store.folder),
        facts=tuple(facts_of(store, table)),
        notes=(*footnotes(table), *words_of(table)),
        sets=None if robustness is None else _sets(robustness),
    )


def _sets(found: Robustness) -> Sets:
    return Sets(
        robustness_title(found), robustness_grid(found), robustness_sentence(found), found.notes
    )


def _state(store: Store) -> str:
    if not cells_left(store) and store.cells:
        return "finished"
    if is_running(store):
        return "running"
    return "interrupted" if any(each.epochs for each in store.cells) else "planned"


def _progress(store: Store, table: Table) -> str:
    """How many cells are where, those that run now among them."""
    running = running_cells(store)
    if not running:
        return progress(table)
    waiting = [c for c in store.cells if not c.state.is_over and c.cell.id not in running]
    begun = sum(bool(each.epochs) for each in waiting)
    more = f", {begun} waiting to go on" if begun else ""
    return f"{progress(table)} {counted(len(running), 'cell')} running now{more}."


def _verdict(store: Store, table: Table) -> str:
    if table.verdict is not None:
        return table.verdict.sentence
    if store.cells and all(each.state.is_broken for each in store.cells):
        return "Every cell failed: there is nothing to compare."
    return "The verdict was not asked for here: freelb-tune report works it out."


def _command(store: Store) -> list[str]:
    """The latest command that ran the search."""
    opened = [event for event in store.events if event["event"] == "opened"]
    command = opened[-1].get("command") if opened else None
    return [str(word) for word in command] if isinstance(command, list) else []


def _space(folder: Path) -> str:
    """`space.yaml` as it stands: whoever has the page alone can run it again."""
    try:
        return read_file(folder / "space.yaml")[:_MOST_SPACE].decode("utf-8", "replace").strip()
    except (OSError, FreeLBTuneError):
        return ""


def _results(store: Store, command: Sequence[str]) -> str:
    """The results folder as the user's command leads to it."""
    base = "results"
    for word, following in zip(command, [*command[1:], ""], strict=False):
        if word == "--results" and following:
            base = following
        elif word.startswith("--results="):
            base = word.partition("=")[2]
    return f"{base.rstrip('/')}/{store.name}"


def _bests(store: Store, table: Table, command: Sequence[str]) -> tuple[Best, ...]:
    found = []
    if table.best is not None:
        is_clean = table.best.arm == "clean"
        heading = "Best by its mean: the clean arm" if is_clean else "Best by its mean"
        found.append(_best(heading, table.best, "best", store, table, command))
    if table.best_adversarial is not None:
        words = "Best that perturbs", table.best_adversarial, "best_adversarial"
        found.append(_best(*words, store, table, command))
    return tuple(found)


def _best(
    heading: str,
    config: Configuration,
    folder: str,
    store: Store,
    table: Table,
    command: Sequence[str],
) -> Best:
    spread = config.spread(table.layout.select)
    assert spread is not None  # it is complete
    sd = "" if spread.sd is None else f" ± {table.measure.show(spread.sd)}"
    seeds = [s for s in config.seeds if s.value(table.layout.select) is not None]
    top = max(seeds, key=lambda s: table.measure.sign * (s.value(table.layout.select) or 0.0))
    cells = [each.cell for each in store.cells]
    cell = next(c for c in cells if (c.config_id, c.block) == (config.config_id, top.block))
    return Best(
        heading=heading,
        name=configuration_name(config, table),
        score=f"{table.measure.name} {table.measure.show(spread.mean)}{sd} (n = {spread.n} "
        f"{table.replicate}{'s' * (spread.n != 1)})",
        place=model_place(config, folder, table),
        again=shlex.join(["freelb-tune", "rerun", _results(store, command), cell.id]),
    )


def _grid(ranking: Sequence[Ranked], table: Table) -> Grid:
    """One row per configuration: its place, what tells it apart, its numbers."""
    settings = table.swept
    compared = table.verdict is not None and bool(table.verdict.comparisons)
    which = "best epoch" if table.layout.select == "best_epoch" else "last epoch"
    other = "last epoch" if table.layout.select == "best_epoch" else "best epoch"
    header = (
        "rank",
        *(short_name(name) for name in settings),
        f"{table.measure.name}, {which}",
        f"{table.replicate}s",
        other,
        *(name.replace(".", " ") for name in table.further),
        *(("difference", "95 % interval", "adjusted p") if compared else ()),
    )
    rows = tuple(_row(each, table, settings, is_compared=compared) for each in ranking)
    return Grid(header, rows, 1 + len(settings))


def _row(
    ranked: Ranked, table: Table, settings: Sequence[str], *, is_compared: bool
) -> tuple[Text, ...]:
    entry, config, measure = ranked.entry, ranked.entry.config, table.measure
    place = "clean" if config.arm == "clean" else str(ranked.place or "-")
    spread = config.spread(table.layout.select)
    other: Select = "last_epoch" if table.layout.select == "best_epoch" else "best_epoch"
    score = score_text(config, table.layout.select, measure)
    if spread and spread.sd is not None:
        score += f" ± {measure.show(spread.sd)}"
    texts = [Text(place), *(Text(shown(config, name).text) for name in settings)]
    texts += [
        Text(score, entry.is_bold),
        Text(seeds_text(config, table)),
        Text(score_text(config, other, measure)),
    ]
    for name in table.further:
        found = config.spread(table.layout.select, name)
        texts.append(Text(measure.show(found.mean) if found else "-"))
    if is_compared:
        texts += [Text(each) for each in comparison_texts(entry.comparison, measure)]
    return tuple(texts)
