"""What the driver knows of every cell while a search runs: the one thing displays read.

Room: search, without Ray.
"""

import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from freelb_tune.results.tables.contents.metric import Measure
from freelb_tune.results.tables.contents.ranking import Standing
from freelb_tune.space import Cell
from freelb_tune.space.cells.naming import cell_labels
from freelb_tune.store import CellResult, CellState

__all__ = ["Board", "Row"]


@dataclass
class Row:
    """One cell as it stands now.

    Attributes:
        cell: the cell.
        place: its place in the plan, 0 for the first; settles ties between equal scores.
        epochs: how many epochs its full budget has; None where that is not known yet.
        scores: the score after each finished epoch, by epoch.
        state: where the cell is.
        message: why it failed, in one line.
        silent: seconds for which nothing was heard of its trial, while one runs.
    """

    cell: Cell
    place: int
    epochs: int | None = None
    scores: dict[int, float] = field(default_factory=dict)
    state: CellState = CellState.WAITING
    message: str | None = None
    silent: float = 0.0

    @property
    def epochs_done(self) -> int:
        """The last finished epoch; 0 before the first."""
        return max(self.scores, default=0)

    def learn(self, result: CellResult) -> None:
        """Take over what the store knows of the cell."""
        self.state, self.message = result.state, result.message
        self.scores = {record.epoch: record.score for record in result.epochs}
        if self.state is CellState.DONE:
            self.epochs = self.epochs_done

    def best_epoch(self, sign: float) -> tuple[int, float] | None:
        """Epoch and score where `sign` times the score is highest; of equals the earliest."""
        return max(sorted(self.scores.items()), key=lambda item: sign * item[1], default=None)


@dataclass(frozen=True)
class Arm:
    """A configuration as it stood when its cells were in these states.

    Attributes:
        states: of its cells.
        standing: what settles its place.
        done: its cells that are done.
        is_under_way: whether some are done, others still come, and none is lost.
    """

    states: Sequence[CellState]
    standing: Standing
    done: Sequence[Row]
    is_under_way: bool


class Board:
    """Every cell of the plan, its state and its scores.

    Attributes:
        rows: by cell id, in plan order.
        arms: the rows of each configuration, by its id.
        known_arms: what `leader` last found of each configuration.
        coming: how many cells are to be proposed, clean arms not counted; 0 where all are here.

    Args:
        cells: the plan's cells, in plan order.
        measure: what the scores are of, and how they are printed.
        label: what a cell is called on the screen, by cell id.
        select: which epoch of a cell counts where cells are compared.
    """

    def __init__(
        self,
        cells: Iterable[Cell],
        measure: Measure,
        label: Mapping[str, str],
        select: Literal["best_epoch", "last_epoch"] = "best_epoch",
    ) -> None:
        self.rows: dict[str, Row] = {}
        self.arms: dict[str, list[Row]] = {}
        self.known_arms: dict[str, Arm] = {}
        self._put(cells)
        self.measure, self.label, self.select = measure, label, select
        self.coming = 0
        self.sign = float(measure.sign)
        self._since: float | None = None
        self._fresh_epochs = 0

    def add(self, cells: Sequence[Cell]) -> None:
        """More cells are planned, in plan order; what all are called tells them apart again."""
        self._put(cells)
        self.label = cell_labels([row.cell for row in self.rows.values()])

    def _put(self, cells: Iterable[Cell]) -> None:
        for cell in cells:
            row = self.rows[cell.id] = Row(cell, len(self.rows))
            self.arms.setdefault(cell.config_id, []).append(row)

    def __getitem__(self, cell_id: str) -> Row:
        return self.rows[cell_id]

    def add_epoch(self, cell_id: str, epoch: int, score: float) -> bool:
        """Note a finished epoch; False where it was known already."""
        row = self.rows[cell_id]
        if epoch in row.scores:
            return False
        row.scores[epoch] = score
        self._fresh_epochs += 1
        return True

    def note_silence(self, seconds: Mapping[str, float]) -> None:
        """How long nothing was heard of the trials that run, by cell."""
        for cell_id, silent in seconds.items():
            self.rows[cell_id].silent = silent

    def start_clock(self) -> None:
        """The first trial of this run has started: time left is measured from here."""
        if self._since is None:
            self._since = time.monotonic()

    def best_score(self, cell_id: str) -> float | None:
        """The cell's score at its best epoch; None before its first."""
        best = self.rows[cell_id].best_epoch(self.sign)
        return None if best is None else best[1]

    def selected(self, row: Row) -> float:
        """The score that counts for a cell with epochs: of its best one or its last."""
        if self.select == "last_epoch":
            return row.scores[row.epochs_done]
        return max(row.scores.values()) if self.sign > 0 else min(row.scores.values())

    def best_so_far(self) -> Row | None:
        """The cell with the best score yet, running and early-stopped ones included."""
        scored = [row for row in self.rows.values() if row.scores]
        return max(scored, key=self._rank, default=None)

    def counts(self) -> Counter[CellState]:
        """How many cells are in each state."""
        return Counter(row.state for row in self.rows.values())

    def waiting(self) -> list[str]:
        """The ids of the cells that are not over, in plan order."""
        return [cell_id for cell_id, row in self.rows.items() if not row.state.is_over]

    def seconds_left(self) -> float | None:
        """Estimate from this run's finished epochs; None before the first.

        Every remaining epoch counts, so a scheduler that stops cells early ends sooner.
        """
        if self._since is None or not self._fresh_epochs:
            return None
        left = 0
        for row in self.rows.values():
            if not row.state.is_over:
                left += max((row.epochs or 0) - row.epochs_done, 0)
        left += self.coming * max((row.epochs or 0 for row in self.rows.values()), default=0)
        return left * (time.monotonic() - self._since) / self._fresh_epochs

    def _rank(self, row: Row) -> tuple[float, int]:
        score = self.best_score(row.cell.id)
        assert score is not None  # only cells with scores are ranked
        return self.sign * score, -row.place
