"""A race over seeds in the search: which cells run next, and which will never run.

Room: search, without Ray. `results.statistics.choosing.racing` computes who is out. It is asked
once, when a round of seeds is complete. Its answer is in the journal before it takes effect, and is
read back from there. So neither the order in which cells finish nor a killed driver changes one.

The clean arms are not raced: each runs the seeds that one of its configurations runs, as a verdict
compares the two seed by seed. The budget does not count them.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from freelb_tune.results.statistics.choosing.racing import RaceDecision, race_decide
from freelb_tune.search.algorithms.algorithm import Algorithm
from freelb_tune.search.driver.ledger import Ledger
from freelb_tune.space import Cell, Space, digest
from freelb_tune.space.settings.algorithms import RaceSettings, SeedRounds, VerdictSettings
from freelb_tune.store import CellState, read_journal

__all__ = ["BROKEN", "Field", "Judged", "Race"]


@dataclass(frozen=True)
class Field:
    """A search's configurations as a race sees them.

    Attributes:
        raced: cell ids by configuration, in the order of the seeds.
        clean: the same for clean arms that go along.
        clean_of: each raced configuration's clean arm, if it has one.
        seeds: S.
        budget: most cells of raced configurations; None for all.
        select: which epoch of a cell counts.
        question: what else a decision depends on.
    """

    raced: Mapping[str, Sequence[str]]
    clean: Mapping[str, Sequence[str]]
    clean_of: Mapping[str, str]
    seeds: int
    budget: int | None
    select: str
    question: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Changes with everything that a decision depends on but the scores."""
        rows = {name: list(cells) for name, cells in self.raced.items()}
        clean = {name: list(cells) for name, cells in self.clean.items()}
        facts = {"seeds": self.seeds, "budget": self.budget, "select": self.select}
        return digest({"raced": rows, "clean": clean, **facts, **self.question})

    def cells(self, contenders: Iterable[str], places: Iterable[int]) -> list[str]:
        """The contenders' cells of some seeds, clean arms first."""
        names = list(contenders)
        clean = dict.fromkeys(self.clean_of[name] for name in names if name in self.clean_of)
        return [
            rows[place]
            for place in places
            for rows in [*(self.clean[n] for n in clean), *(self.raced[n] for n in names)]
        ]


@dataclass(frozen=True)
class Judged:
    """What a complete round of seeds has shown.

    Attributes:
        stay: contenders that get another seed.
        out: those that do not, and why.
        failed: those with a failed seed.
        is_over: whether nothing more is to be run.
        reason: why it is over, in words.
        more: what else the journal keeps.
    """

    stay: Sequence[str]
    out: Mapping[str, str]
    failed: Sequence[str]
    is_over: bool
    reason: str
    more: Mapping[str, Any] = field(default_factory=dict)


