"""When each cell ran, as the journal tells it, and what the search has spent and has left.

Room: results. Times of the journal are whole seconds in UTC. Journals of version 0.1.0 say when a
cell began and not when it ended: there the seconds of its epochs are counted from its start.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from statistics import fmean
from typing import Any

from freelb_tune.results.tables.contents.cost import device_hours
from freelb_tune.store import CellResult, CellState, Store, is_held

__all__ = ["Span", "Spent", "is_running", "moment", "running_cells", "spans", "spent"]


@dataclass(frozen=True)
class Span:
    """A time in which a cell ran.

    Attributes:
        cell_id: the cell.
        start: when it was taken up.
        end: when it was over or its run ended; None for one that may still run.
        is_over: whether the cell was over then.
        waits: whether it waits since then for its turn to go on, at a rung.
    """

    cell_id: str
    start: datetime
    end: datetime | None
    is_over: bool
    waits: bool = False


@dataclass(frozen=True)
class Spent:
    """Device-hours.

    Attributes:
        hours: of all cells' epochs so far.
        left: of what is to come, as cells of the same arm have taken; None before one is done.
    """

    hours: float
    left: float | None


def moment(text: object) -> datetime | None:
    """A time as the journal writes it; None for none."""
    try:
        found = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)  # as somebody may have edited it


def spans(store: Store) -> list[Span]:
    """Every time in which a cell ran, in the order of beginning."""
    known = store.known
    open_at: dict[str, datetime] = {}
    found: list[Span] = []

    def close(cell_id: str, end: datetime | None, *, is_over: bool, waits: bool = False) -> None:
        start = open_at.pop(cell_id, None)
        if start is not None:
            result = known.get(cell_id)
            took = timedelta(seconds=result.seconds if result else 0.0)
            end = start + took if end is None else max(end, start)
            found.append(Span(cell_id, start, end, is_over, waits))

    for event in store.events:
        at, cell_id = moment(event.get("at")), event.get("cell_id")
        match event["event"]:
            case "started" if at is not None:
                close(str(cell_id), at, is_over=False)
                open_at[str(cell_id)] = at
            case "finished" | "failed":
                close(str(cell_id), at, is_over=True)
            case "waits":
                close(str(cell_id), at, is_over=False, waits=True)
            case "opened":  # a run that was killed has not said when
                for each in list(open_at):
                    close(each, None, is_over=False)
            case "closed":
                for each in list(open_at):
                    close(each, at, is_over=False)
    found += [Span(cell_id, start, None, False) for cell_id, start in open_at.items()]
    return sorted(found, key=lambda span: (span.start, span.cell_id))


def is_running(store: Store) -> bool:
    """Whether a run works on the folder now: it has opened it, and is still there."""
    last = next((e["event"] for e in reversed(store.events) if e["event"] in _RUN), None)
    return last == "opened" and is_held(store.folder)


_RUN = ("opened", "closed")


def running_cells(store: Store) -> frozenset[str]:
    """The cells that are being trained, as far as the folder tells."""
    if not is_running(store):
        return frozenset()
    left = {each.cell.id for each in store.cells if not each.state.is_over}
    return frozenset(span.cell_id for span in spans(store) if span.end is None) & left


def spent(store: Store) -> Spent:
    """What the latest plan's cells have taken, and what the others will take."""
    resources: Mapping[str, Any] = store.space.get("resources") or {}
    took = {
        each.cell.id: device_hours(each.epochs, resources, each.seconds) for each in store.cells
    }
    done = [each for each in store.cells if each.state is CellState.DONE]
    coming = [each for each in store.cells if not each.state.is_over]
    if store.end is not None:
        coming = []
    left: float | None = 0.0
    for each in coming:
        like = _hours([o for o in done if o.cell.arm == each.cell.arm] or done, took)
        if like is None:
            left = None
            break
        assert left is not None
        left += max(like - took[each.cell.id], 0.0)
    return Spent(sum(took.values()), left)


def _hours(cells: Sequence[CellResult], took: Mapping[str, float]) -> float | None:
    """The mean of these cells."""
    return fmean(took[each.cell.id] for each in cells) if cells else None
