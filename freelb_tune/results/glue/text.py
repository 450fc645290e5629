"""The GLUE table as rows of text and as sentences: what its formats share.

Room: results.
"""

from collections.abc import Sequence

from freelb_tune.results.glue.published import UNSTATED, Figure
from freelb_tune.results.glue.table import CONTROLS, Average, Chosen, GlueRow, GlueTable
from freelb_tune.results.tables.contents.axes import settings_text
from freelb_tune.results.tables.contents.configuration import Spread
from freelb_tune.results.tables.contents.table import Entry
from freelb_tune.results.tables.formats.footer import limits
from freelb_tune.results.tables.formats.grid import Grid, Text
from freelb_tune.results.tables.formats.sentences import entry_notes, progress
from freelb_tune.store import CellState
from freelb_tune.tasks import GLUE, Task

__all__ = [
    "average_label",
    "chosen_settings",
    "glue_notes",
    "glue_title",
    "metric_label",
    "print_figures",
    "print_glue",
    "reference",
]

_METRICS = {"matthews": "Matthews", "f1": "F1", "pearson": "Pearson", "spearman": "Spearman"}
_LACKING = {CellState.WAITING, CellState.RUNNING, CellState.FAILED, CellState.DIVERGED}
_ELSEWHERE = ("adversary.method", "model.name", "task")  # said in places of their own
_OMITTED = ", ".join(task.title for task in GLUE if task.glue and task.glue.is_omitted)


def glue_title(table: GlueTable) -> str:
    """The title: `GLUE, dev sets: roberta-base`."""
    return f"GLUE, dev sets: {', '.join(table.models)}"


def metric_label(task: Task, metric: str) -> str:
    """A metric as GLUE's table calls it."""
    name, mark = _told_apart(task, metric)
    return f"{name} {mark}".rstrip()


def _told_apart(task: Task, metric: str) -> tuple[str, str]:
    """A metric's name, and the mark of its evaluation set where the task has several."""
    dev, _, name = metric.rpartition(".")
    marks = task.glue.marks if task.glue else {}
    return _METRICS.get(name, name), marks.get(dev or "dev", "")


def _metrics_text(row: GlueRow) -> str:
    """A row's metrics: `F1/accuracy`; `accuracy m/mm` where the set alone differs."""
    told = [_told_apart(row.task, metric) for metric in row.metrics]
    names, marks = (list(dict.fromkeys(each)) for each in zip(*told, strict=True))
    return f"{'/'.join(names)} {'/'.join(marks)}".rstrip()


def print_glue(table: GlueTable) -> Grid:
    """A row per task, then the averages; a column for the model where there are several."""
    mixed = len(table.models) > 1
    compared = any(row.normal and row.normal.tried > 1 for row in table.rows)
    header = ["task", "metric", *(["model"] if mixed else []), "adversarial settings"]
    header += ["normal settings"] if compared else []
    start = len(header)
    header += ["clean arm", "adversarial training"]
    header += ["published clean arm", "published adversarial training"]
    rows = []
    for row in table.rows:
        texts = [row.task.title, _metrics_text(row)]
        texts += [row.model] if mixed else []
        texts.append(_chosen_text(row.adversarial, row))
        texts += [_chosen_text(row.normal, row)] if compared else []
        texts += [_result(row.normal, row), _result(row.adversarial, row)]
        texts += [_figure_text(figure, row, table) for figure in row.figures]
        rows.append(tuple(Text(text) for text in texts))
    for each in table.averages:
        texts = ["average", average_label(each), *([each.model] if mixed else [])]
        texts += [""] * (start - len(texts))
        texts += [_percent(each.normal), _percent(each.adversarial), "-", "-"]
        rows.append(tuple(Text(text) for text in texts))
    return Grid(tuple(header), tuple(rows), start)


def print_figures(table: GlueTable) -> Grid:
    """The published figures: a row each, a column for each task of the table."""
    tasks = list({row.task.name: row.task for row in table.rows}.values())
    header = ("ref", "model", "method", "statistic", "read in", *(task.title for task in tasks))
    rows = []
    for number, each in enumerate(table.figures, start=1):
        source = f"{each.source}; {each.note}" if each.note else each.source
        texts = [str(number), each.model, each.method, each.statistic, source]
        for task in tasks:
            metrics = next(row.metrics for row in table.rows if row.task is task)
            texts.append(_scores(each, task, metrics))
        rows.append(tuple(Text(text) for text in texts))
    return Grid(header, tuple(rows), 5)


def chosen_settings(chosen: Chosen, row: GlueRow) -> str:
    """What tells a configuration from the others: `freelb: adv_lr 0.1, batch size 16`."""
    config = chosen.config
    said = settings_text(config, [n for n in row.table.rank_names if n not in _ELSEWHERE])
    method = "" if config.arm == "clean" else str(config.settings.get("adversary.method", ""))
    return ": ".join(filter(None, [method, said]))


def reference(figure: Figure, table: GlueTable) -> int:
    """A figure's number in the list of figures."""
    return next(n for n, each in enumerate(table.figures, start=1) if each is figure)