class Race(Algorithm):
    """One race, from its beginning or from where a killed run left it."""

    def __init__(self, space: Space, ledger: Ledger) -> None:
        super().__init__(space, ledger)
        cells = [row.cell for row in ledger.board.rows.values()]
        self._field = _field(space, cells, self.question())
        self._done = SeedRounds.FIRST_SEEDS
        self._failed: set[str] = set()
        self._in = list(self._field.raced)
        self._over = False
        for entry in read_journal(ledger.folder):
            if entry["event"] == "decided" and entry.get("race") == self._field.name:
                self._take(entry)

    def is_over(self) -> bool:
        """Also where a killed run had left the last round complete and not decided."""
        return not self.wanted()

    def wanted(self) -> list[str]:
        """The cells of this round that are not over; empty once nothing is to be run.

        Failed cells of earlier rounds that the user wants run again are among them. Decides where
        a round is complete: what it says is in the journal when this returns.
        """
        while not self._over:
            past, now = range(self._done - 1), range(self._done)[-1:]
            cells = self._field.cells(self._field.raced, past) + self._field.cells(self._in, now)
            left = [cell_id for cell_id in cells if not self._ledger.board[cell_id].state.is_over]
            if left:
                return left
            self._decide()
        return self._ledger.board.waiting()

    def question(self) -> Mapping[str, Any]:
        """What a decision depends on beside the cells, the seeds and the budget."""
        return {}

    def judged(self) -> Judged:
        """Compare the contenders over the seeds that all of them have."""
        scores = {name: self._scores(name) for name in self._field.raced}
        said = race_decide(scores, self._field.seeds, self._field.budget)
        stay = [name for name in said.contenders if name in self._in]
        out = {name: _why(name, said, self._done) for name in self._in if name not in stay}
        over = said.is_over or self._done >= self._field.seeds or not stay
        failed = [name for name in said.failed if name in self._in]
        return Judged(stay, out, failed, over, f"the race is over: {said.reason}")

    def _decide(self) -> None:
        """Say what the round has shown, and which cells will never run for it."""
        said = self.judged()
        entry: dict[str, Any] = {
            "race": self._field.name,
            "round": self._done,
            "contenders": list(said.stay),
            "failed": list(said.failed),
            "over": said.is_over,
            "dropped": self._open(self._field.raced, said.out),
            "spared": {},
            **said.more,
        }
        needed = set() if said.is_over else {self._field.clean_of.get(name) for name in said.stay}
        idle = [name for name in self._field.clean if name not in needed]
        entry["spared"] |= self._open(self._field.clean, dict.fromkeys(idle, _IDLE))
        if said.is_over:
            why = dict.fromkeys(said.stay, said.reason)
            entry["spared"] |= self._open(self._field.raced, why)
        self._ledger.raced(entry)
        self._take(entry)

    def _take(self, entry: Mapping[str, Any]) -> None:
        """Go on from a decision, made now or in an earlier run."""
        self._in, self._over = list(entry["contenders"]), entry["over"]
        self._failed |= set(entry["failed"])
        self._done = entry["round"] + 1
        self.left_out |= {*entry["dropped"], *entry["spared"]}

    def _open(
        self, rows_of: Mapping[str, Sequence[str]], reasons: Mapping[str, str]
    ) -> dict[str, str]:
        """The cells of some configurations that are not over, with why they will not run."""
        rows = {cell: why for name, why in reasons.items() for cell in rows_of[name]}
        board = self._ledger.board
        return {cell: why for cell, why in rows.items() if not board[cell].state.is_over}

    def _scores(self, name: str) -> list[float | None]:
        """A configuration's scores up to this round; a failed seed ends them."""
        if name in self._failed:
            return [None]
        scores: list[float | None] = []
        for cell_id in self._field.raced[name][: self._done]:
            row = self._ledger.board[cell_id]
            if row.state is not CellState.DONE and row.state.is_over:
                return [*scores, None] if row.state in BROKEN else scores
            if row.state is not CellState.DONE:
                return scores
            scores.append(self._ledger.board.sign * self._ledger.board.selected(row))
        return scores


_IDLE = "no configuration in the race needs it for a comparison"
BROKEN = (CellState.FAILED, CellState.DIVERGED, CellState.STOPPED)


def _field(space: Space, cells: Sequence[Cell], question: Mapping[str, Any]) -> Field:
    assert isinstance(space.search, RaceSettings | VerdictSettings)
    places = {seed: place for place, seed in enumerate(space.seeds)}
    rows: dict[str, list[str]] = {}
    arms: dict[str, Cell] = {}
    for cell in sorted(cells, key=lambda cell: places[cell.seed]):
        rows.setdefault(cell.config_id, []).append(cell.id)
        arms[cell.config_id] = cell
    tried = [name for name, cell in arms.items() if cell.arm == "adversarial"]
    raced = tried or list(rows)  # a search over the clean arm alone races that
    clean_of = {name: str(arms[name].clean_id) for name in raced if arms[name].clean_id in rows}
    return Field(
        raced={name: rows[name] for name in raced},
        clean={name: rows[name] for name in rows if name not in raced},
        clean_of={name: clean for name, clean in clean_of.items() if clean not in raced},
        seeds=len(space.seeds),
        budget=space.search.budget,
        select=space.table.select,
        question=question,
    )


def _why(name: str, said: RaceDecision, done: int) -> str:
    """Why a configuration is out."""
    if name in said.out_by_test:
        return f"out of the race after {done} seeds: worse than the leader"
    if name in said.out_by_budget:
        return f"out of the race after {done} seeds: the budget keeps only the first in rank"
    return "out of the race: a seed of its configuration failed"
