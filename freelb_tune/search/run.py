"""The search: what is known, what is left, and having it run; each fact in the store first.

Room: search. Ray is loaded only where something is left to run.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from freelb_tune import __version__
from freelb_tune.errors import FreeLBTuneError
from freelb_tune.results.earlier import keep_earlier
from freelb_tune.results.tables.contents.metric import measure_for
from freelb_tune.search.algorithms.frame.conductor import Conductor
from freelb_tune.search.algorithms.frame.proposals import Proposals
from freelb_tune.search.algorithms.frame.samplers import check_sampler
from freelb_tune.search.algorithms.registry import open_algorithm
from freelb_tune.search.driver.board import Board
from freelb_tune.search.driver.guards.interruption import Interruption
from freelb_tune.search.driver.guards.limits import Limits
from freelb_tune.search.driver.ledger import Ledger, Outputs
from freelb_tune.search.driver.listener import Guard, Listener, Silent
from freelb_tune.search.driver.same import journal_same, same_cells
from freelb_tune.search.driver.selected.best import BestModel, start_over
from freelb_tune.search.driver.showing.tracking import Tracking
from freelb_tune.search.driver.work import SearchOptions, SearchSummary, Work
from freelb_tune.search.ray_tune.trials import run_trials
from freelb_tune.space import Cell, Plan, Space, digest
from freelb_tune.space.cells.naming import cell_labels
from freelb_tune.space.cells.plan import Part
from freelb_tune.store import (
    EPOCHS,
    FORMAT,
    CellResult,
    CellState,
    Journal,
    Store,
    cell_folder,
    damage_of,
    load_store,
    match_sentence,
    new_look,
    set_log_aside,
    take_results,
    utc_now,
)

__all__ = ["run_search"]


def run_search(
    space: Space,
    plan: Plan,
    folder: Path,
    options: SearchOptions | None = None,
    listener: Listener | None = None,
    work: Work | None = None,
    also: Sequence[Listener] = (),
) -> SearchSummary:
    """Run what is left of a plan, and keep everything in its results folder.

    Known cells are kept, unfinished ones go on from their last epoch, failed ones run again if
    the options say so. Where nothing is left, Ray is not started.

    Args:
        space: what the user asked for.
        plan: its cells.
        folder: the results folder, `results/NAME`.
        options: where and how; None for the defaults.
        listener: is told how it goes; None for silence.
        work: how cells are prepared and trained; None for the training room.
        also: are told, too.

    Returns:
        How it ended. Ctrl-C and SIGTERM end it as `interrupted`, with everything known kept.

    Raises:
        FreeLBTuneError: the folder is another's or in use, the data or model cannot be had, a
            trial asks for more than there is, or the disk refuses.
    """
    folder, options = folder.resolve(), options or SearchOptions()
    guard = Guard(listener or Silent(), *also)
    if space.track:
        guard.add(Tracking(folder, space.track, guard.said))
    space.search.check_arms(plan.compared, plan.clean, len(space.seeds))
    check_sampler(space.search)
    interruption, interrupted = Interruption(), False
    with (
        take_results(
            folder, space_yaml=space.to_yaml(), name=space.name, task=space.task
        ) as journal,
        interruption.handled(),
        _opened(space, plan, journal, options, guard) as (ledger, proposals),
    ):
        try:
            if options.retry_failed:
                _take_up_failed(ledger, folder)
            algorithm, limits = open_algorithm(space, ledger), Limits(space, ledger)
            conductor = Conductor(algorithm, proposals, limits, ledger)
            if not conductor.is_over():
                run_trials(space, ledger, options, work, interruption, conductor)
        except KeyboardInterrupt:
            interrupted = True
    return _summary(ledger, interrupted)


def _summary(ledger: Ledger, interrupted: bool) -> SearchSummary:
    best = ledger.leader
    return SearchSummary(
        folder=ledger.folder,
        counts=ledger.board.counts(),
        ran=ledger.ran,
        best=None if best is None else best.row.cell.id,
        best_score=None if best is None else ledger.board.best_score(best.row.cell.id),
        interrupted=interrupted,
    )


@contextmanager
def _opened(
    space: Space, plan: Plan, journal: Journal, options: SearchOptions, guard: Guard
) -> Iterator[tuple[Ledger, Proposals]]:
    """Journal the plan and read what is known; close the journal and write tables at the end."""
    folder = journal.folder
    store = load_store(folder)
    proposals = Proposals(space, plan, store.events)
    planned = tuple(proposals.cells.values())
    known = store.known
    same = same_cells(plan, known)
    cells = tuple(cell for cell in planned if cell.id not in same)
    board = Board(
        cells,
        measure_for(space.task, space.search.metric),
        cell_labels(planned),
        space.table.select,
    )
    _journal_plan(space, planned, journal, options, known, plan.part)
    journal_same(journal, same, known)
    damaged = read_known(board, known)
    best = BestModel(folder, options.command, space.resources.checkpoint_gib)
    outputs = Outputs(lambda: _write_outputs(folder))
    ledger = Ledger(journal, board, best, outputs, guard, known)
    ledger.repair()
    guard.opened(board)
    for text in _other_plan(store, planned, board):
        ledger.say(text)
    for cell_id, why in damaged.items():
        ledger.begins_again(cell_id, why)
    is_judged = False
    try:
        try:
            yield ledger, proposals
            _take_look(journal)
        except BaseException:
            with suppress(FreeLBTuneError):  # where the disk is full the first word counts
                journal.append("closed", at=utc_now())
            raise
        journal.append("closed", at=utc_now())  # before the page, which says what still runs
        _write_verdict(folder)
        is_judged = True
    finally:
        if not is_judged:
            with suppress(FreeLBTuneError):
                ledger.write_outputs()  # the newest numbers, without a verdict
        guard.closed()


def _journal_plan(
    space: Space,
    cells: Sequence[Cell],
    journal: Journal,
    options: SearchOptions,
    known: Mapping[str, CellResult],
    part: Part | None,
) -> None:
    """Say in the journal that a run begins, and which cells nobody planned before."""
    journal.append(
        "opened",
        format=FORMAT,
        at=utc_now(),
        pid=os.getpid(),
        version=__version__,
        command=list(options.command),
        name=space.name,
        task=space.task,
        cells=[cell.id for cell in cells],
        seeds=list(space.seeds),
        space=digest({"space": space.to_yaml()}),
        **({"shard": str(part), "plan": list(part.whole)} if part else {}),
    )
    journal.append_all(
        ("planned", {"cell": cell.to_json()}) for cell in cells if cell.id not in known
    )


def read_known(board: Board, known: Mapping[str, CellResult]) -> dict[str, str]:
    """Put on the board what the store knows of the plan's cells.

    Returns:
        By cell: what is wrong with its log, which is out of the way, or its checkpoint, which
        training passes over. These cells begin again.
    """
    told = {}
    for row in board.rows.values():
        result = known.get(row.cell.id)
        if result is None:
            continue
        row.learn(result)
        if result.damage is not None:
            set_log_aside(result.folder / EPOCHS)
            row.message = row.message if row.state.is_over else None
            told[row.cell.id] = result.damage
        elif row.state.is_over or _is_trained(result):
            continue
        elif damage := damage_of(result.folder, result.epochs):
            row.scores.clear()
            told[row.cell.id] = damage
    return told


def _is_trained(result: CellResult) -> bool:
    """Whether a cell has its last epoch, of which there is no checkpoint; only the journal waits.

    A search that was killed between that epoch's line and the event leaves it so.
    """
    steps = result.cell.settings.get("trainer.max_steps")
    if isinstance(steps, int) and steps > 0:
        return result.last is not None and result.last.step >= steps
    whole = result.cell.whole_epochs
    return whole is not None and len(result.epochs) >= whole


def _other_plan(store: Store, planned: Sequence[Cell], board: Board) -> list[str]:
    """What to tell where stored cells are not those of the plan; their tables stay for a while."""
    said = match_sentence(store, planned)
    if said is None:
        return []
    kept = None if board.counts()[CellState.DONE] else keep_earlier(store.folder)
    return [
        said,
        *([f"their tables are in {kept} until a cell of this plan is done"] if kept else []),
    ]


def _take_up_failed(ledger: Ledger, folder: Path) -> None:
    """Make failed cells unfinished ones; those without a checkpoint begin again."""
    for cell_id, row in ledger.board.rows.items():
        if row.state.is_broken:
            if not (cell_folder(folder, cell_id) / "checkpoint").exists():
                start_over(folder, cell_id)
                row.scores.clear()
            ledger.retried(cell_id)


def _write_outputs(folder: Path) -> None:
    """Tables of what is known so far; the verdict waits for the end, as it takes a second."""
    from freelb_tune.results import write_outputs

    write_outputs(folder)


def _take_look(journal: Journal) -> None:
    """Say in the journal that a verdict is going to be seen, where it is a new one."""
    look = new_look(load_store(journal.folder))
    if look is not None:
        journal.append("looked", at=utc_now(), **look)


def _write_verdict(folder: Path) -> None:
    from freelb_tune.results import write_outputs
    from freelb_tune.results.analysis import judge

    write_outputs(folder, judge)
