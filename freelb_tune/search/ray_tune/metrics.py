"""Numbers of a search for Prometheus, by way of Ray's own metrics.

Room: search. Driver's side: one process sets them all, so a series has one source. They are read
from the store, as trackers' are. Prometheus has them as `ray_freelb_tune_...`; the Grafana
dashboard `watching/grafana.json` asks for these names.
"""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from ray.util.metrics import Gauge

from freelb_tune.search.driver.board import Board
from freelb_tune.search.driver.listener import Silent
from freelb_tune.search.driver.work import Ready
from freelb_tune.store import EPOCHS, CellState, EpochRecord, TextLengths, cell_folder, read_epochs

__all__ = ["GAUGES", "Metrics", "tokens_per_second"]

GAUGES = {
    "score": "the search metric on the dev set",
    "dev_loss": "mean loss over the dev examples",
    "train_loss": "mean loss over the epoch's examples and passes",
    "delta_ratio": "norm of the perturbation over max_norm",
    "delta_norm": "norm of the perturbation, embedding units",
    "bound_share": "share of perturbations that lie on the ball",
    "adv_loss_gain": "adversarial minus clean loss",
    "epoch": "the last finished epoch",
    "real_tokens_per_second": "tokens of the training texts, each once, by seconds of training",
}
"""Of a cell, after its last epoch: what each is."""

_LABELS = ("search", "configuration", "arm", "seed")
_MOST_CELLS = 1000  # with numbers of their own; more would slow Ray's agent
_SECONDS = 1.0  # between two looks at what is new: a log is read for it, and every cell counted


class Metrics(Silent):
    """A listener that sets the gauges; while it is told, Ray runs.

    Args:
        folder: `results/NAME`.
        search: the search's name.
        ready: what is known of a cell's texts, by cell id.
    """

    def __init__(self, folder: Path, search: str, ready: Mapping[str, Ready]) -> None:
        self._folder, self._search, self._ready = folder, search, ready
        self._board: Board | None = None
        self._shown: set[str] = set()
        self._stale: set[str] = set()
        self._due = 0.0

    def opened(self, board: Board) -> None:
        self._of_cell = {
            name: Gauge(f"freelb_tune_{name}", what, _LABELS) for name, what in GAUGES.items()
        }
        self._cells = Gauge("freelb_tune_cells", "cells by state", ("search", "state"))
        self._board = board
        for cell_id in board.rows:
            self._show(cell_id, board)
        self._count(board)

    def changed(self, cell_id: str) -> None:
        self._stale.add(cell_id)

    def tick(self) -> None:
        now = time.monotonic()
        if self._board is None or not self._stale or now < self._due:
            return
        for cell_id in self._stale:
            self._show(cell_id, self._board)
        self._stale.clear()
        self._count(self._board)
        self._due = now + _SECONDS

    def _count(self, board: Board) -> None:
        counts = board.counts()
        for state in CellState:
            self._cells.set(counts[state], {"search": self._search, "state": state.value})

    def _show(self, cell_id: str, board: Board) -> None:
        row = board[cell_id]
        if not row.scores or (cell_id not in self._shown and len(self._shown) >= _MOST_CELLS):
            return
        epochs = read_epochs(cell_folder(self._folder, cell_id) / EPOCHS)
        if not epochs:  # a cell that begins again
            return
        self._shown.add(cell_id)
        labels = {
            "search": self._search,
            "configuration": row.cell.config_id,
            "arm": row.cell.arm,
            "seed": str(row.cell.block),
        }
        numbers = dict(epochs[-1].numbers())
        ready = self._ready.get(cell_id)
        speed = tokens_per_second(epochs, ready.lengths if ready else None)
        if speed is not None:
            numbers["real_tokens_per_second"] = speed
        for name, gauge in self._of_cell.items():
            if name in numbers:
                gauge.set(numbers[name], labels)


def tokens_per_second(epochs: Sequence[EpochRecord], lengths: TextLengths | None) -> float | None:
    """Real tokens of the training texts, each once, by seconds of training, in the last epoch.

    One that was cut short has as many texts less as it has steps less than the first.

    Returns:
        None where nobody has counted the tokens, or no time was taken.
    """
    last = epochs[-1]
    tokens = 0 if lengths is None else lengths.sets["train"].tokens
    if not (tokens and last.train_seconds):
        return None
    before = epochs[-2].step if len(epochs) > 1 else 0
    return (last.step - before) / epochs[0].step * tokens / last.train_seconds
