"""A search in a terminal: a table that fits, what runs, the verdict, and where the files are.

Room: watching. Where the width does not hold every column, the least important ones go; what tells
configurations apart is never cut.
"""

from collections.abc import Iterator
from pathlib import Path
from textwrap import fill

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group, RenderableType
from rich.measure import Measurement
from rich.table import Table as RichTable
from rich.text import Text

from freelb_tune.results.tables.formats.grid import Grid
from freelb_tune.watching.snapshot import Snapshot, duration

__all__ = ["console_for", "show_end", "status_of"]

_MOST_ROWS = 20
_SPARED = ("last epoch", "best epoch", "adjusted p", "95 % interval")  # the first goes first
_REPLICATES = ("seeds", "cells")  # a column that also says which of them are missing, and why
_UNBOUNDED = 10_000
_WRAP = 14  # of texts that are no numbers, where the table fits no other way
_LOG_WIDTH = 200  # of what is no terminal: nothing wraps


def console_for(file: object) -> Console:
    """A console on a stream; a file or a pipe is as wide as a table needs."""
    console = Console(file=file, highlight=False)  # type: ignore[arg-type]
    return console if console.is_terminal else Console(file=console.file, width=_LOG_WIDTH)


def status_of(found: Snapshot, console: Console, most_rows: int = _MOST_ROWS) -> RenderableType:
    """Everything that `freelb-tune status` shows."""
    top = found.overview
    lines: list[RenderableType] = [
        Text(top.title, style="bold"),
        Text(f"{top.state}: {top.progress}"),
    ]
    if found.elapsed is not None:
        lines.append(Text(f"time: {duration(found.elapsed)}{_left(found)}"))
    lines += [Text(f"{heading}: {text}") for heading, text in top.facts if "hours" in heading]
    lines += [Text(each, style="yellow") for each in found.warnings]
    if found.running:
        lines.append(_running(found))
    lines += [Text(top.clean), _results(top.grid, console, most_rows)]
    lines.append(Text(top.verdict, style="bold"))
    lines += _where(found.folder)
    return Group(*lines)


def show_end(found: Snapshot, out: Console, aside: Console) -> None:
    """What a search ends in: data to `out`, where things are to `aside`."""
    top = found.overview
    whole = not out.is_terminal  # a log's lines stay whole; a terminal's end between words
    out.print(Text(top.title, style="bold"), soft_wrap=whole)
    out.print(Text(top.clean), soft_wrap=whole)
    out.print(_results(top.grid, out, _MOST_ROWS))
    out.print(Text(top.verdict, style="bold"), soft_wrap=whole)
    for each in (top.progress, *found.warnings):
        out.print(Text(each), soft_wrap=whole)
    for line in _where(found.folder):
        aside.print(line, soft_wrap=True)


def _left(found: Snapshot) -> str:
    return "" if found.left is None else f"; about {duration(found.left)} left"


def _running(found: Snapshot) -> RichTable:
    """The cells that are being trained."""
    measure = found.table.measure
    table = RichTable(box=SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
    table.add_column("running", overflow="fold")
    table.add_column("epoch", justify="right")
    table.add_column(measure.name, justify="right")
    for each in found.running:
        score = "-" if each.score is None else measure.show(each.score)
        table.add_row(Text(each.name), str(each.epoch), score)
    return table


def _results(grid: Grid, console: Console, most_rows: int) -> RenderableType:
    """The result table, as wide as the console at most."""
    anywhere = console.options.update(width=_UNBOUNDED)
    for wrap in (_UNBOUNDED, _WRAP):
        kept = list(range(len(grid.header)))
        for name in ("", *_SPARED):
            kept = [at for at in kept if grid.header[at] != name]
            table = _table(grid, kept, most_rows, wrap)
            if Measurement.get(console, anywhere, table).maximum <= console.width:
                return table
    return Group(*(Text(line) for line in _lines(grid, most_rows)))


def _table(grid: Grid, kept: list[int], most_rows: int, wrap: int) -> RichTable:
    table = RichTable(box=SIMPLE_HEAD, padding=(0, 1), pad_edge=False, caption_justify="left")
    for at in kept:
        is_number = at >= grid.numbers_from
        # a long heading takes two lines; a number below it never does
        heading = grid.header[at].replace(", ", ",\n")
        heading = heading if len(heading) <= wrap else heading.replace(".", ".\n")
        table.add_column(Text(heading),
                         justify="right" if is_number else "left", no_wrap=True)  # fmt: skip
    wrapped = {at for at in kept if at < grid.numbers_from or grid.header[at] in _REPLICATES}
    for row in grid.rows[:most_rows]:
        texts = []
        for at in kept:
            text = row[at].text
            text = fill(text, wrap, break_long_words=False) if at in wrapped else text
            texts.append(Text(text, style="bold" if row[at].is_bold else ""))
        table.add_row(*texts, style="dim" if row[0].text == "clean" else "")
    table.caption = _more(grid, most_rows) or None
    return table


def _more(grid: Grid, most_rows: int) -> str:
    left = len(grid.rows) - most_rows
    return f"and {left} more: configurations.csv has all" if left > 0 else ""


def _lines(grid: Grid, most_rows: int) -> Iterator[str]:
    """A line or two for each row, where no table fits."""
    for row in grid.rows[:most_rows]:
        named = zip(grid.header, row, strict=True)
        yield ", ".join(f"{name} {text.text}" for name, text in named if text.text != "-")
    more = _more(grid, most_rows)
    if more:
        yield more


def _where(folder: Path) -> list[Text]:
    """Where the page, the models and the files are."""
    found = [f"page: {folder}/report.html"] if (folder / "report.html").is_file() else []
    for name, what in (("best", "best model"), ("best_adversarial", "best that perturbs")):
        if (folder / name / "config.json").is_file():
            found.append(f"{what}: {folder / name}")
    sets = ", robustness.md" if (folder / "robustness.md").is_file() else ""
    found.append(f"files: {folder}/table.md{sets}, configurations.csv, trials.csv, epochs.csv")
    return [Text(each) for each in found]
