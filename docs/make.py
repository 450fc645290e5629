"""Writes the pages that say what the code declares: columns, settings, commands.

    python docs/make.py

A test finds a page that is not what this would write.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from freelb_tune.results.tables.columns.column import Column
from freelb_tune.results.tables.columns.columns import EPOCHS, TRIALS
from freelb_tune.results.tables.columns.configuration_columns import CONFIGURATIONS
from freelb_tune.results.tables.robustness import COLUMNS as ROBUSTNESS
from freelb_tune.space.checking.checks import FIELDS
from freelb_tune.space.json_schema import meanings
from freelb_tune.space.reading.track_section import TRACKERS
from freelb_tune.space.settings.adversaries import ADVERSARIES
from freelb_tune.space.settings.algorithms import ALGORITHMS
from freelb_tune.space.settings.sections import ResourcesConfig, TableConfig, VerdictConfig
from freelb_tune.space.settings.trainer_fields import DEFAULTS, trainer_fields
from freelb_tune.tasks import TASKS, Metric

FOLDER = Path(__file__).parent
_SETTINGS = """\
# Every setting

Made by `make docs` from the settings' own classes. `freelb-tune schema > space.schema.json`
writes the same for an editor; in VS Code, `# yaml-language-server: $schema=space.schema.json` as
a file's first line makes it complete and check the rest.

In `model`, `data`, `trainer`, `loss`, `adversary` and `run` a domain may stand for any value:
`{grid: [...]}` and the others of [search spaces](search-space.md). The other sections are not
searched.
"""
_TRAINER = """\
Any field of `transformers.TrainingArguments` that acts on training, by its own name and with its
own default; these have another one:

{ours}

Fields that belong to the search (folders, logging, evaluation, seeds, the Hub) are refused with
the reason. The fields: {all}.
"""
_TRACK = """\
A list of the trackers that are fed while the search runs: {named}. [Trackers](trackers.md) has
what each is given. No part of a cell.
"""


_COLUMNS = """\
# Columns of the result files

Made by `make docs` from what `freelb_tune/results/tables/` declares in `columns.py`,
`configuration_columns.py` and `robustness.py`.

Scores are as stored, 0.8014 for 80.14 %, in these files, in `table.csv` (whose headings say so) and
in `table.json`; `table.md`, `table.tex` and the page print percent, and say so. A value that is not
there is an empty field in the files and missing in pandas. The type is pandas'; settings have the
type of their values, and lists and mappings are JSON in the files. In the files, text that a
spreadsheet would run as a formula has an apostrophe in front. METRIC stands for each metric of the
task, SECTION.SETTING for each setting of the cells, such as `adversary.adv_lr`. `seconds` and
`peak_gib` differ between two runs of the same search; the rest of `trials.csv` and all of
`configurations.csv` does not."""


_TASKS = """\
# Every task, metric and method

Made by `make docs` from what `freelb_tune/tasks/` and the adversaries' settings declare.

## Tasks

A task's first metric is what a search ranks by; `search: {metric: NAME}` takes another of it."""
_METRICS = """\
## Metrics

All are scikit-learn's or SciPy's. Files hold them as fractions; what is printed is in percent,
errors as they are. A metric on a further set has its name in front: `mismatched.accuracy`."""
_METHODS = """\
## Methods

What `adversary.method` may say. [The algorithm](algorithm.md) has them beside each other, and
[every setting](settings.md) what each reads."""


def columns_page() -> str:
    """Every column with its type and its meaning."""
    files: tuple[tuple[str, str, Sequence[Column[Any]]], ...] = (
        (
            "trials.csv",
            "One row per cell, in plan order. `Results.trials` in Python.",
            TRIALS,
        ),
        (
            "epochs.csv",
            "One row per cell and epoch, in plan order. `Results.epochs` in Python.",
            EPOCHS,
        ),
        (
            "configurations.csv",
            "One row per configuration, ranked: the complete ones by their mean, then the others, "
            "then the clean arms. `Results.ranking` in Python.",
            CONFIGURATIONS,
        ),
        (
            "robustness.csv",
            "One row per evaluation set, the dev set first: the best adversarial configuration and "
            "its clean arm. Written where cells have further sets, or a labelled test file "
            "([robustness](robustness.md)). `Results.robustness` in Python.",
            ROBUSTNESS,
        ),
    )
    parts = [_COLUMNS]
    for name, rows, columns in files:
        lines = ["| column | type | meaning |", "| --- | --- | --- |"]
        lines += [f"| `{each.name}` | {each.dtype} | {each.meaning} |" for each in columns]
        parts += [f"## {name}", rows, "\n".join(lines)]
    return "\n\n".join(parts) + "\n"


