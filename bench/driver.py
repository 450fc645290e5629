"""The driver's own work for a trial that does nothing and reports five epochs, without Ray.

    python -m bench.driver 500 5000

What a search does for each trial beside Ray's part and the tables: which cell is next, journal and
board, which model leads. Half of the cells are done. CPU milliseconds, the least of three runs.
"""

import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from bench.scaling import REPORTS, record, space_file
from freelb_tune.api.plans import span
from freelb_tune.results.tables.contents.metric import measure_for
from freelb_tune.search.algorithms.frame.conductor import Conductor
from freelb_tune.search.algorithms.frame.proposals import Proposals
from freelb_tune.search.algorithms.registry import open_algorithm
from freelb_tune.search.driver.board import Board
from freelb_tune.search.driver.guards.limits import Limits
from freelb_tune.search.driver.ledger import Ledger, Outputs
from freelb_tune.search.driver.listener import Guard, Silent
from freelb_tune.search.driver.selected.best import BestModel
from freelb_tune.space import load_space
from freelb_tune.store import CellState, cell_folder, take_results
from freelb_tune.store.disk.files import append_lines

__all__ = ["own_work"]


def own_work(count: int, trials: int) -> float:
    """CPU seconds of the driver for a trial without Ray and tables, half of the cells done."""
    with tempfile.TemporaryDirectory() as scratch, ExitStack() as stack:
        folder = Path(scratch) / "scaling"
        space = load_space(space_file(Path(scratch), count, REPORTS))
        planned = span(space, most_cells=None)
        facts = {"space_yaml": space.to_yaml(), "name": space.name, "task": space.task}
        journal = stack.enter_context(take_results(folder, **facts))
        labels = {cell.id: cell.id for cell in planned.cells}
        board = Board(planned.cells, measure_for(space.task, None), labels)
        for cell in planned.cells[: count // 2]:
            row = board[cell.id]
            row.state = CellState.DONE
            row.scores = {n: record(cell, n).score for n in range(1, REPORTS + 1)}
        best, outputs = BestModel(folder, ()), Outputs(lambda: None)
        ledger = Ledger(journal, board, best, outputs, Guard(Silent()))
        ledger.repair()
        limits, proposals = Limits(space, ledger), Proposals(space, planned, [])
        conductor = Conductor(open_algorithm(space, ledger), proposals, limits, ledger)
        took = 0.0
        for _ in range(trials):
            start = time.process_time()
            name = conductor.next_cell(set())
            assert name is not None
            ledger.started(name)
            took += time.process_time() - start
            home = cell_folder(folder, name)
            home.mkdir(parents=True)
            lines = [record(board[name].cell, n) for n in range(1, REPORTS + 1)]
            append_lines(home / "epochs.jsonl", [line.to_json() for line in lines])
            start = time.process_time()
            for line in lines:
                conductor.reached(name, line.epoch, line.score)
                ledger.add_epoch(name, line.epoch, line.score)
                ledger.tick()
            ledger.finished(name, CellState.DONE)
            took += time.process_time() - start
        return took / trials


if __name__ == "__main__":
    for cells in map(int, sys.argv[1:]):
        least = min(own_work(cells, trials=60) for _ in range(3))
        print(f"{cells} cells: {1000 * least:.1f} ms a trial")
