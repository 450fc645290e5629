"""The journal read from its beginning: which cells are planned, where each is, what was looked at.

Room: store. Events in, one object out; what cells have trained is read beside it, by `known`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from freelb_tune.errors import counted
from freelb_tune.space.cells.cell import Cell
from freelb_tune.store.cells.epochs import Seal
from freelb_tune.store.cells.lengths import TextLengths
from freelb_tune.store.cells.records import Answered, CellState, End
from freelb_tune.store.journal.look import Look, Rounds, with_look

__all__ = ["KnownState", "LengthsKey", "Replay"]

LengthsKey = tuple[str, str, int]
"""Fingerprints of data and weights, and the tokens kept of each text."""


@dataclass(frozen=True)
class KnownState:
    """What the journal says of a cell that was taken up.

    Attributes:
        state: where it is.
        message: why it failed or was not run.
        seal: what its log held when it was over; None where the journal does not say.
    """

    state: CellState
    message: str | None = None
    seal: Seal | None = None


@dataclass
class Replay:
    """The journal's events taken one by one; attributes are what they have said so far."""

    opened: dict[str, Any] = field(default_factory=dict)
    cells: dict[str, Cell] = field(default_factory=dict)
    states: dict[str, KnownState] = field(default_factory=dict)
    lengths: dict[LengthsKey, TextLengths] = field(default_factory=dict)
    end: End | None = None
    looks: tuple[Look, ...] = ()
    answered: Answered | None = None
    same: dict[str, Cell] = field(default_factory=dict)

    def take(self, entry: Mapping[str, Any]) -> None:
        """Take one event; one that says nothing of a cell's state is passed over.

        Raises:
            ValueError: a planned cell is none, or what is said is of one that was never planned.
        """
        match entry["event"]:
            case "opened":
                self.opened = {**entry, "cells": dict.fromkeys(entry["cells"])}
                self.end = None
            case "proposed":
                self.opened["cells"] |= dict.fromkeys(entry["cells"])
            case "ended":
                self.end = End(entry["by"], entry["limit"])
            case "planned":
                cell = Cell.from_json(entry["cell"])
                self.cells[cell.id] = cell
            case "prepared":
                found = TextLengths.from_json(entry["lengths"])
                self.lengths[entry["data"], entry["weights"], found.max_length] = found
            case "looked":
                self._check_look(entry)
                rounds = Rounds.from_json(entry.get("rounds"))
                look = Look(frozenset(entry["cells"]), entry["shown"], rounds)
                self.looks = with_look(self.looks, look)
            case "closed" if self.opened.get("format") == 1:  # it journaled no looks
                self.looks = with_look(self.looks, Look(frozenset(self._finished()), None))
            case "same":
                first = self.cells.get(str(entry.get("as")))
                if first is None or entry["cell_id"] not in self.cells:
                    raise ValueError("found one that trains as another, which was never planned")
                self.same[entry["cell_id"]] = first
            case "started" | "retried":
                self.states[entry["cell_id"]] = KnownState(CellState.WAITING)
                self.same.pop(entry["cell_id"], None)
            case "failed":
                self.states[entry["cell_id"]] = KnownState(
                    CellState(entry["state"]), entry["message"]
                )
            case "finished":
                lines, digest = entry.get("lines"), entry.get("digest")
                seal = Seal(lines, digest) if lines is not None and digest is not None else None
                self.states[entry["cell_id"]] = KnownState(CellState(entry["state"]), seal=seal)
            case "decided" if "race" in entry:
                for state in (CellState.DROPPED, CellState.SPARED):
                    told = entry[state.value].items()
                    self.states |= {cell_id: KnownState(state, why) for cell_id, why in told}
                if "answers" in entry:
                    said = (entry[name] for name in ("margin", "round", "answers", "ended", "more"))
                    self.answered = Answered(*said)

    def runs_for(self, cell: Cell) -> Cell:
        """The cell that a cell's numbers are of: itself, or one that trains the same."""
        first, seen = cell, {cell.id}
        while (before := self.same.get(first.id)) is not None and before.id not in seen:
            first = before
            seen.add(first.id)
        return first

    def _check_look(self, entry: Mapping[str, Any]) -> None:
        """Refuse a look that this journal cannot have had here: it is of another folder."""
        if entry["look"] != len(self.looks) + 1:
            raise ValueError(
                f"found look {entry['look']}, after {counted(len(self.looks), 'look')}: the "
                "journal is another folder's, or lacks lines"
            )
        for cell_id in entry["cells"]:
            cell = self.cells.get(cell_id)
            known = None if cell is None else self.states.get(self.runs_for(cell).id)
            if known is None or known.state is not CellState.DONE:
                what = "this folder never planned" if cell is None else "had not finished"
                raise ValueError(
                    f"found a look at cell {cell_id}, which {what}: the journal is another "
                    "folder's, or lacks lines"
                )

    def _finished(self) -> list[str]:
        """The finished cells of the latest plan; none where it has not come to its end."""
        states = {name: self.states.get(name) for name in self.opened["cells"]}
        if any(known is None or not known.state.is_over for known in states.values()):
            return []
        return [name for name, known in states.items() if known and known.state is CellState.DONE]
