"""`freelb-tune import`: another code base's search as a search space.

Room: cli. (A module cannot be named `import`.)
"""

import sys
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["import_"]


def import_(
    file: Annotated[Path, typer.Argument(help="ManyTasks' search.json, or a run_exp script.")],
    out: Annotated[
        Path | None,
        typer.Option("--out", help="The file to write, or a folder where one is not enough."),
    ] = None,
    commented: Annotated[
        bool, typer.Option("--commented", help="Read a script's rows that are commented out too.")
    ] = False,
) -> None:
    """Turn another code base's search into a search space. It runs the same cells."""
    from freelb_tune.importing import import_spaces, save_spaces
    from freelb_tune.tasks import GLUE, task_metrics

    sizes = {task.name: task.sizes[0] for task in GLUE if task.sizes}
    spaces, notes = import_spaces(
        file, metrics=task_metrics(), train_sizes=sizes, commented=commented
    )
    for note in notes:
        print(note, file=sys.stderr)
    if out is None and len(spaces) == 1:
        print(spaces[0].text, end="")
        return
    for path, space in zip(save_spaces(spaces, out), spaces, strict=True):
        print(f"{path}: {space.runs} runs", file=sys.stderr)
