"""Searches written into a folder through the store's own door, for tests of store and results."""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from freelb_tune.space.cells.cell import Cell, digest
from freelb_tune.store import (
    FORMAT,
    EpochLog,
    EpochRecord,
    Journal,
    cell_folder,
    take_results,
    utc_now,
)

SPACE = """\
name: rte_grid
task: rte
search: {algorithm: grid, metric: accuracy}
table:
  rows: [adv_lr, init_mag, max_norm]
  columns: per_device_train_batch_size
  bold: at_least_clean
  select: best_epoch
"""


def cell(seed=42, *, bsz=16, **adversary):
    """A cell; without settings for the adversary it belongs to the clean arm."""
    base = {
        "task": "rte",
        "model.name": "roberta-base",
        "trainer.learning_rate": 2e-05,
        "trainer.per_device_train_batch_size": bsz,
    }
    clean = {**base, "adversary.method": "none"}
    settings = clean
    if adversary:
        known = {"method": "freelb", "adv_steps": 3, **adversary}
        settings = {**base, **{f"adversary.{name}": value for name, value in known.items()}}
    return Cell(
        id=digest({**settings, "seed": seed}),
        config_id=digest(settings),
        clean_id=digest(clean),
        arm="adversarial" if adversary else "clean",
        seed=seed,
        settings=settings,
        data_fingerprint="d" * 12,
        weights="w" * 12,
    )


def grid(seeds=(42,)):
    """The plan of ParaGen's RTE table: clean arm first in its batch size, seeds innermost."""
    cells = []
    for bsz in (16, 32):
        cells += [cell(seed, bsz=bsz) for seed in seeds]
        for (size, lr), seed in itertools.product(
            [(0.1, 0.05), (0.1, 0.1), (0.2, 0.05), (0.2, 0.1)], seeds
        ):
            cells.append(cell(seed, bsz=bsz, adv_lr=lr, init_mag=size, max_norm=size))
    return cells


def epoch(cell_id, number, score, **changed):
    """An epoch's record."""
    facts = {
        "cell_id": cell_id,
        "epoch": number,
        "step": 10 * number,
        "score": score,
        "metrics": {"accuracy": score},
        "dev_loss": 0.5,
        "train_loss": 0.25,
        "delta_ratio": None,
        "delta_norm": None,
        "bound_share": None,
        "adv_loss_gain": None,
        "passes": 30 * number,
        "learning_rate": 1e-05,
        "micro_batch": 16,
        "train_seconds": 1.5,
        "eval_seconds": 0.5,
        "peak_gib": None,
    }
    return EpochRecord(**{**facts, **changed})


@dataclass
class Search:
    """A search to be written: its plan, and what each cell did.

    `outcomes` maps a cell's id to its scores by epoch and its end: "done", "stopped", "failed",
    "diverged", or None for a cell that was started only.
    """

    cells: Sequence[Cell]
    outcomes: dict[str, tuple[Sequence[float], str | None]] = field(default_factory=dict)

    def end(self, cell: Cell, *scores: float, state: str | None = "done") -> "Search":
        self.outcomes[cell.id] = (scores, state)
        return self

    def write(
        self,
        folder: Path,
        *,
        order: Iterable[str] | None = None,
        space: str = SPACE,
        task: str = "rte",
    ) -> Path:
        """Write it all; `order` is the order in which the cells are run, by id."""
        with take_results(folder, space_yaml=space, name="rte_grid", task=task) as journal:
            plan(journal, self.cells, task=task)
            for cell_id in self.outcomes if order is None else order:
                self._run(folder, journal, cell_id)
            journal.append("closed", at=utc_now())
        return folder

    def _run(self, folder: Path, journal: Journal, cell_id: str) -> None:
        scores, state = self.outcomes[cell_id]
        journal.append("started", cell_id=cell_id, at=utc_now())
        log = EpochLog(cell_folder(folder, cell_id) / "epochs.jsonl")
        for number, score in enumerate(scores, start=1):
            log.append(epoch(cell_id, number, score))
        if state in ("failed", "diverged"):
            journal.append("failed", cell_id=cell_id, state=state, message="=its loss is nan")
        elif state:
            journal.append("finished", cell_id=cell_id, state=state)


def plan(journal, cells, **changed):
    """Open a search in a journal and plan its cells."""
    seeds = sorted({each.seed for each in cells})
    facts = {"format": FORMAT, "name": "rte_grid", "task": "rte", "seeds": seeds, **changed}
    ids = [each.id for each in cells]
    journal.append(
        "opened", at=utc_now(), pid=1, version="0", command="", cells=ids, space="0", **facts
    )
    journal.append_all(("planned", {"cell": each.to_json()}) for each in cells)


def table_text(folder: Path, judge=None) -> str:
    """A folder's table as Markdown, as `table.md` has it without and with a verdict."""
    from freelb_tune.results import write_outputs

    write_outputs(folder, judge)
    return (folder / "table.md").read_text("utf-8")
