"""What the journal's events hold, checked as they are read: a journal may be somebody else's.

Room: store. An event that is not named here is passed on as it is; so is a field.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict

from freelb_tune.space.checking.checks import read_shape
from freelb_tune.space.values import folder_name

__all__ = ["check_event"]


class _Event(BaseModel):
    model_config = ConfigDict(strict=True, defer_build=True)


class _Opened(_Event):
    name: Annotated[str, AfterValidator(folder_name)]  # `merge` writes beside the folder by it
    task: str
    cells: list[str]
    seeds: list[int]
    shard: str | None = None
    plan: list[str] | None = None


class _Planned(_Event):
    cell: dict[str, Any]


class _Set(_Event):
    texts: int
    cut: int
    holds: int
    tokens: int = 0


class _Lengths(_Event):
    max_length: int
    sets: dict[str, _Set]


class _Proposed(_Event):
    values: dict[str, Any]
    config_id: str | None
    cells: list[str]


class _Prepared(_Event):
    data: str
    weights: str
    lengths: _Lengths


class _Ended(_Event):
    by: str
    limit: float


class _Rounds(_Event):
    configurations: list[str]
    seeds: list[str]


class _Looked(_Event):
    look: int
    cells: list[str]
    shown: str | None
    rounds: _Rounds | None = None


class _OfCell(_Event):
    cell_id: str


class _Same(_OfCell):
    model_config = ConfigDict(strict=True, extra="allow")  # `as` is a word of Python's

    why: str


class _Again(_OfCell):
    why: str


class _Waits(_OfCell):
    """Its trial has ended before the cell: at a rung, say."""

    epoch: int


class _Failed(_OfCell):
    state: Literal["failed", "diverged"]
    message: str


class _Finished(_OfCell):
    state: Literal["done", "stopped"]
    lines: int | None = None
    digest: str | None = None


class _Decided(_Event):
    """On one configuration, after an epoch."""

    config_id: str
    epoch: int
    score: float
    missing: list[int]
    decision: Literal["continue", "stop"]


class _Raced(_Event):
    """A round of a race."""

    race: str
    round: int
    contenders: list[str]
    failed: list[str]
    over: bool
    dropped: dict[str, str]
    spared: dict[str, str]


class _Asked(_Raced):
    """A round of a `verdict` search."""

    answers: dict[str, Literal["better", "below", "open", "failed"]]
    ended: Literal["", "better", "none", "budget", "seeds"]
    margin: float
    more: int | None


_SHAPES: dict[str, type[_Event]] = {
    "opened": _Opened,
    "planned": _Planned,
    "prepared": _Prepared,
    "proposed": _Proposed,
    "same": _Same,
    "started": _OfCell,
    "retried": _OfCell,
    "again": _Again,
    "waits": _Waits,
    "failed": _Failed,
    "finished": _Finished,
    "decided": _Decided,
    "ended": _Ended,
    "looked": _Looked,
}


def check_event(entry: Mapping[str, Any]) -> None:
    """Refuse an event that does not hold what its readers ask for.

    Raises:
        Refusal: so it is; says the first thing that is wrong.
    """
    name = entry["event"]
    shape = _SHAPES.get(name)
    if name == "decided" and "race" in entry:
        shape = _Asked if "answers" in entry else _Raced
    if shape is not None:
        read_shape(shape, entry)
