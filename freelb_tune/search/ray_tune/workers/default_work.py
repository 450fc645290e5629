"""The training room as a search uses it, loaded when a cell is to be trained.

Room: search, without Ray until a worker trains.
"""

import platform
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from freelb_tune.errors import DiskError
from freelb_tune.search.driver.work import Ready, Work
from freelb_tune.space import Cell
from freelb_tune.store import EpochRecord

__all__ = ["default_work"]


def default_work() -> Work:
    """The training room's own functions, which load torch when they are called."""
    return Work(
        _prepare, _train, _load, "freelb_tune.search.ray_tune.workers.worker", _look, _carry
    )


def _load() -> None:
    with suppress(Exception):  # `prepare` will meet it again, where it can be told
        import freelb_tune.training.preparing.preparation  # noqa: F401


def _look(cells: Sequence[Cell]) -> Sequence[str]:
    from freelb_tune.training.preparing.checks import check_cells

    return check_cells(cells, fetch=True)


def _prepare(
    cells: Sequence[Cell], cache: Path, say: Callable[[str], None], /
) -> Mapping[str, Ready]:
    from freelb_tune.training import prepare

    return prepare(cells, cache, say)


def _train(
    cell: Cell,
    prepared: Any,
    folder: Path,
    report: Callable[[EpochRecord], None],
    threads: int,
    /,
) -> None:
    from freelb_tune.search.ray_tune.workers.worker import run_cell

    run_cell(cell, prepared, folder, report, threads)


def _carry(ready: Any, place: Callable[[Path], Path], /) -> Any:
    """The tokens travel; a model's folder has to be on each machine as it is here."""
    model = ready.model.folder
    if model is not None and not model.is_dir():
        raise DiskError(
            f"model: machine {platform.node()} has no folder {model}; have it on all machines at "
            "the same place, a model of the Hub by the same HF_HOME with the model in it"
        )
    return replace(ready, tokens=replace(ready.tokens, folder=place(ready.tokens.folder)))
