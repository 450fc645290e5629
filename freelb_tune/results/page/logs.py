"""What happened to each cell, as its detail tells it: the journal's words, its epochs, its error.

Room: results. No text of the data: the journal and the epochs hold none.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from freelb_tune.errors import FreeLBTuneError
from freelb_tune.results.page.times import moment
from freelb_tune.results.tables.contents.metric import Measure
from freelb_tune.store import CellResult, EpochRecord, Store
from freelb_tune.store.disk.files import read_file

__all__ = ["MOST_LOGS", "logs_of"]

MOST_LOGS = 500
"""Cells whose log the page holds: half a megabyte at most, besides the errors."""

_LINES = 12
_ERROR_BYTES = 2_000  # of the end of a failed cell's error.txt
_MOST_ERRORS = 40


def logs_of(store: Store, measure: Measure, kept: Iterable[str]) -> dict[str, str]:
    """The last lines of what happened to cells, by their ids.

    Args:
        store: what is known.
        measure: the metric of the search, as it is printed.
        kept: the cells that matter most first; of many the others are left out.
    """
    broken = [each for each in store.cells if each.state.is_broken][:_MOST_ERRORS]
    named = dict.fromkeys([each.cell.id for each in broken] + list(kept))
    events: dict[str, list[Mapping[str, Any]]] = {name: [] for name in list(named)[:MOST_LOGS]}
    of_config: dict[str, list[str]] = {}
    for each in store.cells:
        if each.cell.id in events:
            of_config.setdefault(each.cell.config_id, []).append(each.cell.id)
    for event in store.events:
        ids = of_config.get(event["config_id"], []) if _is_judged(event) else []
        for cell_id in [*ids, event.get("cell_id")]:
            if cell_id in events:
                events[cell_id].append(event)
    found = {}
    for each in store.cells:
        if each.cell.id in events:
            lines = list(_lines(each, events[each.cell.id], measure))
            error = _error(each) if each in broken else ""
            found[each.cell.id] = "\n".join([*lines[-_LINES:], *filter(None, [error])])
    return {cell_id: text for cell_id, text in found.items() if text}


def _is_judged(event: Mapping[str, Any]) -> bool:
    return event["event"] == "decided" and "race" not in event


def _lines(
    each: CellResult, events: Iterable[Mapping[str, Any]], measure: Measure
) -> Iterator[str]:
    """A line for each thing that happened, epochs where the journal says that they were over."""
    left = list(each.epochs)
    for event in events:
        until = event.get("epoch") if _is_judged(event) or event["event"] == "waits" else 0
        if event["event"] in ("finished", "failed"):
            until = len(each.epochs)
        while left and left[0].epoch <= (until or 0):
            yield _epoch(left.pop(0), measure)
        said = _said(event, measure)
        if said:
            yield f"{_clock(event)}{said}"
    yield from (_epoch(record, measure) for record in left)


def _clock(event: Mapping[str, Any]) -> str:
    at = moment(event.get("at"))
    return "" if at is None else f"{at:%H:%M:%S} "


def _said(event: Mapping[str, Any], measure: Measure) -> str:
    """An event in words; empty for one of which there is nothing to say."""
    match event["event"]:
        case "started":
            return "begun"
        case "retried":
            return "to be run again"
        case "again":
            return f"begins again: {event['why']}"
        case "waits":
            return "waits for its turn to go on"
        case "failed":
            return f"{event['state']}: {event['message']}"
        case "finished":
            return "stopped early" if event["state"] == "stopped" else str(event["state"])
        case "decided":
            score = measure.show(event["score"])
            verdict = "goes on" if event["decision"] == "continue" else "is stopped"
            return f"after epoch {event['epoch']} its configuration {verdict} with {score}"
    return ""


def _epoch(record: EpochRecord, measure: Measure) -> str:
    took = record.train_seconds + record.eval_seconds
    return (
        f"epoch {record.epoch}: {measure.name} {measure.show(record.score)}, training loss "
        f"{record.train_loss:.4f}, dev loss {record.dev_loss:.4f}, {took:.1f} s"
    )


def _error(each: CellResult) -> str:
    """The end of what a failed cell has left to read."""
    try:
        raw = read_file(each.folder / "error.txt")
    except (OSError, FreeLBTuneError):
        return ""
    return raw[-_ERROR_BYTES:].decode("utf-8", "replace").strip()
