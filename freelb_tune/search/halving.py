"""ASHA's budget, and what earlier runs decided: what a search that goes on must not forget.

Room: search, without Ray.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from freelb_tune.search.ledger import Ledger
from freelb_tune.search.work import Ready
from freelb_tune.space import SearchConfig
from freelb_tune.store import CellState, read_journal

__all__ = ["Decision", "Halving", "Verdict", "plan_halving"]

Decision = Literal["continue", "stop"]


@dataclass(frozen=True)
class Verdict:
    """One decision: what the journal says as `decided`.

    Attributes:
        cell_id: the cell.
        epoch: after which epoch.
        score: its score after that epoch.
        decision: whether it went on.
    """

    cell_id: str
    epoch: int
    score: float
    decision: Decision


@dataclass(frozen=True)
class Halving:
    """How cells are stopped early.

    Attributes:
        max_epochs: the full budget; a cell that reaches it is done, not stopped.
        grace_epochs: no cell stops after fewer epochs.
        reduction_factor: how many of the cells at a rung it takes for one to go on.
        higher_is_better: the score's direction.
        known: earlier decisions in the order in which they were made.
    """

    max_epochs: int
    grace_epochs: int
    reduction_factor: float
    higher_is_better: bool
    known: tuple[Verdict, ...] = ()


def plan_halving(
    search: SearchConfig, ledger: Ledger, ready: Mapping[str, Ready]
) -> Halving | None:
    """Read what was decided, and end the cells that a killed run had decided to stop.

    Args:
        search: the space's; None comes back where it is not ASHA.
        ledger: takes down what ends.
        ready: of every cell of the plan, so that a search that goes on finds the same budget.
    """
    if search.algorithm != "asha":
        return None
    max_epochs = search.epochs or max((each.epochs for each in ready.values()), default=1)
    known = _known(ledger)
    for verdict in known:
        row = ledger.board[verdict.cell_id]
        if verdict.decision == "stop" and not row.state.is_over and verdict.epoch in row.scores:
            reached = verdict.epoch >= max_epochs
            ledger.finished(verdict.cell_id, CellState.DONE if reached else CellState.STOPPED)
    return Halving(
        max_epochs=max_epochs,
        grace_epochs=min(search.grace_epochs, max_epochs),
        reduction_factor=search.reduction_factor,
        higher_is_better=ledger.board.sign > 0,
        known=tuple(known),
    )


def _known(ledger: Ledger) -> list[Verdict]:
    """Every decision about the plan's cells.

    Cells that finished with no decision, under an earlier grid search, count as cells that went
    on, in plan order; that is journaled, so that the next run counts them in the same place.
    """
    known = [
        Verdict(entry["cell_id"], entry["epoch"], entry["score"], entry["decision"])
        for entry in read_journal(ledger.folder)
        if entry["event"] == "decided" and entry.get("cell_id") in ledger.board.rows
    ]
    decided = {verdict.cell_id for verdict in known}
    for cell_id, row in ledger.board.rows.items():
        if row.state is CellState.DONE and cell_id not in decided:
            for epoch, score in sorted(row.scores.items()):
                ledger.decided(cell_id, epoch, score, "continue")
                known.append(Verdict(cell_id, epoch, score, "continue"))
    return known
