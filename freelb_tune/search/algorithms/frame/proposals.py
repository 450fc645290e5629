"""The configurations that a sampler has proposed, those of earlier runs and the next one.

Room: search, without Ray. A proposal is in the journal, with its values, before its cells are
planned and run. A search that goes on takes up those that are its own: inside the file's domains
now, and the same configuration as it was then.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from statistics import fmean
from typing import Any, Literal

from freelb_tune.search.algorithms.frame.samplers import Observed, suggest
from freelb_tune.search.driver.board import Board, Row
from freelb_tune.search.driver.ledger import Ledger
from freelb_tune.space import Cell, Plan, Space
from freelb_tune.space.cells.studies import Configured, Studies
from freelb_tune.space.settings.algorithms import Sampling
from freelb_tune.space.values import Value
from freelb_tune.store import CellState

__all__ = ["Proposals"]


@dataclass(frozen=True)
class _Asked:
    """A configuration that its study's sampler knows of.

    Attributes:
        values: of everything that is searched, by dotted name.
        config_id: its name; None where `where` left it out.
    """

    values: Mapping[str, Value]
    config_id: str | None


class Proposals:
    """What is proposed in one search; nothing where its cells are all known beforehand.

    Args:
        space: its search has the sampler.
        plan: where there is something to propose, and the cells that are fixed.
        journal: the events of earlier runs.
        propose: `suggest`, or a test's own.

    Attributes:
        cells: the plan's cells and those of the proposals that are taken up.
        replicates: cells of each configuration.
    """

    def __init__(
        self,
        space: Space,
        plan: Plan,
        journal: Iterable[Mapping[str, Any]],
        propose: Callable[..., Mapping[str, Value]] = suggest,
    ) -> None:
        self.cells: dict[str, Cell] = {cell.id: cell for cell in plan.cells}
        self.replicates = space.replicates
        self._search, self._propose = space.search, propose
        self._studies = plan.studies
        self._asked: list[list[_Asked]] = []
        self._points: list[int] = []
        if self._studies is None:
            return
        self._asked = [[] for _ in self._studies.each]
        for place, values in self._studies.points:
            self._add(place, values, self._studies.configured(place, values))
        self._points = [len(asked) for asked in self._asked]
        for entry in journal:
            if entry["event"] == "proposed":
                self._take_up(self._studies, entry)

    @property
    def left(self) -> int:
        """How many configurations are still to be proposed."""
        return self.total - sum(map(len, self._asked)) + sum(self._points)

    @property
    def total(self) -> int:
        """How many are proposed in all, those of earlier runs among them."""
        return 0 if self._studies is None else self._studies.samples * len(self._studies.each)

    @property
    def longest(self) -> tuple[Cell, ...]:
        """Cells whose data the proposals need, and whose budget is the largest; not to be run."""
        return () if self._studies is None else self._studies.longest()

    def next_cells(self, ledger: Ledger) -> list[Cell]:
        """Propose until there are cells that the plan has not; none where `left` is 0.

        What is proposed again, or left out by `where`, counts and brings none.

        Args:
            ledger: takes each proposal down; its board says what is known.

        Raises:
            FreeLBTuneError: a proposal is outside its domain, or its values do not go together.
        """
        while self._studies is not None and self.left:
            new = self._next(self._studies, ledger)
            if new:
                return new
        return []

    def _next(self, studies: Studies, ledger: Ledger) -> list[Cell]:
        """Make one proposal, for the study that has the fewest."""
        made = [len(a) - p for a, p in zip(self._asked, self._points, strict=True)]
        place = made.index(min(made))
        study = studies.each[place]
        assert isinstance(self._search, Sampling)
        proposed = self._propose(
            self._search.sampler,
            study.domains,
            [_observed(each, ledger.board) for each in self._asked[place]],
            samples=studies.samples,
            seed=f"{studies.draw_seed}/{sorted(study.beside.items())}/{made[place]}",
            better="higher" if ledger.board.sign > 0 else "lower",
        )
        values = study.chosen(proposed)
        configured = studies.configured(place, values)
        cells = () if configured is None else configured.cells
        new = [cell for cell in cells if cell.id not in self.cells]
        entry = {
            "by": self._search.sampler,
            "values": values,
            "config_id": configured and configured.config_id,
            "cells": [cell.id for cell in cells],
        }
        ledger.proposed(entry, new)
        self._add(place, values, configured)
        return new

    def _take_up(self, studies: Studies, entry: Mapping[str, Any]) -> None:
        """Take up an earlier run's proposal if it is this search's."""
        place = studies.place(entry["values"])
        if place is None or len(self._asked[place]) >= studies.samples + self._points[place]:
            return
        configured = studies.configured(place, entry["values"])
        if (configured and configured.config_id) == entry["config_id"]:
            self._add(place, entry["values"], configured)

    def _add(self, place: int, values: Mapping[str, Value], configured: Configured | None) -> None:
        config_id = None if configured is None else configured.config_id
        self._asked[place].append(_Asked(values, config_id))
        self.cells |= {cell.id: cell for cell in (configured.cells if configured else ())}


def _observed(asked: _Asked, board: Board) -> Observed:
    """What the board knows of a configuration."""
    rows = [row for row in board.rows.values() if row.cell.config_id == asked.config_id]
    state = _state(rows)
    score, scores = None, {}
    if state in ("done", "stopped"):
        score = fmean(board.selected(row) for row in rows)
        epochs = set.intersection(*(set(row.scores) for row in rows))
        scores = {epoch: fmean(row.scores[epoch] for row in rows) for epoch in sorted(epochs)}
    return Observed(asked.values, state, score, scores)


def _state(rows: list[Row]) -> Literal["running", "failed", "stopped", "done"]:
    """Where a configuration is: failed if a seed is, or if `where` left it out."""
    states = {row.state for row in rows}
    if not rows or any(state.is_broken for state in states):
        return "failed"
    if any(not state.is_over for state in states):
        return "running"
    return "stopped" if CellState.STOPPED in states else "done"