def average_label(average: Average) -> str:
    """How many tasks an average is over: `3 tasks`, `4 tasks, without WNLI`."""
    count = len(average.tasks)
    tasks = f"{count} task{'s' * (count != 1)}"
    if average.has_omitted is None:
        return tasks
    return f"{tasks}, {'with' if average.has_omitted else 'without'} {_OMITTED}"


def glue_notes(table: GlueTable) -> tuple[str, ...]:
    """The footer: what the numbers are, how they were chosen, what is missing."""
    notes = [_what(table), _choice(table), *_average_notes(table)]
    for row in table.rows:
        said = _row_note(row)
        if said:
            notes.append(said)
    if table.figures:
        notes.append(
            "Published figures come from other code and other seeds, and from the statistic named "
            "beside each; they are matched by the model's name, and the first one listed stands "
            "in the table."
        )
    return tuple(notes)


def _what(table: GlueTable) -> str:
    """The unit and the epoch that counts."""
    ways = {row.table.layout.select for row in table.rows}
    epoch = {
        frozenset({"best_epoch"}): "its best epoch, chosen on the same dev set",
        frozenset({"last_epoch"}): "its last epoch",
    }.get(frozenset(ways), "its best epoch, chosen on the same dev set, or its last, as said below")
    return (
        "Shown in percent: mean ± sample standard deviation over the n seeds that finished; each "
        f"seed counts with {epoch}."
    )


def _choice(table: GlueTable) -> str:
    """How a configuration came to stand for its arm."""
    said = (
        "Each arm shows its best configuration by the mean over its seeds. It was chosen on the "
        "same dev set: the more were tried, the better it looks. One that lacks a seed stands only "
        "where there is no complete one."
    )
    methods = {
        each.settings.get("adversary.method")
        for row in table.rows
        for each in (ranked.entry.config for ranked in row.table.ranking)
    }
    controls = [name for name in CONTROLS if name in methods]
    if controls:
        said += f" Controls ({', '.join(controls)}) are no adversarial training and are left out."
    return said


def _average_notes(table: GlueTable) -> list[str]:
    """What the average is over."""
    if not table.averages:
        return ["No average: no task has a finished seed in both arms."]
    notes = [
        "Average as GLUE computes it: the mean over tasks of each task's mean over its metrics, "
        "MNLI's m and mm being one task; both arms over the same tasks."
    ]
    counted = {(each.model, title) for each in table.averages for title in each.tasks}
    absent = [row for row in table.rows if (row.model, row.task.title) not in counted]
    if absent:
        names = ", ".join(row.task.title for row in absent)
        notes.append(f"Not in the average, as one arm has no finished seed: {names}.")
    return notes


def _row_note(row: GlueRow) -> str:
    """What is special about one task's search; empty for nothing."""
    said = []
    states = set(row.table.states)
    if states & _LACKING:
        said.append(f"the search is not complete: {progress(row.table)}")
    elif states - {CellState.DONE}:  # ended early or never run on purpose: a race, a scheduler
        said.append(progress(row.table))
    if row.table.layout.select == "last_epoch":
        said.append("The last epoch counts.")
    absent = [name.rpartition(".")[0] for name in row.glue.reported if name not in row.metrics]
    said += [f"The {dev} set was not evaluated." for dev in absent if dev]
    said += limits(row.table)
    return f"{row.task.title} ({row.table.name}): {' '.join(said)}" if said else ""


def _chosen_text(chosen: Chosen | None, row: GlueRow) -> str:
    """Settings, and out of how many they were chosen."""
    if chosen is None:
        return "-"
    of = f"best of {chosen.tried}" if chosen.tried > 1 else ""
    return "; ".join(filter(None, [chosen_settings(chosen, row), of])) or "-"


def _result(chosen: Chosen | None, row: GlueRow) -> str:
    """Means with their deviations, then the seeds: `92.31 ± 0.40 / 89.22 ± 0.51 (n=3)`."""
    if chosen is None:
        return "-"
    beside = entry_notes(Entry(chosen.config, None, None, is_bold=False), row.table)
    inside = "; ".join(filter(None, [f"n={chosen.config.finished}", beside]))
    return f"{' / '.join(_spread(each) for each in chosen.spreads)} ({inside})"


def _spread(spread: Spread | None) -> str:
    if spread is None:
        return "-"
    mean = _percent(spread.mean)
    return mean if spread.sd is None else f"{mean} ± {_percent(spread.sd)}"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.2f}"


def _figure_text(figure: Figure | None, row: GlueRow, table: GlueTable) -> str:
    """A published figure with its statistic: `86.6 (median of 5; ref 1)`."""
    if figure is None:
        return "-"
    told = "statistic not stated" if figure.statistic == "not stated" else figure.statistic
    scores = _scores(figure, row.task, row.metrics)
    return f"{scores} ({told}; ref {reference(figure, table)})"


def _scores(figure: Figure, task: Task, metrics: Sequence[str]) -> str:
    """A figure's metrics of one task, in the table's order; "-" for those it lacks."""
    scores = figure.scores.get(task.name)
    if scores is None:
        return "-"
    if UNSTATED in scores:
        marks = task.glue.marks.values() if task.glue else ()
        return f"{scores[UNSTATED]}, {' or '.join(marks)} not stated"
    return " / ".join(str(scores[name]) if name in scores else "-" for name in metrics)
