"""The columns in words: docs/columns.md.

Room: results.
"""

from collections.abc import Sequence
from typing import Any

from freelb_tune.results.tables.column import Column
from freelb_tune.results.tables.columns import EPOCHS, TRIALS
from freelb_tune.results.tables.configuration_columns import CONFIGURATIONS

__all__ = ["columns_markdown"]

_INTRODUCTION = """\
# Columns of the result files

Made by `make docs` from what `freelb_tune/results/tables/` declares in `columns.py` and
`configuration_columns.py`.

Scores are as stored, 0.8014 for 80.14 %. A value that is not there is an empty field in the files
and missing in pandas. The type is pandas'; settings have the type of their values, and lists and
mappings are JSON in the files. In the files, text that a spreadsheet would run as a formula has an
apostrophe in front. METRIC stands for each metric of the task, SECTION.SETTING for each setting of
the cells, such as `adversary.adv_lr`. `seconds` and `peak_gib` differ between two runs of the
same search; the rest of `trials.csv` and all of `configurations.csv` does not."""


def columns_markdown() -> str:
    """docs/columns.md: every column with its type and its meaning."""
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
    )
    parts = [_INTRODUCTION]
    for name, rows, columns in files:
        lines = ["| column | type | meaning |", "| --- | --- | --- |"]
        lines += [f"| `{each.name}` | {each.dtype} | {each.meaning} |" for each in columns]
        parts += [f"## {name}", rows, "\n".join(lines)]
    return "\n\n".join(parts) + "\n"
