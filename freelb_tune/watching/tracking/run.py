"""What a tracker is told: one cell's run, whole, as the store has it.

Room: watching. No text of the data is in it: neither examples nor what an exception said of one.
"""

import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass

from freelb_tune.space.cells.cell import Cell
from freelb_tune.store import CellState, EpochRecord

__all__ = ["Outcome", "Run"]


@dataclass(frozen=True)
class Outcome:
    """What a search that has come to its planned end says of one configuration.

    Attributes:
        verdict: the sentence under the search's table.
        difference: from the clean arm, in print; None where nothing could be compared.
    """

    verdict: str
    difference: str | None


@dataclass(frozen=True)
class Run:
    """One cell as it is now.

    Attributes:
        search: the search's name.
        name: the cell's, of letters, digits and `.,=+-_`; it ends in the cell's id.
        cell: the configuration and the seed.
        state: where it is.
        epochs: in order; each is one step.
        at: when the last of them was written, in seconds since 1970.
        best: number of the epoch with the best score; None before the first.
        outcome: what is known from the planned end on; None before, and for a clean arm's
            difference.
    """

    search: str
    name: str
    cell: Cell
    state: CellState
    epochs: tuple[EpochRecord, ...]
    at: float
    best: int | None
    outcome: Outcome | None

    @property
    def configuration(self) -> str:
        """What its replicates have in common; the seed is left to `name`."""
        return self.cell.config_id

    @property
    def elapsed(self) -> list[float]:
        """Seconds from the first epoch's begin to the end of each, as far as they were measured."""
        took = (record.train_seconds + record.eval_seconds for record in self.epochs)
        return list(itertools.accumulate(took))

    @property
    def began(self) -> float:
        """About when the first epoch began, in seconds since 1970."""
        return self.at - (self.elapsed[-1] if self.epochs else 0.0)

    @property
    def settings(self) -> dict[str, bool | int | float | str]:
        """By dotted name; lists and mappings as JSON, and none is left out."""
        return {
            name: value if isinstance(value, bool | int | float | str) else json.dumps(value)
            for name, value in self.cell.settings.items()
            if value is not None
        }

    @property
    def summary(self) -> Mapping[str, int | float]:
        """Of a run with epochs, the score at its best and when that was."""
        if self.best is None:
            return {}
        return {"best_epoch": self.best, "best_score": self.epochs[self.best - 1].score}

    @property
    def tags(self) -> dict[str, str]:
        """What it is, as text: where it belongs, where it stands, and what came of it."""
        said = {
            "search": self.search,
            "cell": self.cell.id,
            "configuration": self.configuration,
            "arm": self.cell.arm,
            "seed": str(self.cell.block),
            "state": self.state.value,
            "verdict": "",
            "difference": "",
        }
        if self.outcome is not None:
            said |= {"verdict": self.outcome.verdict, "difference": self.outcome.difference or ""}
        return said
