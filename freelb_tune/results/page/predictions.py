"""What a cell said of the dev set, and where its clean twin said otherwise.

Room: results. Loads numpy, and is asked from the planned end on alone: which examples two arms
judge differently is a difference between them. Examples are called by number, 1 for
the first of the dev set; no text is read here.
"""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from freelb_tune.errors import FreeLBTuneError
from freelb_tune.results.page.cells import rounded
from freelb_tune.results.tables.contents.table import Table
from freelb_tune.store import CellResult, CellState, Store
from freelb_tune.store.disk.files import read_file
from freelb_tune.tasks.definitions.registry import get_task

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Pair = tuple[NDArray[Any], NDArray[Any]]

__all__ = ["class_names", "named", "predictions_of"]

_MOST_CELLS = 200
_MOST_CLASSES = 30
_MOST_EXAMPLES = 200  # of each kind, of one cell


def predictions_of(store: Store, table: Table) -> dict[str, Any]:
    """By cell id, the first configurations by rank first; clean arms among them."""
    rank = {each.entry.config.config_id: at for at, each in enumerate(table.ranking)}
    rank |= {config.config_id: -1 for config in table.clean}
    done = [each for each in store.cells if each.state is CellState.DONE]
    done.sort(key=lambda each: rank.get(each.cell.config_id, len(rank)))
    twins = {(c.cell.config_id, c.cell.block): c for c in done if c.cell.arm == "clean"}
    known: dict[str, Pair | None] = {}

    def said(each: CellResult) -> "Pair | None":
        if each.cell.id not in known:
            known[each.cell.id] = _read(each, table)
        return known[each.cell.id]

    found = {}
    for each in done[:_MOST_CELLS]:
        mine = said(each)
        if mine is None:
            continue
        twin = twins.get((each.cell.clean_id or "", each.cell.block))
        theirs = said(twin) if twin and each.cell.arm != "clean" else None
        told = _told(*mine)
        if theirs is not None and twin is not None and len(theirs[1]) == len(mine[1]):
            told |= {"against": twin.cell.id, **_flips(mine, theirs)}
        found[each.cell.id] = told
    return found


def _read(each: CellResult, table: Table) -> "Pair | None":
    """Logits and labels at the epoch that counts; None where they are not there or damaged."""
    is_best = table.layout.select == "best_epoch"
    record = each.best(table.measure.better) if is_best else each.last
    try:
        return each.predictions(record.epoch) if record else None
    except FreeLBTuneError:
        return None  # the verdict's footer names it


def _told(logits: "NDArray[Any]", labels: "NDArray[Any]") -> dict[str, Any]:
    """What there is to say of one cell alone."""
    if labels.ndim > 1:
        return _several(logits, labels)
    return _classes(logits, labels) if logits.shape[1] > 1 else _values(logits, labels)


def _several(logits: "NDArray[Any]", labels: "NDArray[Any]") -> dict[str, Any]:
    """With several labels an example, F1 of each label."""
    said, truth = logits > 0, labels > 0
    right, of = (said & truth).sum(axis=0), said.sum(axis=0) + truth.sum(axis=0)
    return {"n": len(labels), "f1": _f1(right, of), "support": truth.sum(axis=0).tolist()}


def _f1(right: "NDArray[Any]", of: "NDArray[Any]") -> list[float | int | None]:
    """Twice what is right of what is said and what is true; None where there is neither."""
    return [rounded(2 * float(r) / float(n)) if n else None for r, n in zip(right, of, strict=True)]


def _classes(logits: "NDArray[Any]", labels: "NDArray[Any]") -> dict[str, Any]:
    """The confusion matrix, rows for the true classes, and F1 of each class."""
    import numpy as np

    count = logits.shape[1]
    told: dict[str, Any] = {"n": len(labels)}
    if count > _MOST_CLASSES or (len(labels) and not 0 <= labels.min() <= labels.max() < count):
        return told
    matrix = np.zeros((count, count), dtype=int)
    np.add.at(matrix, (labels.astype(int), logits.argmax(axis=1)), 1)
    of = matrix.sum(axis=0) + matrix.sum(axis=1)
    return told | {"confusion": matrix.tolist(), "f1": _f1(matrix.diagonal(), of)}


def _values(logits: "NDArray[Any]", labels: "NDArray[Any]") -> dict[str, Any]:
    """The mean error of predicted values."""
    error = abs(logits[:, 0] - labels)
    return {"n": len(labels), "error": rounded(float(error.mean())) if len(labels) else None}


def _flips(mine: "Pair", theirs: "Pair") -> dict[str, Any]:
    """The examples that one gets right and the other wrong, or of values which is closer."""
    import numpy as np

    from freelb_tune.results.statistics.numbers.pseudo_values import right

    if mine[0].shape == theirs[0].shape and mine[0].shape[1] > 1:
        own, other = right(*mine), right(*theirs)
        return {
            f"{name}{suffix}": told
            for name, flags in (("gained", own & ~other), ("lost", other & ~own))
            for suffix, told in (
                ("", (np.flatnonzero(flags)[:_MOST_EXAMPLES] + 1).tolist()),
                ("Count", int(flags.sum())),
            )
        }
    error, twin = (abs(logits[:, 0] - labels) for logits, labels in (mine, theirs))
    return {"closer": int((error < twin).sum()), "farther": int((error > twin).sum())}


def named(predictions: Mapping[str, Mapping[str, Any]]) -> list[int]:
    """The numbers of the examples that are named."""
    found: set[int] = set()
    for each in predictions.values():
        found.update(each.get("gained", ()), each.get("lost", ()))
    return sorted(found)


def class_names(store: Store) -> list[str]:
    """What the classes are called, by the task or the selected model; empty if neither says."""
    try:
        labels = get_task(store.task).labels
        if labels:
            return list(labels)
        config: Mapping[str, Any] = json.loads(read_file(store.folder / "best" / "config.json"))
        named = config["id2label"]
        return [str(named[str(at)]) for at in range(len(named))]
    except (OSError, ValueError, LookupError, TypeError, RecursionError, FreeLBTuneError):
        return []
