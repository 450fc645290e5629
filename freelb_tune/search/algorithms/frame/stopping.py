"""Ending configurations early, over seeds: who is decided on when, and which cells run now.

Room: search, without Ray. The unit that is judged is the configuration, by the mean over its seeds.
It is decided on once, when the last seed that can still get there has got there; then all its seeds
go on or stop. Until then the earlier ones wait: their trials end, and new trials go on later from
their last epochs. So a seed that waits holds no worker, and one slot is enough for any search.

Clean arms are not judged. Each goes on as long as any configuration that is compared with it, which
would have no verdict without it. Clean arms take no place from configurations.

Every decision is in the journal before it takes effect, and read back from there, so neither the
order in which the seeds of a configuration arrive nor a killed driver or worker changes one.

What is judged after which epochs, and how, is an algorithm's `Rule`.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean
from typing import Literal, Protocol

from freelb_tune.search.algorithms.algorithm import Algorithm, Said
from freelb_tune.search.algorithms.frame.order import Order
from freelb_tune.search.driver.board import Row
from freelb_tune.search.driver.ledger import Ledger
from freelb_tune.search.driver.work import Ready
from freelb_tune.space import Cell, Space
from freelb_tune.store import CellState, read_journal

__all__ = ["Decision", "Rule", "Stopping"]

Decision = Literal["continue", "stop"]


class Rule(Protocol):
    """Judges configurations by what was entered before; reads no files and keeps no time."""

    @property
    def epochs(self) -> Sequence[int]:
        """After which epochs some configuration is judged, the first one first."""

    def applies(self, config_id: str, epoch: int) -> bool:
        """Whether this configuration is judged after this epoch, one of `epochs`."""

    def judge(self, config_id: str, epoch: int, score: float, *, is_complete: bool) -> Decision:
        """Whether a configuration that arrives with this score would go on; changes nothing."""

    def enter(self, config_id: str, epoch: int, score: float, *, is_complete: bool) -> None:
        """Count a configuration from now on, whatever was decided."""


class Stopping(Algorithm, ABC):
    """Decides on configurations by a rule, from the beginning or from where a killed run was.

    Decisions of a killed run take effect now. Those that it was due but had not made are made, in
    plan order. Configurations that an earlier grid search trained to the end, with no decision,
    count as ones that went on.
    """

    def __init__(self, space: Space, ledger: Ledger) -> None:
        super().__init__(space, ledger)
        self._seeds: dict[str, list[Row]] = {}
        self._compared: dict[str, set[str]] = {}  # by clean arm: the configurations beside it
        self._perturbs = any(layer.methods - {"none"} for layer in space.layers)
        self._order = Order(space.search, ledger.board.rows)
        self.added([row.cell for row in ledger.board.rows.values()])
        self._decided: dict[tuple[str, int], Decision] = {}
        self._rule: Rule
        self._max_epochs: int

    def added(self, cells: Sequence[Cell]) -> None:
        """Count the cells among the seeds of their configurations, and beside their clean arms."""
        for cell in cells:
            self._seeds.setdefault(cell.config_id, []).append(self._ledger.board[cell.id])
        for cell in cells:
            if cell.arm == "adversarial" and cell.clean_id in self._seeds:
                self._compared.setdefault(cell.clean_id, set()).add(cell.config_id)

    @abstractmethod
    def make_rule(self, max_epochs: int) -> Rule:
        """The algorithm's own rule, which has seen nothing yet.

        Args:
            max_epochs: the full budget; nothing is judged there.
        """

    def prepared(self, ready: Mapping[str, Ready]) -> None:
        """Make the rule, by the largest budget of the plan, and take up what was decided."""
        longest = max((each.epochs for each in ready.values()), default=1)
        self._max_epochs = self._space.search.epochs or longest
        self._rule = self.make_rule(self._max_epochs)
        for entry in read_journal(self._ledger.folder):
            if entry["event"] == "decided" and entry.get("config_id") in self._seeds:
                config_id, epoch = entry["config_id"], entry["epoch"]
                if not self._goes_along(config_id):
                    self._enter(config_id, epoch, entry["score"], is_complete=not entry["missing"])
                self._decided[config_id, epoch] = entry["decision"]
        for row in self._ledger.board.rows.values():
            if not row.state.is_over and self.end_of(row.cell.id) is not CellState.WAITING:
                self._ledger.finished(row.cell.id, self.end_of(row.cell.id))
        self._settle_all()

    def reached(self, cell_id: str, epoch: int, score: float) -> Said:
        """A cell has finished an epoch, or tells again of one that it finished before.

        Returns:
            Whether its trial goes on. Where it does not, `end_of` says what becomes of the cell.
        """
        self._ledger.add_epoch(cell_id, epoch, score)
        row = self._ledger.board[cell_id]
        if epoch == row.epochs:
            self._settle(row.cell.config_id)
            return "continue"  # its training ends by itself
        if epoch >= self._max_epochs:
            return "stop"
        if epoch not in self._epochs(row.cell.config_id):
            return "continue"
        self._settle(row.cell.config_id, running=cell_id)
        return self._decided.get((row.cell.config_id, epoch), "wait")

    def end_of(self, cell_id: str) -> CellState:
        """What a cell is whose trial ended before its training did.

        Returns:
            Done if it had its full budget, stopped if that was decided, and else waiting.
        """
        row = self._ledger.board[cell_id]
        if row.epochs_done >= self._max_epochs:
            return CellState.DONE
        said = (self._decided.get((row.cell.config_id, epoch)) for epoch in row.scores)
        return CellState.STOPPED if "stop" in said else CellState.WAITING

    def wanted(self) -> list[str]:
        """The cells that may run now, those that do among them, seeds innermost.

        Empty once every cell is over, and not before: seeds that wait are decided on as
        soon as no other can arrive, so a configuration that is not over has one that may run.
        """
        self._settle_all()
        board = self._ledger.board
        ready = [cell_id for cell_id in board.waiting() if not self._waits(board[cell_id])]
        return self._order.sort(ready)

    def _epochs(self, config_id: str) -> list[int]:
        """After which epochs a configuration is decided on; a clean arm wherever any may be."""
        if self._goes_along(config_id):
            return list(self._rule.epochs)
        return [epoch for epoch in self._rule.epochs if self._rule.applies(config_id, epoch)]

    def _enter(self, config_id: str, epoch: int, score: float, *, is_complete: bool) -> None:
        """Let the rule count a score; one of an epoch that an earlier rule judged says nothing."""
        if epoch in self._epochs(config_id):
            self._rule.enter(config_id, epoch, score, is_complete=is_complete)

    def _waits(self, row: Row) -> bool:
        """Whether a cell stands at an epoch after which its configuration is to be decided on."""
        name = row.cell.config_id
        return any(
            epoch in row.scores and epoch != row.epochs and (name, epoch) not in self._decided
            for epoch in self._epochs(name)
        )

    def _settle_all(self) -> None:
        """Decide on whatever can be, clean arms last, as they go by what is said of others."""
        for config_id in sorted(self._seeds, key=self._goes_along):
            self._settle(config_id)

    def _settle(self, config_id: str, running: str | None = None) -> None:
        """Decide on a configuration wherever nobody can arrive any more.

        Args:
            config_id: the configuration.
            running: its cell whose trial is about to hear of the decision, and ends by that.
        """
        rows = self._seeds[config_id]
        for epoch in self._epochs(config_id):
            if self._decided.get((config_id, epoch)) == "stop":
                return
            if (config_id, epoch) in self._decided:
                continue
            there = [r for r in rows if epoch in r.scores and not r.state.is_broken]
            if not there or any(r not in there and not r.state.is_over for r in rows):
                return
            if not self._decide(config_id, epoch, there):
                return
            for row in _unfinished(there, epoch):
                if row.cell.id != running and self.end_of(row.cell.id) is CellState.STOPPED:
                    self._ledger.finished(row.cell.id, CellState.STOPPED)

    def _decide(self, config_id: str, epoch: int, there: Sequence[Row]) -> bool:
        """Decide by the seeds that are left and write it down; False if it is too early."""
        missing = [row.cell.seed for row in self._seeds[config_id] if row not in there]
        score = fmean(row.scores[epoch] for row in there)
        is_judged = not self._goes_along(config_id)
        decision: Decision | None = "continue"  # there is nothing to stop if all seeds are over
        if _unfinished(there, epoch):
            if is_judged:
                decision = self._rule.judge(config_id, epoch, score, is_complete=not missing)
            else:
                decision = self._beside(config_id, epoch)
        if decision is None:
            return False
        self._ledger.decided(
            {
                "config_id": config_id,
                "epoch": epoch,
                "score": score,
                "seeds": [row.cell.seed for row in there],
                "missing": missing,
                "decision": decision,
            }
        )
        if is_judged:
            self._enter(config_id, epoch, score, is_complete=not missing)
        self._decided[config_id, epoch] = decision
        return True

    def _goes_along(self, config_id: str) -> bool:
        """Whether this is a clean arm that others are, or may yet be, compared with."""
        if config_id in self._compared:
            return True
        return self.is_growing and self._perturbs and self._seeds[config_id][0].cell.arm == "clean"

    def _beside(self, clean_id: str, epoch: int) -> Decision | None:
        """A clean arm goes on with the first that does and stops with the last; None: it waits."""
        said = {self._said(name, epoch) for name in self._compared.get(clean_id, ())}
        if "continue" in said:
            return "continue"
        return None if None in said or self.is_growing else "stop"

    def _said(self, config_id: str, epoch: int) -> Decision | None:
        """What follows this epoch for a configuration; None where that is to be decided."""
        if (config_id, epoch) in self._decided:
            return self._decided[config_id, epoch]
        rows = self._seeds[config_id]
        if self._rule.applies(config_id, epoch):
            return "stop" if all(row.state.is_over for row in rows) else None
        is_out = all(row.state.is_over and row.state is not CellState.DONE for row in rows)
        return "stop" if is_out else "continue"


def _unfinished(rows: Iterable[Row], epoch: int) -> list[Row]:
    """The cells that have epochs to come after this one."""
    return [row for row in rows if not row.state.is_over and row.epochs != epoch]
