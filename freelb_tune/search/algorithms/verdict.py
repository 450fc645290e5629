"""Seeds in rounds until the question is answered: is a configuration better, or none by the margin?

Room: search, without Ray. `results.statistics.numbers.sequential` computes what is known of each
configuration. It is asked once, when a round of seeds is complete, as in a race. Configurations
that may still gain the margin get another seed, and so do the clean arms beside them.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from freelb_tune.errors import counted
from freelb_tune.results.statistics.numbers.anova import differences, pooled_spread
from freelb_tune.results.statistics.numbers.sequential import Question
from freelb_tune.results.statistics.numbers.spending import share_of
from freelb_tune.search.algorithms.race import BROKEN, Judged, Race
from freelb_tune.space.settings.algorithms import VerdictSettings
from freelb_tune.store import CellState, load_store, look_number
from freelb_tune.tasks import data_sizes, get_task

__all__ = ["Verdict"]

Floats = NDArray[np.float64]


class Verdict(Race):
    """One question, from its beginning or from where a killed run left it."""

    def question(self) -> Mapping[str, Any]:
        """The margin, and the chance of a wrong answer that looks before this search have left."""
        search = self._space.search
        assert isinstance(search, VerdictSettings)
        metric = get_task(self._space.task).metric(search.metric)
        scale = 100.0 if metric.better == "higher" else 1.0
        rows = self._ledger.board.rows.values()
        tried = {row.cell.config_id for row in rows if row.cell.arm == "adversarial"}
        share = share_of(look_number(load_store(self._ledger.folder)))
        self._asked = Question(search.margin / scale, max(len(tried), 1), share)
        cell = next(row.cell for row in rows)
        examples = data_sizes(cell.task, cell.data).dev if metric.better == "higher" else None
        self._least = 1 / (12 * examples**2) if examples else 0.0  # what rounding adds to scores
        self._answers: dict[str, str] = {}
        return {"margin": search.margin, "share": share}

    def judged(self) -> Judged:
        """Ask the question of every contender."""
        done, field = self._done, self._field
        families = [self._family(clean) for clean in field.clean]
        tables = [np.stack([self._row(name) for name in names]) for names in families]
        found = differences(tables, self._least)
        answers = dict(self._answers) or dict.fromkeys(field.raced, "open")
        failed = [name for name in self._in if self._has_failed(name)]
        answers |= dict.fromkeys(failed, "failed")
        for names, table, row in zip(families, tables, found, strict=True):
            for name, scores, estimate in zip(names[1:], table[1:], row, strict=True):
                if name in self._in and name not in failed and estimate is not None:
                    pairs = int((~np.isnan(scores - table[0])).sum())
                    answers[name] = self._asked.answer(estimate, pairs)
        stay = [name for name in self._in if answers[name] == "open"]
        better = [name for name in self._in if answers[name] == "better"]
        ended = self._ended(better, stay)
        words = counted(done, "seed")
        out = {
            name: "a seed of its configuration failed"
            if answers[name] == "failed"
            else f"no gain by the margin, as {words} show"
            for name in self._in
            if name not in (*stay, *better)
        }
        more = {
            "answers": answers,
            "ended": ended,
            "margin": self._asked.margin,
            "more": self._left(tables) if ended in ("budget", "seeds") else None,
        }
        kept = [*better, *stay]
        return Judged(kept, out, failed, bool(ended), "the question is answered", more)

    def _take(self, entry: Mapping[str, Any]) -> None:
        super()._take(entry)
        self._answers = dict(entry["answers"])

    def _ended(self, better: list[str], stay: list[str]) -> str:
        """What has ended the search; empty where it goes on."""
        field, search = self._field, self._space.search
        assert isinstance(search, VerdictSettings)
        if better or not stay:
            return "better" if better else "none"
        if self._done >= field.seeds:
            return "seeds"
        spent = sum(self._has_run(each) for each in field.cells(field.raced, range(self._done)))
        round_ = len(field.cells(stay, [self._done]))
        return "budget" if search.budget is not None and spent + round_ > search.budget else ""

    def _left(self, tables: list[Floats]) -> int | None:
        """Seeds more of each open configuration that an answer is likely to take."""
        spread, _ = pooled_spread(tables)
        if spread <= 0:
            return None
        return max(self._asked.seeds(spread) - self._done, math.ceil(self._done / 2))

    def _family(self, clean: str) -> list[str]:
        """A clean arm with the configurations that are compared with it."""
        return [clean, *(n for n in self._field.raced if self._field.clean_of.get(n) == clean)]

    def _row(self, name: str) -> Floats:
        """Scores of the seeds so far, more is better; nan where there is none."""
        board, cells = self._ledger.board, {**self._field.clean, **self._field.raced}[name]
        rows = [board[cell_id] for cell_id in cells[: self._done]]
        done = [row if row.state is CellState.DONE else None for row in rows]
        values = [np.nan if row is None else board.sign * board.selected(row) for row in done]
        return np.array(values, dtype=np.float64)

    def _has_failed(self, name: str) -> bool:
        cells = self._field.raced[name][: self._done]
        return any(self._ledger.board[cell_id].state in BROKEN for cell_id in cells)

    def _has_run(self, cell_id: str) -> bool:
        return self._ledger.board[cell_id].state in (CellState.DONE, *BROKEN)