def settings_page() -> str:
    """Each section, algorithm and adversary with its settings, their defaults and meanings."""
    parts = [_SETTINGS]
    for name, kind in FIELDS.items():
        parts.append(f"## {name}\n\n{_table(kind)}")
    ours = "\n".join(f"- `{name}`: {_default(value)}" for name, value in sorted(DEFAULTS.items()))
    every = ", ".join(f"`{name}`" for name in sorted(trainer_fields()))
    parts.append("## trainer\n\n" + _TRAINER.format(ours=ours, all=every))
    for name, adversary in ADVERSARIES.items():
        parts.append(f"## adversary, method: {name}\n\n{_first(adversary)}\n\n{_table(adversary)}")
    for name, algorithm in ALGORITHMS.items():
        parts.append(f"## search, algorithm: {name}\n\n{_first(algorithm)}\n\n{_table(algorithm)}")
    for name, kind in (
        ("resources", ResourcesConfig),
        ("table", TableConfig),
        ("verdict", VerdictConfig),
    ):
        parts.append(f"## {name}\n\n{_table(kind)}")
    named = ", ".join(f"`{name}`" for name in TRACKERS)
    parts.append(f"## track\n\n{_TRACK.format(named=named)}")
    return "\n".join(part.rstrip() + "\n" for part in parts)


def tasks_page() -> str:
    """Each task with its columns, labels and metrics, and what each metric is."""
    rows = ["| task | columns | labels | metrics | training and dev examples |"]
    rows.append("| --- | --- | --- | --- | --- |")
    known: dict[str, Metric] = {}
    for name, task in TASKS.items():
        known |= {metric.name: metric for metric in task.metrics}
        columns = ", ".join(f"`{each}`" for each in task.columns) or "`data.text` says"
        own = "real values" if task.kind == "regression" else "those of the training rows"
        labels = ", ".join(task.labels) if task.labels else own
        metrics = ", ".join(f"`{metric.name}`" for metric in task.metrics)
        sizes = f"{task.sizes[0]:,} and {task.sizes[1]:,}" if task.sizes else "your own"
        rows.append(f"| `{name}` ({task.title}) | {columns} | {labels} | {metrics} | {sizes} |")
    told = ["| metric | better | what it is |", "| --- | --- | --- |"]
    told += [f"| `{each.name}` | {each.better} | {each.meaning} |" for each in known.values()]
    methods = ["| method | what it does |", "| --- | --- |"]
    methods += [f"| `{name}` | {_first(kind)} |" for name, kind in ADVERSARIES.items()]
    parts = [_TASKS, "\n".join(rows), _METRICS, "\n".join(told), _METHODS, "\n".join(methods)]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def commands_page() -> str:
    """Each command with its arguments, by Typer's own writer of such pages."""
    made = subprocess.run(
        [sys.executable, "-m", "typer", "freelb_tune.cli.root", "utils", "docs"]
        + ["--name", "freelb-tune", "--title", "Every command"],
        check=True,
        capture_output=True,
        text=True,
    )
    return "\n".join(line.rstrip() for line in made.stdout.strip().splitlines()) + "\n"


PAGES = {
    "columns.md": columns_page,
    "tasks.md": tasks_page,
    "settings.md": settings_page,
    "commands.md": commands_page,
}


def _table(kind: type[BaseModel]) -> str:
    said = meanings(kind)
    rows = [
        f"| `{name}` | {_default(field.get_default(call_default_factory=True))} "
        f"| {said[name].replace('|', '&#124;')} |"
        for name, field in kind.model_fields.items()
        if name not in ("method", "algorithm")
    ]
    return "\n".join(["| setting | default | meaning |", "| --- | --- | --- |", *rows])


def _default(value: Any) -> str:
    if value is PydanticUndefined:
        return "to be said"
    return f"`{json.dumps(value) if value is None or isinstance(value, bool) else value}`"


def _first(kind: type[BaseModel]) -> str:
    """The first paragraph of a class's docstring."""
    return " ".join((kind.__doc__ or "").split("\n\n")[0].split())


if __name__ == "__main__":
    for page, write in PAGES.items():
        (FOLDER / page).write_text(write(), "utf-8")
